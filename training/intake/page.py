"""The report as lines of text and as a self-contained HTML page; the template stands in `training/templates/intake.html`."""

import base64
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import simplejpeg
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from models.errors import DataError
from models.imaging import encode_png
from training.checkpoints import write_bytes
from training.intake.duplicates import Copy
from training.intake.report import Report
from training.sources import LabelledSet, Sample

MOST_PX: Final = 128
"""Longest side of a picture on the page."""
MOST_SUSPECTS: Final = 400
MOST_COPIES: Final = 200
"""So many are shown; the JSON and decisions.csv hold all of them."""
_LISTED: Final = 10
_LOSSLESS_PX: Final = 64


def describe(report: Report) -> list[str]:
    """The report in lines, the first few of every list named."""
    lines = [f"{report.data}: {report.listed} listed, {report.readable} readable, {report.usable} to train on"]
    lines += [f"  {count} left out: {why}" for why, count in report.left_out_counts().items()]
    lines += _some("refused", [f"{refused.name}: {refused.detail}" for refused in report.refused])
    lines += _some("odd, and kept", [f"{odd.name}: {'; '.join(odd.reasons)}" for odd in report.odd])
    lines += _some("copies inside the batch", [_pair(copy) for copy in report.duplicates])
    lines += _some("copies of earlier photographs", [_pair(copy) for copy in report.earlier])
    lines += _some("LEAKS: copies of photographs of the golden set", [_pair(copy) for copy in report.leaks])
    lines += _some("copies whose labels contradict each other", [_pair(copy) for copy in report.contradictions])
    for grade in report.balance:
        before = f", before {grade.earlier_images} ({grade.earlier_share:.1%})" if report.against else ""
        lines.append(f"grade {grade.grade}: {grade.images} ({grade.share:.1%}){before}")
    lines += [shift.sentence for shift in report.shifts]
    if report.unsuspected:
        lines.append(f"No label was judged: {report.unsuspected}")
    else:
        certain = sum(suspect.confident for suspect in report.suspects)
        lines.append(
            f"{len(report.suspects)} suspected labels, {certain} of them confidently; about {report.estimated_errors:.1%} of the "
            "labels may be wrong"
        )
        lines += [
            f"  {s.name}: given {s.given}, suggested {s.suggested} at {s.probability:.2f} (given {s.given_probability:.2f})"
            for s in report.suspects[:_LISTED]
        ]
    return lines


def write_page(path: Path, report: Report, batch: LabelledSet, others: Mapping[str, LabelledSet]) -> None:
    """One HTML file; `others` are the earlier sources and the golden set by their names in the report."""
    found = {"": {sample.name: sample for sample in batch.samples}}
    found.update({name: {sample.name: sample for sample in other.samples} for name, other in others.items()})

    def pair(copy: Copy) -> dict[str, Any]:
        return {"pair": copy, "one": _picture(found[""][copy.name]), "two": _picture(found[copy.source][copy.of])}

    named = sorted({data.attribution for data in (batch, *others.values())} - {""})
    page = _template().render(
        report=report,
        counts=report.left_out_counts(),
        suspects=[(suspect, _picture(found[""][suspect.name])) for suspect in report.suspects[:MOST_SUSPECTS]],
        lists=[
            ("leaks", "Leaks into the golden set", [pair(copy) for copy in report.leaks[:MOST_COPIES]], len(report.leaks)),
            ("earlier", "Copies of earlier photographs", [pair(c) for c in report.earlier[:MOST_COPIES]], len(report.earlier)),
            ("inside", "Copies inside the batch", [pair(c) for c in report.duplicates[:MOST_COPIES]], len(report.duplicates)),
        ],
        odd=[(odd, _picture(found[""][odd.name])) for odd in report.odd[:MOST_COPIES]],
        attribution="; ".join(named),
    )
    write_bytes(path, page.encode())


def _some(title: str, entries: list[str]) -> list[str]:
    if not entries:
        return []
    more = [f"  and {len(entries) - _LISTED} more"] if len(entries) > _LISTED else []
    return [f"{len(entries)} {title}:", *(f"  {entry}" for entry in entries[:_LISTED]), *more]


def _pair(copy: Copy) -> str:
    where = f"{copy.source}: " if copy.source else ""
    how = {"bytes": "same file", "pixels": "same pixels", "near": f"same picture, correlation {copy.correlation:.3f}"}[copy.kind]
    mirrored = f", mirrored {copy.mirrored}" if copy.mirrored else ""
    return f"{copy.name} ({copy.grade}) of {where}{copy.of} ({copy.of_grade}), {how}{mirrored}"


def _picture(sample: Sample) -> str:
    """A data URL: PNG where it is small, JPEG where PNG would make the page heavy; empty for a file that is gone."""
    try:
        pixels = sample.whole()
    except DataError:
        return ""
    scale = MOST_PX / max(pixels.shape[:2])
    if scale < 1:
        size = (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale)))
        pixels = np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), np.uint8)
    if max(pixels.shape[:2]) <= _LOSSLESS_PX:
        return f"data:image/png;base64,{base64.b64encode(encode_png(pixels)).decode()}"
    encoded = simplejpeg.encode_jpeg(np.ascontiguousarray(pixels), 88, "RGB", "420")
    return f"data:image/jpeg;base64,{base64.b64encode(encoded).decode()}"


@cache
def _template() -> Template:
    loader = FileSystemLoader(Path(__file__).parent.parent / "templates")
    return Environment(
        loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined
    ).get_template("intake.html")
