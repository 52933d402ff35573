"""Answers of graders that never were: probabilities with a known accuracy, correlated as those of two models are."""

from functools import cache

import numpy as np
from scipy.optimize import brentq
from scipy.special import softmax

from models.grades import GRADES
from training.calibrate import fit_temperature

K = len(GRADES)


def truths(images: int) -> np.ndarray:
    """Every grade as often as the others."""
    return np.arange(images) % K


def logits(truth: np.ndarray, signal: float, seed: int, shared: np.ndarray | None = None, share: float = 0.0) -> np.ndarray:
    """(N, K): unit normal noise, `signal` on the true grade and a third of it on its neighbours in the list.

    `share` of the noise's variance is that of `shared`: what both models find hard.
    """
    noise = np.random.default_rng(seed).normal(size=(len(truth), K))
    if shared is not None:
        noise = np.sqrt(share) * shared + np.sqrt(1 - share) * noise
    near = np.abs(np.arange(K)[None] - truth[:, None])
    return noise + signal * (near == 0) + signal / 3 * (near == 1)


@cache
def signal_for(accuracy: float) -> float:
    """The signal of a grader that is right so often, on 18,000 images of its own."""
    truth = truths(18_000)
    return float(brentq(lambda s: (logits(truth, s, 99).argmax(1) == truth).mean() - accuracy, 0.1, 9.0, xtol=1e-3))


@cache
def temperature_for(signal: float) -> float:
    truth = truths(4500)
    return fit_temperature(logits(truth, signal, 98), truth).temperature


def answers(accuracy: float, truth: np.ndarray, seed: int, shared: np.ndarray | None = None, share: float = 0.0) -> np.ndarray:
    """(N, K) calibrated probabilities of a grader that is right with chance `accuracy`."""
    signal = signal_for(accuracy)
    return softmax(logits(truth, signal, seed, shared, share) / temperature_for(signal), axis=1)


def pair(truth: np.ndarray, champion: float, candidate: float, seed: int, share: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """Candidate and champion of those accuracies, that err together as often as two trained networks do."""
    shared = np.random.default_rng([seed, 7]).normal(size=(len(truth), K))
    return (
        answers(candidate, truth, 2 * seed, shared, share),
        answers(champion, truth, 2 * seed + 1, shared, share),
    )
