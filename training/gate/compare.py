"""Champion and candidate on the same images: probabilities, truth and groups -> a Comparison."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
from sklearn.metrics import confusion_matrix

from training.calibrate import calibration_error, fit_temperature
from training.cost import CostModel, costs_for
from training.gate.bounds import GateBounds
from training.gate.facts import Change, ClassOrder, Comparison, Confusion, GradeChange
from training.gate.statistics import (
    Drawn,
    best_renaming,
    calibration_by_chance,
    drawn,
    draws,
    far_matrix,
    log_losses,
    mcnemar,
    won_and_lost,
)
from training.metrics import Outcomes
from training.selective import coverage_at

Floats = npt.NDArray[np.floating]
Ints = npt.NDArray[np.integer]

_HIGHER_IS_WORSE: Final = ("far_errors", "cost", "ece")


@dataclass(frozen=True, slots=True)
class _Figures:
    """The figures of one model: of the images as they are, and of every draw where it is compared."""

    point: Drawn
    draws: Drawn | None = None


def compare(
    candidate: Floats,
    champion: Floats | None,
    truth: Ints,
    grades: tuple[str, ...],
    *,
    groups: Sequence[str] | None = None,
    bounds: GateBounds | None = None,
    costs: CostModel | None = None,
    data: str = "",
    seed: int = 0,
) -> Comparison:
    """candidate and champion: (N, K) calibrated probabilities, rows summing to 1, columns in the order of `grades`; truth: (N,)
    indices into `grades`; N >= 1; groups: (N) names of fruit, each image its own by default. The same seed, the same figures.

    Costs are those of `costs_for`. Raises ValueError for shapes that do not fit, InvalidSetting for a grade without a price.
    """
    bounds = bounds or GateBounds()
    _require_shapes(candidate, champion, truth, grades, groups)
    names = np.arange(len(truth)).astype(str) if groups is None else np.asarray(groups)
    fruit = np.unique(names, return_inverse=True)[1]
    far, priced = far_matrix(grades), costs_for(grades, costs)
    tables = (
        np.zeros((len(grades), len(grades)), bool) if far is None else far,
        np.zeros((len(grades), len(grades))) if priced is None else priced.matrix(grades),
    )
    new, old = Outcomes.of(candidate, truth), None if champion is None else Outcomes.of(champion, truth)
    ours, theirs = _figures([new, old], *tables, bounds, fruit, seed)
    won, lost = (0, 0) if old is None else won_and_lost(new.correct, old.correct, fruit)
    present = [k for k in range(len(grades)) if (truth == k).any()]
    per_grade = _share_of_doubt(bounds.certainty, len(present))
    return Comparison(
        data=data,
        images=len(truth),
        fruit=int(fruit.max()) + 1,
        grades=grades,
        accuracy=Change(**_change(ours, theirs, "accuracy", bounds.max_accuracy_fall, bounds.certainty)),
        recall={
            grades[k]: GradeChange(
                **_change(ours, theirs, "recall", bounds.max_recall_fall, per_grade, k),
                fruit=len(np.unique(fruit[truth == k])),
                images=int((truth == k).sum()),
            )
            for k in present
        },
        far_errors=None if far is None else Change(
            **_change(ours, theirs, "far_errors", bounds.max_far_error_rise, bounds.certainty)
        ),
        cost=None if priced is None else Change(**_change(ours, theirs, "cost", bounds.max_cost_rise_yen, bounds.certainty)),
        log_loss=_log_loss(candidate, champion, truth, fruit, bounds, seed),
        ece=Change(**_change(ours, theirs, "ece", bounds.max_ece_rise, bounds.certainty)),
        ece_by_chance=calibration_by_chance(new.confidence),
        coverage=Change(**_change(ours, theirs, "coverage", bounds.max_coverage_fall, bounds.certainty)),
        temperature_ratio=temperature_ratio(candidate, truth),
        champion_temperature_ratio=None if champion is None else temperature_ratio(champion, truth),
        won=won,
        lost=lost,
        p_value=None if old is None else mcnemar(won, lost),
        order=class_order(new, grades),
        confusion=Confusion(
            candidate=_confusion(new, len(grades)), champion=None if old is None else _confusion(old, len(grades))
        ),
    )  # fmt: skip


def _log_loss(candidate: Floats, champion: Floats | None, truth: Ints, fruit: Ints, bounds: GateBounds, seed: int) -> Change:
    """Of the means; on the same draws as the other figures, and bounded by 0: no rise is allowed where it is looked at."""
    ours = log_losses(candidate, truth)
    if champion is None:
        return Change(candidate=float(ours.mean()), bound=0.0)
    rise = ours - log_losses(champion, truth)
    worse = np.concatenate([weights @ rise / weights.sum(axis=1) for weights in draws(fruit, bounds.resamples, seed)])
    low, high = np.quantile(worse, [1 - bounds.certainty, bounds.certainty])
    return Change(
        candidate=float(ours.mean()),
        champion=float((ours - rise).mean()),
        worse=float(rise.mean()),
        low=float(low),
        high=float(high),
        bound=0.0,
        beyond=float((worse > 0).mean()),
    )


def temperature_ratio(probabilities: Floats, truth: Ints) -> float:
    """The temperature by which calibrated probabilities (N, K) would have to be scaled once more; 1 where they fit."""
    tiny = np.finfo(np.float32).tiny
    return fit_temperature(np.log(np.clip(probabilities.astype(np.float64), tiny, None)), truth).temperature


def _confusion(outcomes: Outcomes, grades: int) -> tuple[tuple[int, ...], ...]:
    """Images by true grade and answer."""
    counts = confusion_matrix(outcomes.truth, outcomes.predicted, labels=np.arange(grades))
    return tuple(tuple(row) for row in counts.tolist())


def class_order(outcomes: Outcomes, grades: tuple[str, ...]) -> ClassOrder:
    """Whether other names for the answers would fit the truth better (see `best_renaming`)."""
    counts = confusion_matrix(outcomes.truth, outcomes.predicted, labels=np.arange(len(grades)))
    means = best_renaming(counts)
    renamed = counts[:, np.argsort(means)]  # column j: the answers that stand for grade j
    moved = [int(answer) for answer in np.flatnonzero(means != np.arange(len(grades))) if counts[:, answer].any()]
    concerned = [int(means[answer]) for answer in moved if counts[means[answer]].any()]
    recalls = [renamed[k, k] / counts[k].sum() for k in concerned]
    return ClassOrder(
        accuracy=float(np.trace(counts) / counts.sum()),
        renamed_accuracy=float(np.trace(renamed) / counts.sum()),
        means={grades[answer]: grades[means[answer]] for answer in moved},
        moved_recall=float(np.mean(recalls)) if recalls else 0.0,
    )


def _figures(
    outcomes: Sequence[Outcomes | None],
    far: npt.NDArray[np.bool_],
    costs: Floats,
    bounds: GateBounds,
    fruit: Ints,
    seed: int,
) -> list[_Figures | None]:
    """Of each model the figures as they are; where there are two, also those of the same draws."""
    target, once = bounds.target_accuracy, np.ones((1, len(fruit)))
    found: list[_Figures | None] = []
    for one in outcomes:
        if one is None:
            found.append(None)
            continue
        # These two as `senka evaluate` computes them, to the last digit.
        exact = {
            "ece": np.array([calibration_error(one.confidence, one.correct)]),
            "coverage": np.array([coverage_at(one.confidence, one.correct, target)]),
        }
        found.append(_Figures(replace(drawn(one, far, costs, target, once), **exact)))
    both = [one for one in outcomes if one is not None]
    if len(both) < 2:
        return found
    parts: list[list[Drawn]] = [[] for _ in both]
    for weights in draws(fruit, bounds.resamples, seed):
        for listed, one in zip(parts, both, strict=True):
            listed.append(drawn(one, far, costs, target, weights))
    return [figures and replace(figures, draws=_joined(listed)) for figures, listed in zip(found, parts, strict=True)]


def _joined(parts: Sequence[Drawn]) -> Drawn:
    return Drawn(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in Drawn.__slots__})


def _change(
    ours: _Figures | None, theirs: _Figures | None, name: str, bound: float, certainty: float, grade: int | None = None
) -> dict[str, float]:
    """The fields of a Change of one figure; draws without an image of the grade say nothing and are left out."""

    def values(figures: Drawn) -> Floats:
        found: Floats = getattr(figures, name)
        return found if grade is None else found[:, grade]

    if ours is None:
        raise ValueError("a comparison needs a candidate")
    point = float(values(ours.point)[0])
    if theirs is None or ours.draws is None or theirs.draws is None:
        return {"candidate": point, "bound": bound}
    sign = 1 if name in _HIGHER_IS_WORSE else -1
    before = float(values(theirs.point)[0])
    worse = sign * (values(ours.draws) - values(theirs.draws))
    worse = worse[~np.isnan(worse)]
    low, high = np.quantile(worse, [1 - certainty, certainty])
    return {
        "candidate": point,
        "champion": before,
        "worse": sign * (point - before),
        "low": float(low),
        "high": float(high),
        "bound": bound,
        "beyond": float((worse > bound + 1e-9).mean()),
    }


def _share_of_doubt(certainty: float, grades: int) -> float:
    """How sure to be of one grade, so that the chance of accusing any of them wrongly stays what it is for one (Bonferroni)."""
    return 1 - (1 - certainty) / max(1, grades)


def _require_shapes(
    candidate: Floats, champion: Floats | None, truth: Ints, grades: tuple[str, ...], groups: Sequence[str] | None
) -> None:
    wanted = (len(truth), len(grades))
    if not len(truth):
        raise ValueError("there is no image to compare on")
    for who, found in (("candidate", candidate), ("champion", champion)):
        if found is not None and found.shape != wanted:
            raise ValueError(f"probabilities of the {who} have shape {found.shape}, expected {wanted}")
        if found is not None and not np.isfinite(found).all():
            raise ValueError(f"probabilities of the {who} are not finite")
    if groups is not None and len(groups) != len(truth):
        raise ValueError(f"{len(groups)} groups for {len(truth)} images")
