"""A model as it would serve, scored on labelled images: ONNX Runtime, the card's preprocessing, the card's calibration."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.special import softmax

from models.card import card_of
from models.errors import DataError
from models.graph import open_session, run_logits
from models.pruning import logits_only
from training.cost import CostModel
from training.metrics import TARGET_ACCURACY, Scores, score
from training.report import write_report
from training.sources import LabelledSet

BATCH = 32


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
    card = card_of(open_session(model))
    session = open_session(logits_only(model))
    if not data.samples:
        raise DataError(f"{data.name} holds no images. Choose another source, or another --split.")
    strange = [label for label in data.labels if label not in card.grades]
    if strange:
        raise DataError(
            f"{data.name} holds images labelled {' '.join(strange)}; the model knows {' '.join(card.grades)}.", strange=strange
        )
    if costs:
        costs.matrix(card.grades)  # now, before the work
    parts, inputs = [], []
    for start in range(0, len(data), BATCH):
        samples = data.samples[start : start + BATCH]
        inputs.append(np.stack([sample.network_input(card.preprocess) for sample in samples]))
        parts.append(run_logits(session, inputs[-1]))
        if advance:
            advance(len(samples))
    logits = np.concatenate(parts)
    probabilities, uncalibrated = softmax(logits / card.calibration.temperature, axis=1), softmax(logits, axis=1)
    truth = np.array([card.grades.index(sample.grade) for sample in data.samples])
    scores = score(
        probabilities, truth, card.grades, model=name, data=data.name, uncalibrated=uncalibrated,
        groups=[sample.group for sample in data.samples], costs=costs, target_accuracy=target_accuracy,
    )  # fmt: skip
    if report:
        names = [sample.name for sample in data.samples]
        write_report(report, scores, probabilities, truth, names, np.concatenate(inputs), data.attribution, uncalibrated)
    return scores
