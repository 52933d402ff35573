"""Cross-validation: every photograph graded by a model that never saw it, in k folds and under several seeds.

A trainer gets the training part of a fold alone: whatever it selects, holds out or calibrates comes from there. Only then are
the photographs of the test part put to the model it returned.
"""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from time import monotonic
from typing import Protocol

import numpy as np
import numpy.typing as npt
from pydantic import Field
from scipy.special import softmax

from models.card import Calibration
from models.errors import DataError
from training.cost import CostModel
from training.intervals import RESAMPLES
from training.metrics import TARGET_ACCURACY, Scores, score
from training.sources import LabelledSet, Sample
from training.splits import folds as split_into_folds


class FoldModel(Protocol):
    """What a trainer returns for one fold."""

    @property
    def calibration(self) -> Calibration:
        """Fitted on the training part."""

    def logits(self, samples: Sequence[Sample]) -> npt.NDArray[np.float32]:
        """(N, K) before calibration, in the order of the `grades` that `fit` was given."""


class Trainer(Protocol):
    """Makes a model from labelled photographs."""

    @property
    def name(self) -> str: ...

    def fit(self, data: LabelledSet, seed: int, grades: tuple[str, ...], folder: Path) -> FoldModel:
        """Train on `data`, all of it training part, into the new folder `folder`."""


class CrossvalResult(Scores):
    """`crossval --json`. Its figures are means over the seeds; the intervals draw images, each with its answers of all seeds."""

    folds: int
    seeds: tuple[int, ...]
    fold_accuracies: tuple[tuple[float, ...], ...] = Field(description="by seed, by fold")
    seconds: tuple[tuple[float, ...], ...] = Field(description="to train and grade, by seed, by fold")
    by_seed: tuple[Scores, ...]


@dataclass(frozen=True, slots=True)
class OutOfFold:
    """Predictions of S seeds for N photographs, in the order of `samples`; `fold` (S, N) says which model made each."""

    samples: tuple[Sample, ...]
    grades: tuple[str, ...]
    seeds: tuple[int, ...]
    truth: npt.NDArray[np.int64]
    """(N,) indices into `grades`."""
    fold: npt.NDArray[np.int64]
    logits: npt.NDArray[np.float32]
    """(S, N, K)."""
    temperature: npt.NDArray[np.float64]
    """(S, folds)."""

    @property
    def uncalibrated(self) -> npt.NDArray[np.floating]:
        """(S, N, K) probabilities."""
        return np.asarray(softmax(self.logits.astype(np.float64), axis=-1))

    @property
    def probabilities(self) -> npt.NDArray[np.floating]:
        """(S, N, K), each at the temperature of the model that made it."""
        temperature = np.take_along_axis(self.temperature, self.fold, axis=1)[..., None]
        return np.asarray(softmax(self.logits / temperature, axis=-1))

    def save(self, path: Path) -> None:
        """One .npz without pickles: names, grades, seeds, truth, fold, logits, temperature, probabilities."""
        np.savez_compressed(
            path,
            names=np.array([sample.name for sample in self.samples]),
            grades=np.array(self.grades),
            seeds=np.array(self.seeds),
            truth=self.truth,
            fold=self.fold,
            logits=self.logits,
            temperature=self.temperature,
            probabilities=self.probabilities,
        )


@dataclass(frozen=True, slots=True)
class Crossval:
    """The figures and what they were computed from."""

    result: CrossvalResult
    out_of_fold: OutOfFold


def crossvalidate(
    trainer: Trainer,
    data: LabelledSet,
    folds: int = 5,
    seeds: Sequence[int] = (0,),
    folder: Path | None = None,
    advance: Callable[[], None] | None = None,
    *,
    costs: CostModel | None = None,
    target_accuracy: float = TARGET_ACCURACY,
    resamples: int = RESAMPLES,
) -> Crossval:
    """Train `folds` models for each seed and score their out-of-fold predictions; `advance` is called after each model.

    A seed decides the split and the training. The models' folders are kept in `folder`, or deleted where none is given. Raises
    DataError for data that cannot be split so, before anything is trained.
    """
    if not seeds or len(set(seeds)) != len(seeds):
        raise DataError(f"The seeds {' '.join(map(str, seeds)) or '(none)'} are not distinct; give each one once.")
    if costs:
        costs.matrix(data.labels)  # now, before the work
    samples = tuple(sorted(data.samples, key=lambda sample: sample.name))
    splits = [split_into_folds(data, folds, seed) for seed in seeds]
    place = {sample.name: index for index, sample in enumerate(samples)}
    truth = np.array([data.labels.index(sample.grade) for sample in samples])
    shape = (len(seeds), len(samples))
    found = OutOfFold(
        samples, data.labels, tuple(seeds), truth, np.full(shape, -1), np.full((*shape, len(data.labels)), np.nan, np.float32),
        np.ones((len(seeds), folds)),
    )  # fmt: skip
    seconds = np.zeros((len(seeds), folds))
    with ExitStack() as stack:
        runs = folder or Path(stack.enter_context(TemporaryDirectory(prefix="senka-crossval-")))
        for s, seed in enumerate(seeds):
            for f, (kept, tested) in enumerate(splits[s]):
                started = monotonic()
                part = LabelledSet(f"{data.name}, fold {f + 1} of {folds}", tuple(kept), data.attribution)
                model = trainer.fit(part, seed, data.labels, runs / f"seed{seed}-fold{f + 1}")
                where = [place[sample.name] for sample in tested]
                found.logits[s, where] = _checked(trainer, model.logits(tested), len(tested), len(data.labels))
                found.fold[s, where] = f
                found.temperature[s, f] = model.calibration.temperature
                seconds[s, f] = monotonic() - started
                if advance:
                    advance()
    result = _result(trainer.name, data.name, found, seconds, costs, target_accuracy, resamples)
    return Crossval(result, found)


def _checked(trainer: Trainer, logits: npt.NDArray[np.float32], images: int, grades: int) -> npt.NDArray[np.float32]:
    if logits.shape != (images, grades) or not np.isfinite(logits).all():
        raise ValueError(f"{trainer.name}: logits of shape {logits.shape} for {images} images and {grades} grades, or not finite")
    return logits


def _result(
    model: str,
    data: str,
    found: OutOfFold,
    seconds: npt.NDArray[np.float64],
    costs: CostModel | None,
    target_accuracy: float,
    resamples: int,
) -> CrossvalResult:
    probabilities, uncalibrated = found.probabilities, found.uncalibrated
    groups = [sample.group for sample in found.samples]

    def scored(of: slice | int) -> Scores:
        return score(
            probabilities[of], found.truth, found.grades, model, data, uncalibrated=uncalibrated[of], groups=groups,
            costs=costs, target_accuracy=target_accuracy, resamples=resamples,
        )  # fmt: skip

    correct = probabilities.argmax(axis=-1) == found.truth  # S x N
    count = seconds.shape[1]
    return CrossvalResult(
        **dict(scored(slice(None))),
        folds=count,
        seeds=found.seeds,
        fold_accuracies=tuple(
            tuple(float(right[fold == f].mean()) for f in range(count)) for right, fold in zip(correct, found.fold, strict=True)
        ),
        seconds=tuple(tuple(map(float, row)) for row in seconds),
        by_seed=tuple(scored(index) for index in range(len(found.seeds))),
    )
