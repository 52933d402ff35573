"""Probabilities that mean what they say: temperature scaling and the expected calibration error."""

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

from models.card import Calibration

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]

PRIOR_DEVIATION: Final = 0.5


def expected_calibration_error(probabilities: Floats, truth: Ints, bins: int = 10) -> float:
    """Mean gap between confidence and accuracy (Naeini et al. 2015), over bins of equal count (Nguyen and O'Connor 2015).

    probabilities: (N, K) rows summing to 1; truth: (N,) class indices. 0 is perfect, 1 the worst.
    """
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == truth
    parts = np.array_split(np.argsort(confidence, kind="stable"), min(bins, len(truth)))
    gaps = [len(part) * abs(float(confidence[part].mean()) - float(correct[part].mean())) for part in parts]
    return sum(gaps) / len(truth)


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
