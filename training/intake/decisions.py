"""A person's decisions about suspected labels: a table to fill in, and a corrected batch made from it."""

import csv
import io
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict

from models.errors import DataError
from models.grades import GRADES
from models.imaging import encode_png
from models.labelled import LabelledImage, write_manifest
from training.checkpoints import write_bytes
from training.intake.reading import Incoming
from training.intake.report import Report
from training.sources import Sample
from training.sources.folders import FRUIT

HEADER: Final = ("path", "given", "suggested", "decision")
KEEP: Final = "keep"
LEAVE_OUT: Final = "leave out"
GIVEN: Final = "given_grade"
"""The fact of a corrected row that keeps its earlier label."""


class Applied(BaseModel):
    """`intake --decisions --json`: what became of every row."""

    model_config = ConfigDict(frozen=True)

    folder: str
    images: int
    changed: int
    confirmed: int
    left_out: tuple[str, ...]
    undecided: int
    refused: tuple[str, ...]
    """Rows of the old batch that name no photograph of a known grade, and are not in the new one."""


def write_template(path: Path, report: Report) -> None:
    """decisions.csv with the suspects in their order; the decision is empty, to be filled with a grade, "keep" or "leave out"."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(HEADER)
    writer.writerows((suspect.name, suspect.given, suspect.suggested, "") for suspect in report.suspects)
    write_bytes(path, text.getvalue().encode())


def read_decisions(path: Path) -> dict[str, tuple[str, str]]:
    """Path of a photograph -> (given grade, decision); rows without a decision are left out.

    Raises DataError for a table that cannot be read, and naming the line of a decision that is none.
    """
    found: dict[str, tuple[str, str]] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = csv.DictReader(file, strict=True)
            if missing := {"path", "given", "decision"}.difference(lines.fieldnames or ()):
                raise DataError(f"{path} lacks the column {' and '.join(sorted(missing))}.", missing=sorted(missing))
            for cells in lines:
                name, given, decision = ((cells[column] or "").strip() for column in ("path", "given", "decision"))
                where = f"{path} line {lines.line_num}"
                if not decision:
                    continue
                if decision not in (*GRADES, KEEP, LEAVE_OUT):
                    raise DataError(f"{where}: {decision!r} is neither a grade ({' '.join(GRADES)}) nor {KEEP}, nor {LEAVE_OUT}.")
                if name in found:
                    raise DataError(f"{where} decides on {name} again.")
                found[name] = given, decision
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not a readable CSV file: {error}.") from error
    return found


def apply_decisions(incoming: Incoming, decisions: Mapping[str, tuple[str, str]], out: Path) -> Applied:
    """Write a corrected copy of a batch into the new folder `out`; the batch itself stays as it is.

    `decisions` as `read_decisions` gives them. A changed row keeps its earlier label as the fact `given_grade`. The folder
    appears when all of it is written. Raises DataError for a decision about a photograph that is not in the batch, or that has
    another label there by now, where nothing would be left, and for a folder that exists.
    """
    samples = {sample.name: sample for sample in incoming.data.samples}
    for name, (given, _) in decisions.items():
        if name not in samples:
            raise DataError(f"There is a decision about {name}, which is not in {incoming.data.name}.", name=name)
        if samples[name].grade != given:
            raise DataError(
                f"The decision about {name} is of a label {given}, but {incoming.data.name} says {samples[name].grade}. Make the "
                "report anew.",
                name=name,
            )
    if out.exists():
        raise DataError(f"{out} exists already; name a new folder.", path=str(out))
    kept = [sample for sample in samples.values() if decisions.get(sample.name, ("", ""))[1] != LEAVE_OUT]
    if not kept:
        raise DataError("The decisions leave nothing of the batch.")
    aside = out.with_name(f".{out.name}.unfinished")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    try:
        rows = []
        for sample in kept:
            path = _store(sample, aside)
            row = incoming.rows.get(sample.name) or LabelledImage(path, sample.grade, lot=sample.lot, facts=_facts(sample))
            decision = decisions.get(sample.name, ("", KEEP))[1]
            if decision not in (KEEP, sample.grade):
                row = replace(row, grade=decision, facts={**row.facts, GIVEN: sample.grade})
            rows.append(replace(row, path=path))
        write_manifest(aside, rows)
        aside.rename(out)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
    changed = sum(decision in GRADES and decision != given for given, decision in decisions.values())
    left_out = tuple(name for name, (_, decision) in decisions.items() if decision == LEAVE_OUT)
    return Applied(
        folder=str(out),
        images=len(kept),
        changed=changed,
        confirmed=len(decisions) - changed - len(left_out),
        left_out=left_out,
        undecided=len(samples) - len(decisions),
        refused=tuple(refused.name for refused in incoming.refused),
    )


def _facts(sample: Sample) -> dict[str, str]:
    return {} if sample.group == sample.name else {FRUIT: sample.group}


def _store(sample: Sample, folder: Path) -> str:
    """Copy the file, or write the array as PNG; returns the path inside the batch."""
    path = sample.name if sample.path else f"{sample.name.replace('#', '-')}.png"
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    if sample.path:
        shutil.copyfile(sample.path, target)
    else:
        write_bytes(target, encode_png(sample.whole()))
    return path
