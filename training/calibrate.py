"""Probabilities that mean what they say: temperature scaling and the expected calibration error."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from models.card import Calibration

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]

PRIOR_DEVIATION: Final = 0.5


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Images of like confidence: what the model promised on average, and the share that was right."""

    confidence: float
    accuracy: float
    images: int


def reliability(confidence: Floats, correct: npt.NDArray[np.bool_], bins: int = 10) -> list[ReliabilityBin]:
    """Bins of equal count (Nguyen and O'Connor 2015), least sure first; confidence: (N,) in 0 to 1, correct: (N,)."""
    starts, counts, order = _equal_count(confidence, bins)
    sure = np.add.reduceat(confidence[order], starts) / counts
    right = np.add.reduceat(correct[order].astype(float), starts) / counts
    return [ReliabilityBin(float(s), float(r), int(n)) for s, r, n in zip(sure, right, counts, strict=True)]


def calibration_error(confidence: Floats, correct: npt.NDArray[np.bool_], bins: int = 10) -> float:
    """Mean gap between confidence and accuracy (Naeini et al. 2015) over the bins of `reliability`; 0 is perfect, 1 the worst."""
    starts, _, order = _equal_count(confidence, bins)
    return float(np.abs(np.add.reduceat((confidence - correct)[order], starts)).sum() / len(order))


def _equal_count(confidence: Floats, bins: int) -> tuple[Ints, Ints, Ints]:
    """Where each bin starts in the order of confidence, how many it holds, and that order; sizes differ by one at most."""
    size, larger = divmod(len(confidence), min(bins, len(confidence)))
    counts = np.full(min(bins, len(confidence)), size)
    counts[:larger] += 1
    return np.cumsum(counts) - counts, counts, np.argsort(confidence, kind="stable")


def expected_calibration_error(probabilities: Floats, truth: Ints, bins: int = 10) -> float:
    """`calibration_error` of the likeliest class; probabilities: (N, K) rows summing to 1, truth: (N,) class indices."""
    return calibration_error(probabilities.max(axis=1), probabilities.argmax(axis=1) == truth, bins)


def fit_temperature(logits: Floats, truth: Ints) -> Calibration:
    """Temperature scaling (Guo et al. 2017) on images that training did not see.

    logits: (N, K) float; truth: (N,) class indices. The temperature, searched in 0.05 to 20, minimises the negative
    log-likelihood under a normal prior on its logarithm (mean 0, standard deviation 0.5): without one, a handful of images that
    are all right would drive it to 0 and every probability to 1.
    """
    rows = np.arange(len(truth))

    def loss(log_temperature: float) -> float:
        scaled = log_softmax(logits / np.exp(log_temperature), axis=1)
        return -float(scaled[rows, truth].sum()) + 0.5 * (log_temperature / PRIOR_DEVIATION) ** 2

    found = minimize_scalar(loss, bounds=(np.log(0.05), np.log(20.0)), method="bounded")
    temperature = float(np.exp(found.x))
    return Calibration(
        temperature=temperature,
        images=len(truth),
        ece_before=expected_calibration_error(softmax(logits, axis=1), truth),
        ece_after=expected_calibration_error(softmax(logits / temperature, axis=1), truth),
    )
