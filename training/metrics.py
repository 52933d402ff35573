"""Figures of a grader on labelled images, in the shape the command line prints them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from models.grades import GRADE_NEIGHBOURS, GRADES
from training.calibrate import calibration_error
from training.cost import Cost, CostModel, costs_for
from training.intervals import RESAMPLES, Interval, intervals
from training.selective import Selective, coverage_at, propose

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]

TARGET_ACCURACY: Final = 0.9
"""Share of accepted photographs that should be right, unless told otherwise."""


class GradeScores(BaseModel):
    model_config = ConfigDict(frozen=True)

    precision: float
    recall: float
    support: int


class Scores(BaseModel):
    """`evaluate --json`. `confusion[i][j]` counts images of grade `grades[i]` predicted as `grades[j]`.

    Where several rounds of predictions of the same images were scored (the seeds of a cross-validation), figures are means over
    the rounds; `confusion`, `errors`, `adjacent_errors` and `far_errors` are sums; precision, recall and `selective` are of all
    predictions together.
    What came later than the first format has a default, so that older files can be read.
    """

    model_config = ConfigDict(frozen=True)

    model: str
    data: str
    images: int
    accuracy: float
    macro_f1: float
    ece: float
    """Expected calibration error of the calibrated probabilities, 10 bins of equal count."""
    grades: tuple[str, ...]
    per_grade: dict[str, GradeScores]
    confusion: list[list[int]]
    errors: int | None = None
    """Off the diagonal of `confusion`."""
    adjacent_errors: int | None = None
    """Between grades that border on each other (GRADE_NEIGHBOURS); None for labels that are no grades of cucumbers."""
    far_errors: int | None = None
    """All other errors."""
    ece_before: float | None = None
    """Before temperature scaling; None where the uncalibrated probabilities were not given."""
    negative_log_likelihood: float | None = None
    """Mean over the images, in nats."""
    brier: float | None = None
    """Mean squared distance to the truth, summed over the grades (Brier 1950): 0 to 2."""
    selective: Selective | None = None
    cost: Cost | None = None
    intervals: dict[str, Interval] = {}
    """95 % bootstrap intervals of accuracy, macro_f1, ece, coverage and cost (mean_yen)."""


@dataclass(frozen=True, slots=True)
class Outcomes:
    """One round of predictions, as far as figures need it: confidence (N,), predicted and true class indices (N,)."""

    confidence: Floats
    predicted: Ints
    truth: Ints

    @classmethod
    def of(cls, probabilities: Floats, truth: Ints) -> Self:
        return cls(probabilities.max(axis=1), probabilities.argmax(axis=1), truth)

    @classmethod
    def joined(cls, rounds: Sequence[Self]) -> Self:
        if len(rounds) == 1:
            return rounds[0]
        parts = zip(*((one.confidence, one.predicted, one.truth) for one in rounds), strict=True)
        return cls(*(np.concatenate(part) for part in parts))

    @property
    def correct(self) -> npt.NDArray[np.bool_]:
        return np.asarray(self.predicted == self.truth)

    def take(self, picked: Ints) -> Self:
        return type(self)(self.confidence[picked], self.predicted[picked], self.truth[picked])


def score(
    probabilities: Floats,
    truth: Ints,
    grades: tuple[str, ...],
    model: str,
    data: str,
    *,
    uncalibrated: Floats | None = None,
    groups: Sequence[str] | None = None,
    costs: CostModel | None = None,
    target_accuracy: float = TARGET_ACCURACY,
    resamples: int = RESAMPLES,
) -> Scores:
    """probabilities: (N, K) calibrated, or (R, N, K) for R rounds of predictions of the same images; truth: (N,) indices into
    `grades`; N >= 1; uncalibrated: as probabilities, before temperature scaling; groups: (N) names of fruit, drawn whole.

    Macro-F1 is the mean over the grades that occur in truth or prediction.
    """
    every = probabilities.reshape(-1, *probabilities.shape[-2:])  # R x N x K
    rounds = [Outcomes.of(one, truth) for one in every]
    joined = Outcomes.joined(rounds)
    priced = costs_for(grades, costs)
    matrix = None if priced is None else priced.matrix(grades)
    counts = confusion_matrix(joined.truth, joined.predicted, labels=np.arange(len(grades)))
    precision, recall, _, _ = precision_recall_fscore_support(
        joined.truth, joined.predicted, labels=np.arange(len(grades)), zero_division=0.0
    )
    support = np.bincount(truth, minlength=len(grades))
    found = _figures(rounds, len(grades), matrix, target_accuracy)
    wrong = counts.sum() - np.trace(counts)
    adjacent = _adjacent(counts, grades)
    likelihood = np.clip(every[:, np.arange(len(truth)), truth], np.finfo(np.float64).tiny, None)  # R x N
    return Scores(
        model=model,
        data=data,
        images=len(truth),
        accuracy=found["accuracy"],
        macro_f1=found["macro_f1"],
        ece=found["ece"],
        grades=grades,
        per_grade={
            grade: GradeScores(precision=float(precision[i]), recall=float(recall[i]), support=int(support[i]))
            for i, grade in enumerate(grades)
        },
        confusion=counts.tolist(),
        errors=int(wrong),
        adjacent_errors=adjacent,
        far_errors=None if adjacent is None else int(wrong) - adjacent,
        ece_before=None if uncalibrated is None else _ece_before(uncalibrated, truth),
        negative_log_likelihood=float(-np.log(likelihood).mean()),
        brier=float(((every - np.eye(len(grades))[truth]) ** 2).sum(axis=-1).mean()),
        selective=propose(joined.confidence, joined.correct, target_accuracy),
        cost=None if priced is None else Cost(mean_yen=found["cost"], total_yen=found["cost"] * len(truth), model=priced),
        intervals=intervals(
            lambda picked: _figures([one.take(picked) for one in rounds], len(grades), matrix, target_accuracy),
            len(truth),
            groups,
            resamples,
        ),
    )


def _figures(rounds: Sequence[Outcomes], grades: int, costs: Floats | None, target_accuracy: float) -> dict[str, float]:
    """The figures that get an interval; a resample of the same images is drawn in every round alike."""
    joined = Outcomes.joined(rounds)
    found = {
        "accuracy": float(joined.correct.mean()),
        "macro_f1": float(np.mean([macro_f1(one.predicted, one.truth, grades) for one in rounds])),
        "ece": float(np.mean([calibration_error(one.confidence, one.correct) for one in rounds])),
        "coverage": coverage_at(joined.confidence, joined.correct, target_accuracy),
    }
    if costs is not None:
        found["cost"] = float(costs[joined.truth, joined.predicted].mean())
    return found


def macro_f1(predicted: Ints, truth: Ints, classes: int) -> float:
    """Mean F1 of the classes that occur in either; (N,) indices below `classes`. Quick, as every resample calls it."""
    hits = np.bincount(truth[predicted == truth], minlength=classes)
    named = np.bincount(truth, minlength=classes) + np.bincount(predicted, minlength=classes)
    return float((2 * hits[named > 0] / named[named > 0]).mean())


def _ece_before(uncalibrated: Floats, truth: Ints) -> float:
    rounds = [Outcomes.of(one, truth) for one in uncalibrated.reshape(-1, *uncalibrated.shape[-2:])]
    return float(np.mean([calibration_error(one.confidence, one.correct) for one in rounds]))


def _adjacent(confusion: npt.NDArray[np.integer], grades: tuple[str, ...]) -> int | None:
    """How many errors lie between neighbouring grades; None for labels that are no grades of cucumbers."""
    if not set(grades) <= set(GRADES):
        return None
    pairs = [(i, j) for i, a in enumerate(grades) for j, b in enumerate(grades) if frozenset((a, b)) in GRADE_NEIGHBOURS]
    return int(sum(confusion[i, j] for i, j in pairs))
