"""A model as it would serve, scored on labelled images: ONNX Runtime, the card's preprocessing, the card's calibration."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.special import softmax

from models.card import card_of
from models.errors import GradeSetMismatch, ModelFileMissing
from models.graph import open_session, run_logits
from training.metrics import Scores, score
from training.report import write_report
from training.sources import LabelledSet

BATCH = 32


def evaluate(model: Path, data: LabelledSet, report: Path | None = None, advance: Callable[[int], None] | None = None) -> Scores:
    """Score an ONNX file; with `report`, write the page of its errors there.

    Raises ModelFileMissing, InvalidCard, and GradeSetMismatch for labels the model does not know.
    """
    if not model.is_file():
        raise ModelFileMissing(str(model))
    session = open_session(model.read_bytes())
    card = card_of(session)
    if not set(data.labels) <= set(card.grades):
        raise GradeSetMismatch(card.grades, data.labels)
    logits, inputs = [], []
    for start in range(0, len(data), BATCH):
        samples = data.samples[start : start + BATCH]
        inputs.append(np.stack([sample.network_input(card.preprocess) for sample in samples]))
        logits.append(run_logits(session, inputs[-1]))
        if advance:
            advance(len(samples))
    probabilities = softmax(np.concatenate(logits) / card.calibration.temperature, axis=1)
    truth = np.array([card.grades.index(sample.grade) for sample in data.samples])
    scores = score(probabilities, truth, card.grades, model=str(model), data=data.name)
    if report:
        write_report(report, scores, probabilities, truth, [s.name for s in data.samples], np.concatenate(inputs))
    return scores
