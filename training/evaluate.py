"""A model as it would serve, scored on labelled images: ONNX Runtime, the card's preprocessing, the card's calibration."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy.special import softmax

from models.card import ModelCard, card_of
from models.errors import DataError
from models.graph import open_session, run_logits
from models.imaging import Pixels
from models.pruning import logits_only
from training.cost import CostModel
from training.metrics import TARGET_ACCURACY, Scores, score
from training.report import write_report
from training.sources import LabelledSet

BATCH = 32

Floats = npt.NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Answers:
    """What a model says to labelled images: logits (N, K) in the card's order of grades, truth (N,) indices into it, and the
    network inputs (N, H, W, 3) uint8 RGB."""

    card: ModelCard
    logits: npt.NDArray[np.float32]
    truth: npt.NDArray[np.integer]
    inputs: Pixels

    @property
    def uncalibrated(self) -> Floats:
        """(N, K) rows summing to 1."""
        return np.asarray(softmax(self.logits, axis=1))

    @property
    def probabilities(self) -> Floats:
        """(N, K) rows summing to 1, with the card's calibration: those that the service answers."""
        return np.asarray(softmax(self.logits / self.card.calibration.temperature, axis=1))


def answers(model: bytes, data: LabelledSet, advance: Callable[[int], None] | None = None) -> Answers:
    """Run a model on every image as it would serve; `advance` hears how many images each batch had.

    Raises InvalidCard, and DataError for no images or for labels the model does not know.
    """
    card = require_answerable(model, data)
    session = open_session(logits_only(model))
    parts, inputs = [], []
    for start in range(0, len(data), BATCH):
        samples = data.samples[start : start + BATCH]
        inputs.append(np.stack([sample.network_input(card.preprocess) for sample in samples]))
        parts.append(run_logits(session, inputs[-1]))
        if advance:
            advance(len(samples))
    truth = np.array([card.grades.index(sample.grade) for sample in data.samples])
    return Answers(card, np.concatenate(parts), truth, np.concatenate(inputs))


def require_answerable(model: bytes, data: LabelledSet) -> ModelCard:
    """The card of a model that knows every label of the data. Raises as `answers` does, before any work."""
    card = card_of(open_session(model))
    if not data.samples:
        raise DataError(f"{data.name} holds no images. Choose another source, or another --split.")
    strange = [label for label in data.labels if label not in card.grades]
    if strange:
        raise DataError(
            f"{data.name} holds images labelled {' '.join(strange)}; the model knows {' '.join(card.grades)}.", strange=strange
        )
    return card


def evaluate(
    model: bytes,
    name: str,
    data: LabelledSet,
    report: Path | None = None,
    advance: Callable[[int], None] | None = None,
    costs: CostModel | None = None,
    target_accuracy: float = TARGET_ACCURACY,
) -> Scores:
    """Score a model from its bytes, called `name`; with `report`, write the page of its errors there.

    Raises InvalidCard, DataError for labels the model does not know, and InvalidSetting for costs that lack a grade's price.
    """
    if costs:
        costs.matrix(require_answerable(model, data).grades)  # now, before the work
    found = answers(model, data, advance)
    probabilities, uncalibrated, truth = found.probabilities, found.uncalibrated, found.truth
    scores = score(
        probabilities, truth, found.card.grades, model=name, data=data.name, uncalibrated=uncalibrated,
        groups=[sample.group for sample in data.samples], costs=costs, target_accuracy=target_accuracy,
    )  # fmt: skip
    if report:
        names = [sample.name for sample in data.samples]
        write_report(report, scores, probabilities, truth, names, found.inputs, data.attribution, uncalibrated)
    return scores
