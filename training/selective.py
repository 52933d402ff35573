"""Grading only what the model is sure of: risk against coverage, and the confidence from which an answer is accepted.

Selective classification after El-Yaniv and Wiener (2010) and Geifman and El-Yaniv (2017): coverage is the share of photographs
whose confidence reaches a threshold, risk the share of errors among those. What falls below goes to a person.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

Floats = npt.NDArray[np.floating]
Bools = npt.NDArray[np.bool_]


class Selective(BaseModel):
    """A proposed threshold: accept where confidence >= threshold. None where no threshold reaches the target.

    It is chosen on the photographs it is judged on, so that expect a little less of others; `aurc` is the area under the
    risk-coverage curve, 0 the best.
    """

    model_config = ConfigDict(frozen=True)

    target_accuracy: float
    threshold: float | None
    coverage: float | None
    accuracy: float | None
    """Of the accepted photographs."""
    accepted: int
    aurc: float
    curve: tuple[tuple[float, float], ...] = ()
    """(coverage, risk) at about every twentieth of the photographs."""


@dataclass(frozen=True, slots=True)
class RiskCoverage:
    """The curve, surest photographs first; one point for each distinct confidence, as a threshold cannot part equal ones."""

    threshold: Floats
    accepted: npt.NDArray[np.integer]
    wrong: npt.NDArray[np.integer]
    images: int

    @property
    def coverage(self) -> Floats:
        return self.accepted / self.images

    @property
    def risk(self) -> Floats:
        return self.wrong / self.accepted


def risk_coverage(confidence: Floats, correct: Bools) -> RiskCoverage:
    """confidence: (N,) in 0 to 1; correct: (N,); N >= 1."""
    order = np.argsort(-confidence, kind="stable")
    ordered = confidence[order]
    last = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))  # where a run of equal confidences ends
    return RiskCoverage(ordered[last], last + 1, np.cumsum(~correct[order], dtype=np.int64)[last], len(confidence))


def aurc(curve: RiskCoverage) -> float:
    """Area under the curve: mean risk over the coverages 1/N, 2/N ... 1 (Geifman et al. 2019).

    Equal confidences count as the mean over all their orders.
    """
    counts = np.arange(1, curve.images + 1)
    wrong = np.interp(counts, np.append(0, curve.accepted), np.append(0, curve.wrong))
    return float((wrong / counts).mean())


def best_point(curve: RiskCoverage, target_accuracy: float) -> int | None:
    """The point of largest coverage whose accepted photographs are right often enough; None where there is none."""
    enough = np.flatnonzero((curve.accepted - curve.wrong) / curve.accepted >= target_accuracy)
    return int(enough[-1]) if len(enough) else None


def coverage_at(confidence: Floats, correct: Bools, target_accuracy: float) -> float:
    """Coverage of `best_point`; 0 where there is none."""
    curve = risk_coverage(confidence, correct)
    point = best_point(curve, target_accuracy)
    return 0.0 if point is None else float(curve.coverage[point])


def propose(confidence: Floats, correct: Bools, target_accuracy: float) -> Selective:
    """confidence: (N,) calibrated, in 0 to 1; correct: (N,)."""
    curve = risk_coverage(confidence, correct)
    point = best_point(curve, target_accuracy)
    steps = np.unique(np.searchsorted(curve.accepted, np.linspace(0.05, 1.0, 20) * curve.images - 1e-9))
    return Selective(
        target_accuracy=target_accuracy,
        threshold=None if point is None else float(curve.threshold[point]),
        coverage=None if point is None else float(curve.coverage[point]),
        accuracy=None if point is None else 1 - float(curve.risk[point]),
        accepted=0 if point is None else int(curve.accepted[point]),
        aurc=aurc(curve),
        curve=tuple((float(curve.coverage[i]), float(curve.risk[i])) for i in steps),
    )
