"""The run folder: what a training run was told, what it read, and what came out of it.

config.json          settings and data, written before the first epoch
checkpoint.pt        the trained weights (`state_dict` of the bare network)
metrics.json         figures on the held-out part, calibration
report.html          confusion matrix and every error of the held-out part
parity_inputs.npy    photographs that the export compares PyTorch and ONNX Runtime on
tensorboard/         curves; filters, confusion matrix and errors as pictures
resume.pt            state after an epoch, for --resume
A recipe has no epochs of its own: instead of the last two, measuring.pt holds what it measures with.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, ValidationError
from scipy.special import softmax

from models.card import Calibration, TrainingData
from models.errors import RunError
from training import checkpoints
from training.config import TrainingConfig
from training.metrics import Scores, score
from training.recipe import Recipe
from training.report import write_report
from training.sources import LabelledSet

CONFIG_FILE: Final = "config.json"
CHECKPOINT_FILE: Final = "checkpoint.pt"
METRICS_FILE: Final = "metrics.json"
REPORT_FILE: Final = "report.html"
PARITY_FILE: Final = "parity_inputs.npy"
PARITY_IMAGES: Final = 64


class StartFacts(BaseModel):
    """Weights that a run started from, where it did not start afresh."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["imagenet", "file", "run", "published"]
    name: str
    sha256: str


class RunFacts(BaseModel):
    """Settings and data of a run; on one machine, with as many threads, equal ones end in the same weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    config: TrainingConfig | Recipe
    data: TrainingData
    parts: tuple[TrainingData, ...] = ()
    """The sources that the data were merged from; empty where they are one source."""
    held_out: TrainingData | None = None
    """What took the place of a held-out share of the data, where that was given."""
    grades: tuple[str, ...]
    start: StartFacts | None = None

    @classmethod
    def describe(
        cls,
        config: TrainingConfig | Recipe,
        data: LabelledSet,
        start: StartFacts | None = None,
        held_out: LabelledSet | None = None,
    ) -> Self:
        return cls(
            config=config,
            data=data.described(),
            parts=data.parts,
            held_out=held_out.described() if held_out else None,
            grades=data.labels,
            start=start,
        )

    @property
    def sources(self) -> tuple[TrainingData, ...]:
        """Every source that the run is trained on: what the model's card lists."""
        return self.parts or (self.data,)

    def deciding(self) -> dict[str, object]:
        """What decides the weights: the settings, the data and the start, whatever those two are called."""
        start = f"{self.start.kind} {self.start.sha256[:12]}" if self.start else "afresh"
        held_out = self.held_out.sha256 if self.held_out else "a share of the data"
        return {
            **self.config.model_dump(),
            "data": self.data.sha256,
            "held_out": held_out,
            "grades": self.grades,
            "start": start,
        }


class RunMetrics(BaseModel):
    """`metrics.json`."""

    scores: Scores
    calibration: Calibration
    checkpoint_sha256: str
    finished_at: str
    epochs: int | None = None
    """Epochs trained: fewer than asked for where early stopping ended the run."""
    light_alone: float | None = None
    """Share of the photographs whose grade the light on the belt tells without the fruit, where a recipe sees it."""
    best_epoch: int | None = None
    """The epoch (from 1) whose weights these are, where early stopping chose one by the held-out part: `scores`, which are
    of that part too, are then optimistic."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run folder that exists."""

    folder: Path
    facts: RunFacts

    @classmethod
    def create(cls, folder: Path, facts: RunFacts, resume: bool) -> Self:
        """Claim `folder` for a run, or continue the one inside. Raises RunError when that would mix two runs."""
        if resume and (folder / CONFIG_FILE).exists():
            found = cls.open(folder)
            if found.facts.deciding() != facts.deciding():
                what = _difference(found.facts, facts)
                raise RunError(f"{folder} was started with {what}. Resume with the same, or use another --out.")
            return found
        if folder.exists() and any(folder.iterdir()):
            raise RunError(f"{folder} is not empty. Choose another --out, or continue its run with --resume.")
        folder.mkdir(parents=True, exist_ok=True)
        checkpoints.write_bytes(folder / CONFIG_FILE, facts.model_dump_json(indent=1).encode())
        return cls(folder, facts)

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Raises RunError when `folder` holds no run."""
        try:
            return cls(folder, RunFacts.model_validate_json((folder / CONFIG_FILE).read_bytes()))
        except FileNotFoundError as error:
            raise RunError(f"{folder} holds no training run. Train one: senka train --data SOURCE --out {folder}.") from error
        except ValidationError as error:
            raise RunError(f"{folder / CONFIG_FILE} is not valid: {error.errors()[0]['msg']}.") from error

    def metrics(self) -> RunMetrics:
        """Raises RunError for a run that did not finish."""
        try:
            return RunMetrics.model_validate_json((self.folder / METRICS_FILE).read_bytes())
        except FileNotFoundError as error:
            raise RunError(f"{self.folder} did not finish training. Continue it: senka train ... --resume.") from error
        except ValidationError as error:
            raise RunError(f"{self.folder / METRICS_FILE} is damaged. Finish the run again: senka train ... --resume.") from error

    def parity_inputs(self) -> npt.NDArray[np.uint8]:
        """Photographs (N, H, W, 3) uint8 for comparing PyTorch with ONNX Runtime. Raises RunError when they are gone."""
        try:
            inputs: npt.NDArray[np.uint8] = np.load(self.folder / PARITY_FILE, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise RunError(
                f"{self.folder / PARITY_FILE} cannot be read. Finish the run again: senka train ... --resume."
            ) from error
        return inputs

    def finish(
        self,
        weights: dict[str, Any],
        logits: npt.NDArray[np.floating],
        names: list[str],
        truth: npt.NDArray[np.integer],
        calibration: Calibration,
        inputs: npt.NDArray[np.uint8],
        attribution: str = "",
        epochs: int | None = None,
        best_epoch: int | None = None,
        light_alone: float | None = None,
        groups: Sequence[str] | None = None,
    ) -> None:
        """Write weights, figures and the report; logits (N, K), truth (N,), inputs (N, H, W, 3) are of the held-out part.

        `groups` (N) name the fruit, so that intervals draw all photographs of one together.
        """
        probabilities, uncalibrated = softmax(logits / calibration.temperature, axis=1), softmax(logits, axis=1)
        scores = score(
            probabilities,
            truth,
            self.facts.grades,
            model=str(self.folder),
            data=(self.facts.held_out or self.facts.data).name,
            uncalibrated=uncalibrated,
            groups=groups,
        )
        digest = checkpoints.save(self.folder / CHECKPOINT_FILE, weights)
        np.save(self.folder / PARITY_FILE, inputs[:PARITY_IMAGES])
        write_report(
            self.folder / REPORT_FILE, scores, probabilities, truth, names, inputs, attribution, uncalibrated=uncalibrated
        )
        now = datetime.now(UTC).isoformat(timespec="seconds")
        metrics = RunMetrics(
            scores=scores,
            calibration=calibration,
            checkpoint_sha256=digest,
            finished_at=now,
            epochs=epochs,
            best_epoch=best_epoch,
            light_alone=light_alone,
        )
        checkpoints.write_bytes(self.folder / METRICS_FILE, metrics.model_dump_json(indent=1).encode())


def _difference(before: RunFacts, now: RunFacts) -> str:
    """The first settings that differ, in words."""
    old, new = before.deciding(), now.deciding()
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return ", ".join(f"{name} {old.get(name)!r} (now {new.get(name)!r})" for name in names)
