"""Operators' corrections as a labelled batch: the photographs they speak of, graded as they say.

What counts is the newest correction of a grading that was not undone. One that agrees with the model is kept too: it is an audit,
and a set of nothing but errors would teach the model that it is always wrong. Nothing is dropped without being counted.
"""

import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, ClassVar, Final, Protocol

from sqlalchemy import Connection, Engine, Select, func, select

from models.durable import sync_folder
from models.errors import SenkaError
from models.grades import GRADES
from models.labelled import CORRECTIONS, MANIFEST, BatchDigest, LabelledImage, manifest_writer
from service.grading import rfc3339
from service.records.aside import aside
from service.records.backup import snapshot
from service.records.corrections import NOT_A_CUCUMBER
from service.records.disk import measure_disk
from service.records.folder import sync_file_system
from service.records.tables import corrections, gradings

NOT_CUCUMBERS: Final = "not_cucumbers.csv"
"""Beside the manifest, with its columns: photographs of something else, which no training reads."""
FACTS: Final = ("grading_id", "graded", "confidence", "model_name", "model_version", "line", "received_at", "corrected_at")
"""Further columns; `graded` is what the model said, empty where it missed its deadline."""
_IMAGES: Final = {True: "photographs", False: "not_cucumbers"}
_ROWS_AT_ONCE: Final = 1_000

Step = Callable[[int, int], None]
"""Told of progress: corrections done, of how many."""


class Photographs(Protocol):
    """What an export needs of the image store."""

    def get(self, key: str) -> tuple[bytes, str] | None: ...


class CorrectionsNotExported(SenkaError):
    """Nothing to export, or nowhere to put it; nothing was written."""

    code: ClassVar[str] = "corrections_not_exported"


@dataclass(frozen=True, slots=True)
class Window:
    """Since when and until when corrections were made; None is any. `since` is included, `until` is not."""

    since: datetime | None = None
    until: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        return {name: at and rfc3339(at) for name, at in asdict(self).items()}

    def __str__(self) -> str:
        since = f" since {rfc3339(self.since)}" if self.since else ""
        return since + (f" before {rfc3339(self.until)}" if self.until else "")


@dataclass(slots=True)
class CorrectedBatch:
    """What an export wrote, and what became of every correction that it found."""

    corrections: int = 0
    """In effect, of the time asked for: the sum of what follows."""
    grades: Counter[str] = field(default_factory=Counter)
    """Photographs in the manifest by the grade that they were given."""
    not_cucumbers: int = 0
    repeated: int = 0
    """Of a photograph that a newer correction of another grading speaks of already, and says the same."""
    contradicted: int = 0
    """The same, and says otherwise: the newer one counts."""
    not_kept: int = 0
    """Of a photograph that is no longer kept, or never was."""
    damaged: int = 0
    """Of a photograph that is not the one its name says: a power cut, or a failing disk."""
    confirmed: int = 0
    """Photographs in the manifest whose grade is the model's own."""
    sha256: str = ""
    """As `models.labelled.batch_sha256` says."""

    @property
    def photographs(self) -> int:
        return sum(self.grades.values())

    def to_json(self) -> dict[str, Any]:
        grades = {grade: self.grades[grade] for grade in GRADES}
        return {**asdict(self), "photographs": self.photographs, "grades": grades}


def export_corrected(
    engine: Engine,
    store: Photographs,
    out: Path,
    window: Window = Window(),
    *,
    reserve_bytes: int = 0,
    step: Step = lambda *_: None,
) -> CorrectedBatch:
    """Write the corrections of a window of time as a labelled batch into `out`, which must be empty or not be there.

    It appears there whole or not at all. The corrections are those of one moment; the photographs are copied after it, so that no
    transaction stays open for long. Raises CorrectionsNotExported where nothing is found, `out` holds something, or less than
    `reserve_bytes` would stay free; RecordsUnavailable, PhotographUnavailable, OSError.
    """
    out = out.resolve()
    _require_empty(out)
    with aside(out.parent, out.name) as folder, tempfile.TemporaryFile("w+", dir=folder) as found:
        with snapshot(engine) as connection:
            count, need_bytes = _note(connection, window, found)
        _require_room(out, need_bytes, reserve_bytes)
        batch = folder / "batch"
        batch.mkdir()
        found.seek(0)
        made = _write(batch, (json.loads(line) for line in found), store, lambda done: step(done, count))
        if not made.photographs and not made.not_cucumbers:
            raise nothing_found(made, window)
        sync_file_system(str(folder))
        _require_empty(out)
        batch.rename(out)
        sync_folder(out.parent)
    return made


def nothing_found(made: CorrectedBatch, window: Window) -> CorrectionsNotExported:
    """The error of an export without a photograph to train on: why there is none, and what to do."""
    lost = made.not_kept + made.damaged
    if lost:
        reason = f"the photographs of all {lost:,} corrections{window} are no longer kept, or damaged"
        way_out = "Keep them longer: see SENKA_KEEP and SENKA_KEEP_INTERESTING_DAYS"
    elif made.not_cucumbers:
        reason = f"all {made.not_cucumbers:,} photographs that were corrected{window} are said to be no cucumbers"
        way_out = "Correct gradings to one of the nine grades"
    else:
        reason = f"nobody has corrected a grading{window}"
        way_out = "Correct gradings on the dashboard or with POST /v1/corrections, or ask for another time"
    return CorrectionsNotExported(f"There is nothing to export: {reason}. {way_out}.", **made.to_json())


def in_effect(window: Window) -> Select[Any]:
    """The newest correction that was not undone of every grading, where it was made in the window; newest first.

    Of a grading that was corrected in the window and again after it, nothing: two windows never export one grading twice.
    """
    # Ranked in one pass: comparing each with the later ones of its grading is quadratic wherever a planner knows no better
    newest = [corrections.c.at.desc(), corrections.c.id.desc()]
    rank = func.row_number().over(partition_by=corrections.c.grading_id, order_by=newest)
    c = select(corrections, rank.label("rank")).where(corrections.c.undone_at.is_(None)).subquery("ranked").c
    g = gradings.c
    query = select(
        *(c.grade, c.by.label("labeller"), c.at.label("corrected_at")),
        *(g.id.label("grading_id"), g.grade.label("graded"), g.confidence, g.model_name, g.model_version),
        *(g.lot, g.camera, g.line, g.captured_at, g.received_at),
        *(g.photograph, g.photograph_bytes, g.photograph_deleted_at),
    ).where(g.id == c.grading_id, c.rank == 1)
    if window.since is not None:
        query = query.where(c.at >= window.since)
    if window.until is not None:
        query = query.where(c.at < window.until)
    return query.order_by(c.at.desc(), c.id.desc())


def _note(connection: Connection, window: Window, file: IO[str]) -> tuple[int, int]:
    """Write what is in effect into a file, a JSON object a line; how many, and how large their photographs are, in bytes."""
    count = need_bytes = 0
    query = in_effect(window).execution_options(stream_results=True, max_row_buffer=_ROWS_AT_ONCE)
    with closing(connection.execute(query)) as result:
        for row in result.mappings():
            told = {name: rfc3339(value) if isinstance(value, datetime) else value for name, value in row.items()}
            file.write(json.dumps(told) + "\n")
            count += 1
            need_bytes += (row["photograph_bytes"] or 0) if row["photograph_deleted_at"] is None else 0
    return count, need_bytes


def _write(batch: Path, rows: Iterator[dict[str, Any]], store: Photographs, done: Callable[[int], None]) -> CorrectedBatch:
    made, digest = CorrectedBatch(), BatchDigest()
    counted: dict[bytes, str] = {}
    """sha256 of a photograph -> the grade that counts, of its newest correction. Some 200 bytes of memory each."""
    for folder in _IMAGES.values():
        (batch / folder).mkdir()
    with manifest_writer(batch / MANIFEST, FACTS) as write, manifest_writer(batch / NOT_CUCUMBERS, FACTS) as write_other:
        for row in rows:
            made.corrections += 1
            done(made.corrections)
            key, grade = row["photograph"], row["grade"]
            stored = store.get(key) if key and row["photograph_deleted_at"] is None else None
            if stored is None:
                made.not_kept += 1
                continue
            content = sha256(stored[0])
            if content.hexdigest() != key.partition(".")[0]:
                made.damaged += 1
                continue
            earlier = counted.get(content.digest())
            if earlier is not None:
                made.repeated += earlier == grade
                made.contradicted += earlier != grade
                continue
            counted[content.digest()] = grade
            is_cucumber = grade != NOT_A_CUCUMBER
            image = _image(f"{_IMAGES[is_cucumber]}/{key}", row)
            (batch / image.path).write_bytes(stored[0])
            if is_cucumber:
                write(image)
                digest.add(image, content.hexdigest())
                made.grades[grade] += 1
                made.confirmed += grade == row["graded"]
            else:
                write_other(image)
                made.not_cucumbers += 1
    made.sha256 = digest.hexdigest()
    return made


def _image(path: str, row: dict[str, Any]) -> LabelledImage:
    """A row of a manifest. The name of its file is the content's: what a camera sent names nothing on a disk."""
    texts = {name: "" if value is None else str(value) for name, value in row.items()}
    columns = {name: texts[name] for name in ("grade", "lot", "camera", "captured_at", "labeller")}
    return LabelledImage(path, source=CORRECTIONS, facts={name: texts[name] for name in FACTS}, **columns)


def _require_empty(out: Path) -> None:
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CorrectionsNotExported(
            f"{out} is there already and not an empty folder. Name another: an export never changes a batch.", folder=str(out)
        )


def _require_room(out: Path, need_bytes: int, reserve_bytes: int) -> None:
    disk = measure_disk(out.parent)
    if disk.free - need_bytes < min(reserve_bytes, disk.total // 4):
        raise CorrectionsNotExported(
            f"The photographs are {need_bytes:,} bytes, and {out.parent} has {disk.free:,} free, of which some are kept free for "
            "gradings. Name a folder on another disk, or limit the time.",
            need_bytes=need_bytes,
            free_bytes=disk.free,
        )
