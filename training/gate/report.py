"""A self-contained HTML page of a verdict: every figure of both models, and pictures of what gets better and what gets worse.

The template stands in `training/templates/gate.html`.
"""

import base64
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from models.imaging import Pixels, encode_png
from training.checkpoints import write_bytes
from training.gate.facts import Change, Comparison, Verdict
from training.gate.run import Evidence
from training.report import MOST_PX

MOST_PICTURES: Final = 24
"""Of each kind: enough to see a pattern, few enough for a small page."""

Row = tuple[str, str, str, str, str]
Shown = tuple[str, str, str, str, str]


def write_gate_report(path: Path, verdict: Verdict, evidence: Evidence | None) -> None:
    """One HTML file; without evidence it has no pictures."""
    better, worse = ([], []) if evidence is None else (list(_changed(evidence, True)), list(_changed(evidence, False)))
    won, lost = (0, 0) if verdict.golden is None else (verdict.golden.won, verdict.golden.lost)
    page = _template().render(
        verdict=verdict,
        tables=[
            (title, found, list(_rows(found)))
            for title, found in (("Golden set", verdict.golden), ("Recent", verdict.recent), ("Corrections", verdict.corrections))
            if found
        ],
        pictures=(("What gets better", won, better), ("What gets worse", lost, worse)),
        attribution="" if evidence is None else evidence.data.attribution,
    )
    write_bytes(path, page.encode())


def _rows(found: Comparison) -> Iterator[Row]:
    """Name, champion, candidate, how much worse, and the interval of that, as text."""
    yield _row("accuracy", found.accuracy, 100, " %")
    for grade, change in found.recall.items():
        yield _row(f"recall of {grade}, {change.fruit} fruit", change, 100, " %")
    if found.far_errors:
        yield _row("far errors", found.far_errors, 100, " %")
    if found.cost:
        yield _row("cost of a fruit", found.cost, 1, " yen")
    yield _row("log loss", found.log_loss, 1, "")
    yield _row("calibration error", found.ece, 1, "")
    yield _row("accepted at the target accuracy", found.coverage, 100, " %")


def _row(name: str, change: Change, scale: float, unit: str) -> Row:
    form = "{:.1f}" if scale == 100 else "{:.3f}"

    def text(value: float | None) -> str:
        if value is None:
            return ""
        shown = form.format(scale * value)
        return (shown if float(shown) else form.format(0.0)) + unit  # "-0.0 %" is nothing to wonder about

    between = "" if change.low is None or change.high is None else f"{text(change.low)} to {text(change.high)}"
    return name, text(change.champion), text(change.candidate), text(change.worse), between


def _changed(evidence: Evidence, better: bool) -> Iterator[Shown]:
    """Images on which only one of the two is right, the surest of that one first: a PNG, truth, both answers, the name."""
    if (champion := evidence.champion) is None:
        return
    candidate, truth = evidence.candidate, evidence.truth
    ours, theirs = candidate.argmax(axis=1), champion.argmax(axis=1)
    right, wrong = (ours, theirs) if better else (theirs, ours)
    sure: npt.NDArray[np.floating] = (candidate if better else champion).max(axis=1)
    found = np.flatnonzero((right == truth) & (wrong != truth))
    for index in found[np.argsort(-sure[found], kind="stable")][:MOST_PICTURES]:
        sample = evidence.data.samples[int(index)]
        png = base64.b64encode(encode_png(_small(sample.whole()))).decode()
        yield png, sample.grade, evidence.grades[theirs[index]], evidence.grades[ours[index]], sample.name


def _small(pixels: Pixels) -> Pixels:
    scale = MOST_PX / max(pixels.shape[:2])
    if scale >= 1:
        return pixels
    height, width = (max(1, round(side * scale)) for side in pixels.shape[:2])
    return np.asarray(cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


@cache
def _template() -> Template:
    loader = FileSystemLoader(Path(__file__).parents[1] / "templates")
    return Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    ).get_template("gate.html")
