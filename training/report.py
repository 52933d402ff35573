"""A self-contained HTML page of a grader's figures and mistakes: nothing on it is loaded from elsewhere.

The template and what it draws stand in `templates/report.html`.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import numpy.typing as npt
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from models.imaging import Pixels, encode_png
from training.calibrate import reliability
from training.charts import reliability_chart, risk_coverage_chart
from training.checkpoints import write_bytes
from training.crossval import CrossvalResult, OutOfFold
from training.metrics import TARGET_ACCURACY, Outcomes, Scores
from training.selective import propose, risk_coverage
from training.sources import Sample

MOST_PX = 128
"""Longest side of a picture in the gallery; larger photographs are scaled down."""


class Pictures(Protocol):
    """Photographs by index, each (H, W, 3) uint8 RGB; an array (N, H, W, 3) is one."""

    def __getitem__(self, index: int, /) -> Any: ...


@dataclass(frozen=True, slots=True)
class _Whole:
    """The photographs of samples as they are, decoded when one is asked for: only errors are shown."""

    samples: Sequence[Sample]

    def __getitem__(self, index: int) -> Pixels:
        return self.samples[index].whole()


def write_report(
    path: Path,
    scores: Scores,
    probabilities: npt.NDArray[np.floating],
    truth: npt.NDArray[np.integer],
    names: Sequence[str],
    inputs: Pictures,
    attribution: str = "",
    uncalibrated: npt.NDArray[np.floating] | None = None,
    crossval: CrossvalResult | None = None,
) -> None:
    """probabilities and uncalibrated (N, K), truth (N,), names (N), inputs (N, H, W, 3) uint8 -> one HTML file.

    `scores` are those of these very predictions; `crossval` adds the figures over all seeds.
    """
    outcomes = Outcomes.of(probabilities, truth)
    wrong = np.flatnonzero(~outcomes.correct)
    before = None if uncalibrated is None else Outcomes.of(uncalibrated, truth)
    errors = [
        {
            "truth": int(truth[i]),
            "predicted": int(outcomes.predicted[i]),
            "confidence": float(outcomes.confidence[i]),
            "name": names[i],
            "png": base64.b64encode(encode_png(_small(inputs[int(i)]))).decode(),
        }
        for i in wrong[np.argsort(-outcomes.confidence[wrong], kind="stable")]
    ]
    chosen = scores.selective or propose(outcomes.confidence, outcomes.correct, TARGET_ACCURACY)
    page = _template().render(
        scores=scores,
        crossval=crossval,
        errors=errors,
        attribution=attribution,
        chosen=chosen,
        reliability=reliability_chart(
            reliability(outcomes.confidence, outcomes.correct),
            None if before is None else reliability(before.confidence, before.correct),
        ),
        risk_coverage=risk_coverage_chart(risk_coverage(outcomes.confidence, outcomes.correct), chosen),
    )
    write_bytes(path, page.encode())


def write_crossval_report(path: Path, result: CrossvalResult, found: OutOfFold, attribution: str = "") -> None:
    """The same page of a cross-validation: every out-of-fold error of the first seed, and the figures over all of them."""
    names = [sample.name for sample in found.samples]
    write_report(
        path, result.by_seed[0], found.probabilities[0], found.truth, names, _Whole(found.samples), attribution,
        uncalibrated=found.uncalibrated[0], crossval=result,
    )  # fmt: skip


def _small(pixels: Pixels) -> Pixels:
    scale = MOST_PX / max(pixels.shape[:2])
    if scale >= 1:
        return pixels
    size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)


@cache
def _template() -> Template:
    loader = FileSystemLoader(Path(__file__).parent / "templates")
    return Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    ).get_template("report.html")
