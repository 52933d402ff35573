"""The labelled batch: a folder with `manifest.csv` and the images it names. Training reads it, corrections are exported as it.

`manifest.csv` (UTF-8, RFC 4180) starts with the columns of COLUMNS; `path` and `grade` must be filled, `path` is relative to the
folder, stays inside it and occurs once. Further columns are kept as facts (rendered cucumbers carry `length_px`, `width_px`,
`bend_ratio`).

People open manifests in spreadsheets, and a lot may be named by anybody who may post a photograph. So a text that a spreadsheet
would run as a formula is written with an apostrophe in front, and read without it: training gets the text that was meant.
"""

import csv
import hashlib
import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

from models.errors import InvalidBatch

MANIFEST: Final = "manifest.csv"
COLUMNS: Final = ("path", "grade", "lot", "camera", "captured_at", "labeller", "source")
CORRECTIONS: Final = "correction"
"""In the column `source`: what operators corrected, which is not drawn as the fruit come."""
_BARE: Final = frozenset(("path", "grade"))
"""Columns that are written and read as they are: they name things, and a grade is one of a few."""
_FORMULA: Final = re.compile(r"'*[=+\-@＝＋－＠]")
_QUOTED: Final = re.compile(r"'+[=+\-@＝＋－＠]")
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class LabelledImage:
    """One row of a manifest."""

    path: str
    """Relative to the batch's folder, with forward slashes."""
    grade: str
    lot: str = ""
    camera: str = ""
    captured_at: str = ""
    """RFC 3339, or empty where unknown."""
    labeller: str = ""
    source: str = ""
    facts: dict[str, str] = field(default_factory=dict)
    """Whatever further columns say."""


def write_manifest(folder: Path, rows: Iterable[LabelledImage]) -> Path:
    """Write `manifest.csv` beside the images and return its path; a fact that a row lacks is written empty.

    Raises InvalidBatch where a fact has the name of a column.
    """
    listed = list(rows)
    target = folder / MANIFEST
    with manifest_writer(target, tuple(dict.fromkeys(name for row in listed for name in row.facts))) as write:
        for row in listed:
            write(row)
    return target


@contextmanager
def manifest_writer(target: Path, facts: Sequence[str]) -> Iterator[Callable[[LabelledImage], None]]:
    """A function that appends one row to a new manifest, for batches too large to list first.

    `facts` names the further columns; a fact that a row lacks is written empty. Raises InvalidBatch where one has the name of a
    column.
    """
    taken = sorted(set(facts) & set(COLUMNS))
    if taken:
        raise InvalidBatch(f"The facts {', '.join(taken)} have the names of columns; rename them.", facts=taken)
    with target.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow((*COLUMNS, *facts))

        def write(row: LabelledImage) -> None:
            told = [getattr(row, name) if name in _BARE else _safe(getattr(row, name)) for name in COLUMNS]
            writer.writerow([*told, *(_safe(row.facts.get(name, "")) for name in facts)])

        yield write


def read_manifest(folder: Path, grades: Iterable[str]) -> Iterator[LabelledImage]:
    """The rows of a batch, each checked: known grade, a path inside the folder, a file that is there, listed once.

    Raises InvalidBatch naming the line.
    """
    for _, row in judge_manifest(folder, grades):
        if isinstance(row, InvalidBatch):
            raise row
        yield row


def judge_manifest(folder: Path, grades: Iterable[str]) -> Iterator[tuple[int, LabelledImage | InvalidBatch]]:
    """Line number and row, or what is wrong with it, of every row: what to show somebody who has all of them to mend.

    Raises InvalidBatch where the file as a whole cannot be read on.
    """
    return _judged(folder, frozenset(grades))


class BatchDigest:
    """Adds up to what `batch_sha256` says, row by row, for whoever writes a batch. Keeps 32 bytes of each row."""

    def __init__(self) -> None:
        self._rows: list[bytes] = []

    def add(self, row: LabelledImage, image_sha256: str) -> None:
        """One row and the sha256 of its image's bytes, hexadecimal."""
        told = {name: getattr(row, name).strip() for name in COLUMNS} | {"path": str(PurePosixPath(row.path))}
        # A column that is empty in a row says nothing about it, whether it is there or not
        facts = {name: value for name, text in row.facts.items() if (value := text.strip())}
        content = json.dumps([told, facts, image_sha256], sort_keys=True)  # JSON: no two rows can be written alike
        self._rows.append(hashlib.sha256(content.encode()).digest())

    def hexdigest(self) -> str:
        return hashlib.sha256(b"".join(sorted(self._rows))).hexdigest()


def batch_sha256(folder: Path) -> str:
    """What names a labelled batch that nobody changes: sha256, hexadecimal, over every row with the sha256 of its image's bytes.

    All columns and facts count. The order of rows and of columns, empty facts, the folder's name and files that the manifest
    does not list decide nothing. Grades may be any. Raises InvalidBatch naming the line, or the image that cannot be read.
    """
    found = BatchDigest()
    for _, row in _judged(folder, None):
        if isinstance(row, InvalidBatch):
            raise row
        try:
            with (folder / row.path).open("rb") as file:
                found.add(row, hashlib.file_digest(file, "sha256").hexdigest())
        except OSError as error:
            raise InvalidBatch(f"{folder / row.path} cannot be read ({error.strerror or error}).", path=row.path) from error
    return found.hexdigest()


def _judged(folder: Path, allowed: frozenset[str] | None) -> Iterator[tuple[int, LabelledImage | InvalidBatch]]:
    """As `judge_manifest`; `allowed` None takes every grade."""
    seen: set[str] = set()
    manifest = folder / MANIFEST
    try:
        with manifest.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            reader.fieldnames = _header(manifest, reader.fieldnames or ())
            for cells in reader:
                line = reader.line_num
                try:
                    row = _row(folder, cells, allowed, line)
                except InvalidBatch as wrong:
                    yield line, wrong
                    continue
                if row.path in seen:
                    yield line, InvalidBatch(f"{manifest} line {line} lists {row.path} again.", line=line)
                    continue
                seen.add(row.path)
                yield line, row
    except (csv.Error, UnicodeDecodeError, OSError) as error:
        raise InvalidBatch(f"{manifest} is not a readable CSV file: {error}.") from error


def batch_in(folder: Path) -> Path:
    """The folder of the batch that was unpacked into `folder`: itself, or the only folder in it, which many programs pack along.

    Raises InvalidBatch where neither has a manifest.
    """
    inner = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    places: list[Path] = [folder, *inner] if len(inner) == 1 else [folder]
    for place in places:
        if (place / MANIFEST).is_file():
            return place
    raise InvalidBatch(f"There is no {MANIFEST} at the top. Pack a labelled batch: {MANIFEST} and the images it names.")


def _header(manifest: Path, names: Sequence[str]) -> list[str]:
    """The column names without surrounding blanks; columns without a name, as spreadsheets leave them at the end, may repeat."""
    stripped = [name.strip() for name in names]
    missing = {"path", "grade"}.difference(stripped)
    if missing:
        raise InvalidBatch(f"{manifest} lacks the column {' and '.join(sorted(missing))}.", missing=sorted(missing))
    twice = sorted(name for name, count in Counter(stripped).items() if name and count > 1)
    if twice:
        raise InvalidBatch(f"{manifest} has the column {' and '.join(twice)} more than once.", twice=twice)
    return stripped


def _safe(text: str) -> str:
    """A cell that a spreadsheet shows as the text it is; numbers may well begin with a sign."""
    bare = text.strip()  # as it is read
    return f"'{bare}" if _FORMULA.match(bare) and not _NUMBER.fullmatch(bare) else bare


def _meant(cell: str) -> str:
    """The text that `_safe` wrote so."""
    return cell[1:] if _QUOTED.match(cell) else cell


def _row(folder: Path, cells: dict[str | None, str | None], allowed: frozenset[str] | None, line: int) -> LabelledImage:
    where = f"{folder / MANIFEST} line {line}"
    if None in cells or None in cells.values():
        raise InvalidBatch(f"{where} has a different number of cells than the header.", line=line)
    values = {str(name): (value or "").strip() for name, value in cells.items() if name}
    if not values["path"]:
        raise InvalidBatch(f"{where} has no path.", line=line)
    path = PurePosixPath(values["path"])
    if path.is_absolute() or ".." in path.parts or "\\" in values["path"]:
        raise InvalidBatch(f"{where}: path {values['path']!r} leads out of the batch.", line=line)
    if allowed is None and not values["grade"]:
        raise InvalidBatch(f"{where} has no grade.", line=line)
    if allowed is not None and values["grade"] not in allowed:
        known = " ".join(sorted(allowed))
        raise InvalidBatch(f"{where}: grade {values['grade']!r} is none of {known}.", line=line)
    if not _is_inside(folder, path):
        raise InvalidBatch(f"{where}: there is no file {values['path']}.", line=line)
    values["path"] = str(path)  # "./a.jpg" and "a.jpg" are one photograph
    values = {name: value if name in _BARE else _meant(value) for name, value in values.items()}
    known_cells = {name: values.pop(name, "") for name in COLUMNS}
    return LabelledImage(**known_cells, facts=values)


def _is_inside(folder: Path, path: PurePosixPath) -> bool:
    file = folder / path
    try:
        return file.is_file() and file.resolve().is_relative_to(folder.resolve())
    except OSError:  # a name longer than the file system allows
        return False
