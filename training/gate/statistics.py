"""The statistics of the gate: pure functions over probabilities, truth and groups."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment
from scipy.stats import binomtest

from models.grades import GRADE_NEIGHBOURS, GRADES
from training.calibrate import calibration_error
from training.metrics import Outcomes

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]
Bools = npt.NDArray[np.bool_]

BINS: Final = 10
_CELLS: Final = 2_000_000
"""Resamples x images worked on at once: bounds the memory for large sets."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """Figures of one model over R draws of the images; recall is NaN where a draw holds no image of the grade."""

    accuracy: Floats  # R
    recall: Floats  # R x K
    far_errors: Floats  # R
    cost: Floats  # R
    ece: Floats  # R
    coverage: Floats  # R


def draws(groups: Ints, resamples: int, seed: int = 0) -> Iterator[Floats]:
    """Bootstrap weights, (r, N) in parts that sum to `resamples` rows: how often each image was drawn.

    groups (N,) holds indices 0 to G - 1 of fruit; G whole fruit are drawn with replacement, so that photographs of one fruit
    stay together (cluster bootstrap, Field and Welsh 2007). Both models are scored on the same draws: that makes it paired.
    """
    rng = np.random.default_rng(seed)
    fruit = int(groups.max()) + 1
    left, part = resamples, max(1, _CELLS // len(groups))
    while left > 0:
        taken = min(left, part)
        yield rng.multinomial(fruit, np.full(fruit, 1 / fruit), taken)[:, groups].astype(float)
        left -= taken


def drawn(outcomes: Outcomes, far: Bools, costs: Floats, target_accuracy: float, weights: Floats) -> Drawn:
    """Figures of each draw; far and costs: (K, K), true grade by row; weights: (R, N), see `draws`."""
    total = weights.sum(axis=1)
    right = outcomes.correct.astype(float)
    of_grade = np.eye(len(far))[outcomes.truth]  # N x K
    support = weights @ of_grade
    with np.errstate(invalid="ignore", divide="ignore"):
        recall = (weights @ (of_grade * right[:, None])) / support
    return Drawn(
        accuracy=weights @ right / total,
        recall=recall,
        far_errors=weights @ far[outcomes.truth, outcomes.predicted].astype(float) / total,
        cost=weights @ costs[outcomes.truth, outcomes.predicted] / total,
        ece=_ece(outcomes, weights),
        coverage=_coverage(outcomes, target_accuracy, weights),
    )


def _ece(outcomes: Outcomes, weights: Floats) -> Floats:
    """`calibration_error` of each draw; an image drawn several times stays in one bin."""
    order = np.argsort(outcomes.confidence, kind="stable")
    sorted_weights = weights[:, order]
    reached = np.cumsum(sorted_weights, axis=1)
    share = (reached - sorted_weights / 2) / reached[:, -1:]
    bins = np.minimum((share * BINS).astype(np.int64), BINS - 1) + BINS * np.arange(len(weights))[:, None]
    gaps = sorted_weights * (outcomes.confidence - outcomes.correct)[order]
    sums = np.bincount(bins.ravel(), gaps.ravel(), minlength=BINS * len(weights)).reshape(-1, BINS)
    return np.asarray(np.abs(sums).sum(axis=1) / reached[:, -1])


def _coverage(outcomes: Outcomes, target_accuracy: float, weights: Floats) -> Floats:
    """`coverage_at` of each draw."""
    order = np.argsort(-outcomes.confidence, kind="stable")
    ordered = outcomes.confidence[order]
    last = np.append(ordered[1:] != ordered[:-1], True)  # a threshold cannot part equal confidences
    accepted = np.cumsum(weights[:, order], axis=1)[:, last]
    right = np.cumsum(weights[:, order] * outcomes.correct[order], axis=1)[:, last]
    enough = right >= target_accuracy * accepted - 1e-9
    return np.asarray((accepted * enough).max(axis=1) / weights.sum(axis=1))


def log_losses(probabilities: Floats, truth: Ints) -> Floats:
    """(N,) cross-entropy of each image, nats; probabilities: (N, K) rows summing to 1. No answer costs more than 16.1."""
    return np.asarray(-np.log(np.maximum(probabilities[np.arange(len(truth)), truth].astype(np.float64), 1e-7)))


def won_and_lost(candidate: Bools, champion: Bools, groups: Ints) -> tuple[int, int]:
    """Fruit of which the candidate gets more images right than the champion, and fewer; all (N,)."""
    net = np.bincount(groups, candidate.astype(int) - champion.astype(int))
    return int((net > 0).sum()), int((net < 0).sum())


def mcnemar(won: int, lost: int) -> float:
    """Exact p-value that a candidate no better than the champion wins so many of the fruit on which they differ.

    McNemar (1947), one-sided, by the binomial distribution; fruit of several images count once (sign test). 1 without any.
    """
    return float(binomtest(won, won + lost, 0.5, alternative="greater").pvalue) if won + lost else 1.0


def best_renaming(confusion: Ints) -> Ints:
    """(K, K) counts, true grade by row -> (K,): for each answer the grade it stands for, so that most answers are right.

    The assignment problem (Kuhn 1955). Answers that gain nothing by another name keep their own.
    """
    # A nudge that no count outweighs, so that of equally good assignments the one nearest to the truth is found.
    nudged = confusion + np.eye(len(confusion)) / (2 * len(confusion))
    rows, columns = linear_sum_assignment(nudged, maximize=True)
    means = np.empty(len(confusion), np.int64)
    means[columns] = rows
    return means


def calibration_by_chance(confidence: Floats, quantile: float = 0.95, rounds: int = 400, seed: int = 0) -> float:
    """The calibration error that a perfectly calibrated model stays below with chance `quantile`; confidence: (N,) in 0 to 1.

    Answers are drawn right with their own confidence (consistency resampling, Broecker and Smith 2007).
    """
    rng = np.random.default_rng(seed)
    found = [calibration_error(confidence, rng.random(len(confidence)) < confidence, BINS) for _ in range(rounds)]
    return float(np.quantile(found, quantile))


def far_matrix(grades: Sequence[str]) -> Bools | None:
    """(K, K): whether an error is a far one, between grades that do not border on each other (GRADE_NEIGHBOURS).

    None for labels that are no grades of cucumbers.
    """
    if not set(grades) <= set(GRADES):
        return None
    return np.array([[a != b and frozenset((a, b)) not in GRADE_NEIGHBOURS for b in grades] for a in grades])
