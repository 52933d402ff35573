"""How far a figure could have come out differently with other photographs: bootstrap intervals (Efron 1979)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

RESAMPLES: Final = 2000
COVERAGE: Final = 0.95
"""Chance that an interval is meant to hold the figure of all photographs of this kind."""

Ints = npt.NDArray[np.integer]


class Interval(BaseModel):
    """Percentile interval at 95 %, and the standard deviation over the resamples."""

    model_config = ConfigDict(frozen=True)

    low: float
    high: float
    standard_error: float


def intervals(
    figures: Callable[[Ints], Mapping[str, float]],
    images: int,
    groups: Sequence[str] | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict[str, Interval]:
    """An interval for each figure; `figures` takes (M,) indices of images, an index as often as it was drawn.

    With `groups`, one name for each image, whole groups are drawn: photographs of one fruit err together, and drawing them one
    by one would promise too narrow an interval. The calibration error of a resample is biased upwards, since its repeated
    images scatter more; its interval errs on the same side.
    """
    members = _members(groups, images)
    rng = np.random.default_rng(seed)
    drawn: dict[str, list[float]] = {}
    for _ in range(resamples):
        picked = rng.integers(len(members) if members else images, size=len(members) if members else images)
        indices = np.concatenate([members[i] for i in picked]) if members else picked
        for name, value in figures(indices).items():
            drawn.setdefault(name, []).append(value)
    tails = [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2]
    found = {}
    for name, values in drawn.items():
        low, high = np.quantile(values, tails)
        found[name] = Interval(low=float(low), high=float(high), standard_error=float(np.std(values, ddof=1)))
    return found


def _members(groups: Sequence[str] | None, images: int) -> list[Ints]:
    """The indices of each group; empty where every image is a group of its own."""
    if groups is None:
        return []
    if len(groups) != images:
        raise ValueError(f"{len(groups)} groups for {images} images")
    names, where = np.unique(np.asarray(groups), return_inverse=True)
    if len(names) == images:
        return []
    return np.split(np.argsort(where, kind="stable"), np.cumsum(np.bincount(where))[:-1])
