"""A source read to be judged: what cannot be used is listed with its reason, and nothing but a broken source is fatal.

`training.sources.load` refuses a batch that holds one bad row or photograph, so that no training shrinks without a word. Intake
comes before: it reads row by row and says what is wrong with each.
"""

import atexit
import csv
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict

from models.archives import extract_zip, is_zip
from models.errors import DataError
from models.grades import GRADES
from models.labelled import MANIFEST, LabelledImage, batch_in, judge_manifest
from training.sources import LabelledSet, Sample, load
from training.sources.folders import FRUIT, SUFFIXES, is_batch, is_grade_folder

Why = Literal["row", "unknown grade", "unreadable"]


class Refused(BaseModel):
    """A row or a photograph that nothing can be learned from."""

    model_config = ConfigDict(frozen=True)

    name: str
    """Path of the photograph, or the line of the manifest where it has none."""
    why: Why
    detail: str


@dataclass(frozen=True, slots=True)
class Incoming:
    """A source as it came: the labelled photographs that are there, and what was refused before any was decoded."""

    data: LabelledSet
    refused: tuple[Refused, ...] = ()
    rows: Mapping[str, LabelledImage] = field(default_factory=dict)
    """Rows of the manifest by the name of their sample; empty for sources without one."""

    @property
    def listed(self) -> int:
        """How many photographs or rows the source names, good and bad."""
        return len(self.data) + len(self.refused)


def read_incoming(source: str | Path) -> Incoming:
    """Any source that `training.sources.load` knows; batches and folders row by row.

    Raises UnknownSource, UnsafeFile, InvalidBatch where the manifest as a whole cannot be read, DataError for an empty source.
    """
    path = Path(source)
    if path.is_file() and is_zip(path):
        incoming = _batch(_unpacked(path), path.stem)
    elif path.is_dir() and is_batch(path):
        incoming = _batch(path, path.resolve().name)
    elif path.is_dir() and is_grade_folder(path):
        incoming = _folder(path)
    else:
        incoming = Incoming(load(path))
    if not incoming.listed:
        raise DataError(f"{path} names no photograph.", path=str(path))
    return incoming


def _batch(folder: Path, name: str) -> Incoming:
    samples: list[Sample] = []
    refused: list[Refused] = []
    rows: dict[str, LabelledImage] = {}
    # Every grade that is written counts as known here, so that a row comes back with its path; the wrong ones are told below.
    for line, row in judge_manifest(folder, {*GRADES, *_grades_written(folder / MANIFEST)}):
        if not isinstance(row, LabelledImage):
            refused.append(Refused(name=f"line {line}", why="row", detail=str(row)))
        elif row.grade not in GRADES:
            detail = f"grade {row.grade!r} is none of {' '.join(GRADES)}"
            refused.append(Refused(name=row.path, why="unknown grade", detail=detail))
        else:
            group = row.facts.get(FRUIT, "")
            samples.append(Sample(row.path, row.grade, path=folder / row.path, group=group, lot=row.lot))
            rows[row.path] = row
    return Incoming(LabelledSet(name, tuple(samples)), tuple(refused), rows)


def _grades_written(manifest: Path) -> Iterator[str]:
    try:
        with manifest.open(newline="", encoding="utf-8-sig") as file:
            lines = csv.reader(file, strict=True)
            names = [name.strip() for name in next(lines, [])]
            column = names.index("grade")
            yield from (cells[column].strip() for cells in lines if len(cells) > column)
    except (ValueError, csv.Error, OSError):
        return  # judge_manifest says what is wrong with the file


def _folder(folder: Path) -> Incoming:
    """Photographs under `<folder>/<grade>/` at any depth; those elsewhere have no known grade. Hidden ones do not count."""
    samples: list[Sample] = []
    refused: list[Refused] = []
    for path in sorted(folder.rglob("*")):
        within = path.relative_to(folder)
        if path.suffix.lower() not in SUFFIXES or not path.is_file() or any(part.startswith(".") for part in within.parts):
            continue
        grade = within.parts[0] if len(within.parts) > 1 else ""
        if grade in GRADES:
            samples.append(Sample(within.as_posix(), grade, path=path))
        else:
            detail = f"sub-folder {grade!r} is none of {' '.join(GRADES)}" if grade else "it lies outside of every grade's folder"
            refused.append(Refused(name=within.as_posix(), why="unknown grade", detail=detail))
    return Incoming(LabelledSet(folder.resolve().name, tuple(samples)), tuple(refused))


_TEMPORARY: Final = "senka-intake-"


def _unpacked(archive: Path) -> Path:
    folder = Path(tempfile.mkdtemp(prefix=_TEMPORARY))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)  # the photographs are read again for the page
    extract_zip(archive, folder / "batch")
    return batch_in(folder / "batch")
