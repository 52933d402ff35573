"""Where gradings wait while the database is away: a file of lines, each with its checksum, that outlives this process.

Every process appends to a file of its own and holds its lock. A file whose lock nobody holds was left by a process that died;
whoever finds it puts on record what is in it. A line that a crash cut off was never acknowledged; it is passed over.
"""

import fcntl
import logging
import os
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final, NamedTuple
from zlib import crc32

import orjson

from models.durable import sync_folder
from service.grading import Grading, new_id
from service.records.entry import Entry
from service.records.rows import from_row, to_row
from service.records.tables import gradings

log = logging.getLogger(__name__)

SUFFIX: Final = ".journal"
REFUSED: Final = "refused"
"""File of the lines that are damaged or that the database would not take, for a person to look at."""
_COLUMNS: Final = tuple(gradings.columns.keys())


class JournalFull(OSError):
    """No more gradings may wait."""


class Line(NamedTuple):
    """A line of a journal and where the next one begins."""

    text: bytes
    end: int


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A grading of an idempotency key that is in the journal."""

    start: int
    end: int


class Journal:
    """The journals of one folder: this process's own, and those left behind. Thread-safe.

    The file is made when it is first needed.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        """`limit_bytes` bounds all files of the folder together."""
        self._folder, self._limit = folder, limit_bytes
        self._lock = threading.RLock()
        self._path: Path | None = None
        self._file = -1
        self._start = self._end = 0
        self._keys: dict[str, _Waiting] = {}
        self._set_aside: set[bytes] = set()

    @property
    def waiting(self) -> bool:
        """Whether gradings of this process wait."""
        return self._end > self._start

    def append(self, entries: Sequence[Entry]) -> list[Grading]:
        """Keep gradings until the database is back: when this returns they survive a power cut.

        Returns, for each, the one that counts: itself, or the one in this journal that had its idempotency key first. Raises
        OSError: JournalFull, or whatever the disk says; nothing of it is kept then.
        """
        with self._lock:
            counts: list[Grading] = []
            lines: list[tuple[bytes, str | None]] = []
            firsts: dict[str, Grading] = {}
            for entry in entries:
                key = entry.grading.idempotency_key
                first = (firsts.get(key) or self._of_key(key)) if key else None
                counts.append(first or entry.grading)
                if first is None:
                    lines.append((encode(entry), key))
                    if key:
                        firsts[key] = entry.grading
            self._write(lines)
            return counts

    def of_key(self, key: str) -> Grading | None:
        """The waiting grading of this process with an idempotency key."""
        with self._lock:
            return self._of_key(key)

    def head(self, limit: int) -> list[Line]:
        """The oldest lines that wait, at most so many."""
        with self._lock:
            return _read(self._file, self._start, self._end, limit) if self.waiting else []

    def drop(self, end: int) -> None:
        """Forget the lines before `end`: they are on record."""
        with self._lock:
            self._start = end
            if self._start == self._end:
                os.ftruncate(self._file, 0)
                self._start = self._end = 0
                self._keys.clear()
            else:
                self._keys = {key: place for key, place in self._keys.items() if place.start >= end}

    def left_behind(self) -> Iterator["Orphan"]:
        """The journals of processes that died, one after the other, each locked for as long as it is looked at."""
        for path in sorted(self._folder.glob(f"*{SUFFIX}")):
            try:
                file = os.open(path, os.O_RDWR)
            except FileNotFoundError:
                continue  # somebody else was quicker
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(file).st_nlink:
                    yield Orphan(path, file)
            except BlockingIOError:
                continue  # its process lives
            finally:
                os.close(file)

    @property
    def refused(self) -> Path:
        """Where lines are set aside; no file until there is one."""
        return self._folder / REFUSED

    def refuse(self, text: bytes) -> None:
        """Set a line aside that will never be on record; once, though it is met again. Raises OSError."""
        name = sha256(text).digest()
        if name in self._set_aside:
            return
        with self.refused.open("ab") as file:
            file.write(text + b"\n")
            file.flush()
            os.fsync(file.fileno())
        sync_folder(self._folder)
        self._set_aside.add(name)

    def close(self) -> None:
        """Let go of the file; what waits in it is found by the next process."""
        with self._lock:
            if self._path is None:
                return
            if not self.waiting:
                self._path.unlink(missing_ok=True)
            os.close(self._file)
            self._path, self._file = None, -1
            self._start = self._end = 0
            self._keys.clear()

    def _of_key(self, key: str) -> Grading | None:
        place = self._keys.get(key)
        if place is None:
            return None
        return decode(os.pread(self._file, place.end - place.start - 1, place.start)).grading

    def _write(self, lines: list[tuple[bytes, str | None]]) -> None:
        data = b"".join(line + b"\n" for line, _ in lines)
        if not data:
            return
        if self._bytes_in_all() + len(data) > self._limit:
            raise JournalFull(f"no more than {self._limit:,} bytes may wait in the journal")
        if self._path is None:
            self._open()
        try:
            _write_all(self._file, data, self._end)
            os.fsync(self._file)
        except OSError:
            # what is there of it must not be taken for gradings later
            os.ftruncate(self._file, self._end)
            raise
        for line, key in lines:
            start, self._end = self._end, self._end + len(line) + 1
            if key:
                self._keys[key] = _Waiting(start, self._end)

    def _bytes_in_all(self) -> int:
        try:
            found = [path.stat().st_size for path in self._folder.glob(f"*{SUFFIX}")]
        except FileNotFoundError:  # one vanished just now
            return self._bytes_in_all()
        return sum(found)

    def _open(self) -> None:
        self._folder.mkdir(0o700, parents=True, exist_ok=True)
        while True:
            path = self._folder / f"{os.getpid()}-{new_id()}{SUFFIX}"
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:  # somebody looks for files left behind, and takes this one for such
                os.close(file)
                continue
            if os.fstat(file).st_nlink:
                break
            os.close(file)
        sync_folder(self._folder)
        self._path, self._file = path, file


class Orphan:
    """A journal that its process left behind, locked by this one."""

    def __init__(self, path: Path, file: int) -> None:
        self._path, self._file = path, file
        self._size = os.fstat(file).st_size
        self._start = 0

    def head(self, limit: int) -> list[Line]:
        """The oldest lines that wait, at most so many."""
        return _read(self._file, self._start, self._size, limit)

    def drop(self, end: int) -> None:
        """Go on behind the lines before `end`. After a crash here they are met again, and found on record."""
        self._start = end

    def remove(self) -> None:
        """All of it is on record."""
        self._path.unlink(missing_ok=True)


def encode(entry: Entry) -> bytes:
    """An entry as a line, without its end: the checksum, a space, JSON."""
    text = orjson.dumps({**to_row(entry.grading), "shared": entry.shared})
    return b"%08x " % crc32(text) + text


def decode(line: bytes) -> Entry:
    """The entry of a line. Raises ValueError where it is not what was written."""
    checksum, _, text = line.partition(b" ")
    if checksum != b"%08x" % crc32(text):
        raise ValueError("the checksum is wrong")
    found: dict[str, Any] = orjson.loads(text)
    try:
        row = {**dict.fromkeys(_COLUMNS), **found}  # a version before may have written it, which lacked some of them
        shared = row.pop("shared")
        for name in ("received_at", "captured_at"):
            row[name] = row[name] and datetime.fromisoformat(row[name])
        return Entry(from_row(SimpleNamespace(**row)), shared=shared)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"it is no grading ({error})") from error


def decode_all(lines: Sequence[Line]) -> list[Entry | None]:
    """The entry of each line; None for one that is damaged, and that is said."""
    entries: list[Entry | None] = []
    wrong = Counter[str]()
    for line in lines:
        try:
            entries.append(decode(line.text))
        except ValueError as error:
            entries.append(None)
            wrong[str(error)] += 1
    for what, number in wrong.items():
        log.error("%d lines of a journal are damaged and not put on record: %s", number, what)
    return entries


def _read(file: int, start: int, end: int, limit: int) -> list[Line]:
    lines: list[Line] = []
    rest = b""
    position = start
    while len(lines) < limit and position < end:
        chunk = os.pread(file, min(2**18, end - position), position)
        if not chunk:
            break
        position += len(chunk)
        *whole, rest = (rest + chunk).split(b"\n")
        for text in whole[: limit - len(lines)]:
            start += len(text) + 1
            lines.append(Line(text, start))
    return lines


def _write_all(file: int, data: bytes, offset: int) -> None:
    written = 0
    while written < len(data):
        written += os.pwrite(file, memoryview(data)[written:], offset + written)
