"""A labelled batch taken in: unpacked, judged row by row, and kept in SENKA_HOME/batches only when nothing is wrong with it."""

import os
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Engine, select

from models.archives import ArchiveLimits, declared_bytes, extract_zip
from models.durable import sync_folder
from models.errors import DataError, ImageError, InvalidBatch, UnsafeFile
from models.grades import GRADES
from models.imaging import ImageLimits, decode, read_header
from models.labelled import MANIFEST, LabelledImage, batch_in, judge_manifest
from service.errors import NoRoom, TooManyBatches
from service.grading import new_id
from service.records.batches import protect
from service.records.disk import measure_disk
from service.records.photographs import PhotographStore
from service.records.tables import gradings
from service.records.transactions import reading, take_time, writing
from service.settings import Settings

ARCHIVE: Final = "upload.zip"
MAX_IMAGES: Final = 20_000
"""Of one batch; a season comes in several."""
MAX_PROBLEMS: Final = 100
"""So many are named; the answer stays readable."""
WITHIN_S: Final = 600.0
_INCOMING: Final = ".incoming-"
_LEFT_BEHIND_S: Final = 24 * 3600
"""An upload that is older was left by a process that was killed."""


@dataclass(slots=True)
class Intake:
    """One at a time in each worker: unpacking and decoding a batch keeps a core busy."""

    busy: bool = False

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Raises TooManyBatches."""
        if self.busy:
            raise TooManyBatches
        self.busy = True
        try:
            yield
        finally:
            self.busy = False


@dataclass(slots=True)
class _Judged:
    """What a batch holds, and what is wrong with it."""

    rows: int = 0
    images: list[LabelledImage] = field(default_factory=list)
    keys: dict[str, str] = field(default_factory=dict)
    """Key in the image store -> path of the first image with this content."""
    grades: dict[str, str] = field(default_factory=dict)
    duplicates: list[dict[str, str]] = field(default_factory=list)
    problems: list[dict[str, Any]] = field(default_factory=list)
    wrong: int = 0

    def blame(self, line: int, path: str, detail: str) -> None:
        self.wrong += 1
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append({"line": line, "path": path[:200], "detail": detail[:300]})


@contextmanager
def incoming(settings: Settings) -> Iterator[Path]:
    """A folder for one upload, gone at the end; so is what killed processes left behind. Raises NoRoom."""
    root = settings.batches
    folder = root / f"{_INCOMING}{new_id()}"
    try:
        for left in root.glob(f"{_INCOMING}*"):
            if time.time() - left.stat().st_mtime > _LEFT_BEHIND_S:
                shutil.rmtree(left, ignore_errors=True)
        folder.mkdir(parents=True)
    except OSError as error:
        raise NoRoom(error.strerror or str(error)) from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def require_room(settings: Settings, more_bytes: int) -> None:
    """Raise NoRoom unless so much more fits beside what is kept free for gradings."""
    disk = measure_disk(settings.home)
    if disk.free - more_bytes < min(settings.disk_reserve_bytes, disk.total // 4):
        raise NoRoom("the disk is nearly full")


def take_in(
    folder: Path, name: str, settings: Settings, engine: Engine, store: PhotographStore, *, by: str, address: str
) -> dict[str, Any]:
    """The report of the batch whose archive is `folder / ARCHIVE`, once it is on record; its photographs are never deleted.

    Raises UnsafeFile and InvalidBatch, NoRoom, RecordsUnavailable; nothing is kept then.
    """
    archive, unpacked = folder / ARCHIVE, folder / "unpacked"
    limits = ArchiveLimits(entries=MAX_IMAGES + 100, total_bytes=4 * settings.max_batch_bytes)
    try:
        require_room(settings, declared_bytes(archive, limits))
        extract_zip(archive, unpacked, limits)
        archive.unlink()
        batch = batch_in(unpacked)
        judged = _judge(batch, store, ImageLimits(settings.max_pixels))
    except OSError as error:
        raise NoRoom(error.strerror or str(error)) from error
    except DataError as error:
        raise _without_paths(error, archive, folder) from error
    if judged.wrong or not judged.images:
        raise InvalidBatch(
            f"{judged.wrong} things are wrong with the batch; nothing of it was kept. Mend them and send it again."
            if judged.wrong
            else f"{MANIFEST} lists no photograph.",
            rows=judged.rows,
            wrong=judged.wrong,
            problems=judged.problems,
        )
    return _keep(batch, name, judged, settings, engine, by=by, address=address)


def _judge(batch: Path, store: PhotographStore, limits: ImageLimits) -> _Judged:
    judged = _Judged()
    end = time.monotonic() + WITHIN_S
    for line, row in judge_manifest(batch, GRADES):
        judged.rows += 1
        if judged.rows > MAX_IMAGES:
            raise InvalidBatch(f"{MANIFEST} has more than {MAX_IMAGES:,} rows; send several batches.", limit=MAX_IMAGES)
        if time.monotonic() > end:
            raise InvalidBatch(f"The batch takes longer than {WITHIN_S:g} s to read; send several smaller ones.")
        if isinstance(row, InvalidBatch):
            judged.blame(line, "", str(row).replace(f"{batch / MANIFEST}", MANIFEST))
            continue
        data = (batch / row.path).read_bytes()
        try:
            header = read_header(data, limits)
            decode(data, header)
        except ImageError as error:
            judged.blame(line, row.path, str(error))
            continue
        key = store.key(data, header.format)
        first = judged.keys.setdefault(key, row.path)
        grade = judged.grades.setdefault(key, row.grade)
        if grade != row.grade:
            judged.blame(line, row.path, f"it is the same photograph as {first}, which is graded {grade}")
        elif first != row.path and len(judged.duplicates) < MAX_PROBLEMS:
            judged.duplicates.append({"path": row.path, "same_as": first})
        judged.images.append(row)
    return judged


def _keep(
    batch: Path, name: str, judged: _Judged, settings: Settings, engine: Engine, *, by: str, address: str
) -> dict[str, Any]:
    batch_id = new_id()
    counted = Counter(row.grade for row in judged.images)
    with reading(engine) as connection:
        take_time(connection)
        c = gradings.c
        named = select(c.photograph).distinct().where(c.photograph.in_(list(judged.keys)), c.photograph_deleted_at.is_(None))
        on_record = set(connection.execute(named).scalars())
    report: dict[str, Any] = {
        "id": batch_id,
        "name": name,
        "rows": judged.rows,
        "grades": {grade: counted[grade] for grade in GRADES},
        "duplicates": len(judged.images) - len(judged.keys),
        "duplicate_files": judged.duplicates,
        "on_record": len(on_record),
        "unlisted": _drop_unlisted(batch, {row.path for row in judged.images}),
        "source": f"{settings.batches.name}/{batch_id}",
    }
    place = settings.batches / batch_id
    try:
        batch.rename(place)
        sync_folder(place.parent)
        os.sync()  # every photograph, once, before the record that names them
    except OSError as error:
        raise NoRoom(error.strerror or str(error)) from error
    try:
        with writing(engine) as connection:
            take_time(connection)
            protect(connection, batch_id, name, on_record, by, report, address)
    except BaseException:
        shutil.rmtree(place, ignore_errors=True)
        raise
    return report


def _drop_unlisted(batch: Path, listed: set[str]) -> int:
    """Delete what the manifest does not name: nobody looked at it. Returns how many files."""
    dropped = 0
    for path in sorted(batch.rglob("*")):
        name = path.relative_to(batch).as_posix()
        if path.is_file() and name not in listed and name != MANIFEST:
            path.unlink()
            dropped += 1
    return dropped


def _without_paths(error: DataError, archive: Path, folder: Path) -> DataError:
    """The same, for somebody who does not know this machine's folders; what is no archive is no batch."""
    kind = type(error) if isinstance(error, (UnsafeFile, InvalidBatch)) else InvalidBatch
    words = str(error).replace(str(archive), "The archive").replace(f"{folder / 'unpacked'}/", "")
    return kind(words, **{name: value for name, value in error.facts.items() if name != "path"})
