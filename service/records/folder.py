"""A folder of files named by their content, shared by threads and processes, written in place.

The same name always means the same bytes. So a file needs no temporary name: two writers of one file write the same, readers
only look for what a record names, which is written after the file, and a file that a power cut left short is mended by the
next writer.
"""

import ctypes
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

log = logging.getLogger(__name__)

SYNC_EVERY_S: Final = 1.0
STOPS_WITHIN_S: Final = 10.0
GRACE_S: Final = 600.0
"""A file written or put again within this time is not deleted: what names it may not be on record yet."""
_TRASH: Final = ".trash"


class ContentFolder:
    """Files `ab/abcd...`, two digits of the name as the sub-folder. Methods raise OSError."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._root = str(root)
        self._written, self._closed = threading.Event(), threading.Event()
        self._syncer: threading.Thread | None = None
        self._starting = threading.Lock()

    def put(self, name: str, data: bytes) -> bool:
        """Hand the bytes to the operating system, and to the disk within about a second; True where they were there already."""
        path = f"{self._root}/{name[:2]}/{name}"
        there = False
        while True:
            try:
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            except FileNotFoundError:
                self._make_folder(os.path.dirname(path))  # noqa: PTH120 - text: this is the hot path
                continue
            except FileExistsError:
                there = True
                if self._touch(path, len(data)):
                    return True
                try:
                    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)  # short: mend it
                except FileNotFoundError:
                    continue
            try:
                _write(descriptor, data)
            finally:
                os.close(descriptor)
            # A file that was there may just have been moved away to be deleted, or a short one moved back
            if not there or self._touch(path, len(data)):
                break
        if not self._written.is_set():
            self._note_written()
        return there

    def get(self, name: str) -> bytes | None:
        """The bytes; None where there are none."""
        for folder in (name[:2], _TRASH, name[:2]):  # in the trash only while it is decided, after which it may be back
            try:
                return (self.root / folder / name).read_bytes()
            except FileNotFoundError:
                continue
        return None

    def holds(self, name: str) -> bool:
        return (self.root / name[:2] / name).exists()

    def remove(self, name: str) -> None:
        """Remove a file at once; the caller knows that it is safe elsewhere."""
        (self.root / name[:2] / name).unlink(missing_ok=True)

    def delete(self, name: str, now: Callable[[], float] = time.time) -> bool:
        """Delete a file unless it was put within the last minutes; return whether it is gone.

        It is moved aside first and looked at after that: `put` touches a file that is there and then looks whether it still
        is, so either it finds its file gone and writes another, or its touch is seen here and the file is moved back.
        """
        path, aside = self.root / name[:2] / name, self.root / _TRASH / name
        try:
            if _is_recent(path, now):
                return False
            try:
                path.rename(aside)
            except FileNotFoundError:
                if not path.exists():
                    raise
                self._make_folder(str(aside.parent))
                path.rename(aside)
        except FileNotFoundError:
            return True
        if not _is_recent(aside, now):
            aside.unlink()
            return True
        self._put_back(aside)
        return False

    def recover(self) -> None:
        """Move back what a process left in the trash when it died; whether to delete it is decided again."""
        trash = self.root / _TRASH
        for aside in sorted(trash.iterdir()) if trash.is_dir() else []:
            self._put_back(aside)

    def files(self) -> Iterator[tuple[str, os.stat_result]]:
        """Every file's name, size and times, in no order; those that vanish meanwhile are left out."""
        for folder in os.scandir(self._root) if self.root.is_dir() else []:
            if len(folder.name) != 2 or not folder.is_dir():
                continue
            for file in os.scandir(folder.path):
                try:
                    yield file.name, file.stat()
                except FileNotFoundError:
                    continue

    def close(self) -> None:
        """Bring what was written to the disk, and stop the thread that does so."""
        self._closed.set()
        self._written.set()
        if self._syncer:
            self._syncer.join(STOPS_WITHIN_S)

    def _put_back(self, aside: Path) -> None:
        path = self.root / aside.name[:2] / aside.name
        try:
            os.link(aside, path)
        except FileExistsError:
            pass  # put anew meanwhile
        except OSError:
            aside.rename(path)  # a file system without links
            return
        aside.unlink(missing_ok=True)

    def _touch(self, path: str, size_bytes: int) -> bool:
        """Say that a file is wanted again; False where it is not (any more) there in full."""
        try:
            os.utime(path)
            return os.stat(path).st_size == size_bytes  # noqa: PTH116 - after the touch, see `delete`
        except FileNotFoundError:
            return False

    def _make_folder(self, folder: str) -> None:
        os.makedirs(self._root, 0o700, exist_ok=True)  # noqa: PTH103 - hot path
        os.makedirs(folder, 0o700, exist_ok=True)  # noqa: PTH103

    def _note_written(self) -> None:
        self._written.set()
        if self._syncer is None:
            with self._starting:
                if self._syncer is None and not self._closed.is_set():
                    self._syncer = threading.Thread(target=self._keep_syncing, name="sync", daemon=True)
                    self._syncer.start()

    def _keep_syncing(self) -> None:
        failing = False
        while True:
            self._written.wait()
            self._written.clear()  # before: what is written from here on is for the next round
            try:
                sync_file_system(self._root)
                failing = False
            except OSError as error:
                if not failing:
                    log.error("what was written to %s may not be on its disk: %s", self._root, error)
                failing = True
            if self._closed.wait(SYNC_EVERY_S) and not self._written.is_set():
                return


def sync_file_system(folder: str) -> None:
    """Everything written to the file system of a folder is on its disk when this returns. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        if _syncfs is None:
            os.sync()
        elif _syncfs(descriptor):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        os.close(descriptor)


def _find_syncfs() -> Callable[[int], int] | None:
    function = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)  # Linux has it, macOS does not
    if function is not None:
        function.argtypes, function.restype = [ctypes.c_int], ctypes.c_int
    return function


_syncfs: Final = _find_syncfs()


def _write(descriptor: int, data: bytes) -> None:
    written = os.write(descriptor, data)
    while written < len(data):  # nearly full: the next one says why
        written += os.write(descriptor, memoryview(data)[written:])


def _is_recent(path: Path, now: Callable[[], float]) -> bool:
    # a clock that was set back must not make it old: the distance counts
    return abs(now() - path.stat().st_mtime) < GRACE_S
