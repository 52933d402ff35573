"""Free disk: below a watermark no photographs are stored, so that gradings always find room."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple, Protocol

READ_EVERY_S: Final = 1.0
OPENS_AT: Final = 1.1
"""Storing begins again at this multiple of the reserve: between the two it would begin and stop with every photograph."""
SMALL_DISK_SHARE: Final = 0.25
"""Of a disk smaller than four reserves, so much is the reserve: a card of 2 GB must not store nothing at all."""
REFUSED_FOR_S: Final = 5.0
"""After the file system refused a photograph, none are tried for so long."""
STOPS_WITHIN_S: Final = 5.0
"""A network file system that hangs must not hang a stop."""
DISK_LOW: Final = "disk_low"
NOT_STORED: Final = "photographs_not_stored"


class AlarmSink(Protocol):
    """Where trouble is reported; both may be called again and again, from any thread, and never raise."""

    def raise_(self, name: str, detail: str, severity: str = "warning") -> None: ...

    def clear(self, name: str) -> None: ...


class Disk(NamedTuple):
    """Bytes of a file system: all of it, and what an ordinary user may still write."""

    total: int
    free: int


def measure_disk(folder: Path) -> Disk:
    """The file system that `folder` is on, or will be on once it is made. Raises OSError."""
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    found = os.statvfs(folder)
    return Disk(found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize)


class Watermark:
    """Whether photographs may be stored. A thread reads the disk every second; asking reads memory."""

    def __init__(
        self,
        folder: Path,
        reserve_bytes: int,
        alarms: AlarmSink | None = None,
        measure: Callable[[Path], Disk] = measure_disk,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._folder, self._wanted, self._alarms, self._measure, self._clock = folder, reserve_bytes, alarms, measure, clock
        self._reserve = reserve_bytes
        self._free: int | None = None  # unknown: not read yet, or unreadable
        self._written = 0  # since it was read
        self._low = False
        self._refusal: str | None = None
        self._refused_until = 0.0
        self._told: dict[str, bool] = {}
        self._reading, self._wake, self._closed = threading.Lock(), threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def low(self) -> bool:
        """As it was when last read."""
        return self._low

    def has_room(self) -> bool:
        if self._thread is None:
            self._start()
        if self._low or self._clock() < self._refused_until:
            return False
        # what was written since the last reading counts: a small disk can fill within a second
        return self._free is None or self._free - self._written >= self._reserve

    def missing_bytes(self) -> int:
        """What has to be deleted until storing begins again, with some to spare; 0 where it has not stopped."""
        if not self._low or self._free is None:
            return 0
        return max(0, int(self._reserve * (2 * OPENS_AT - 1)) - self._free)

    def wrote(self, size_bytes: int) -> None:
        """A photograph was stored."""
        self._written += size_bytes  # unlocked: a lost update is mended within a second
        if self._refusal:
            self._refusal = None
            self._wake.set()

    def refused(self, error: OSError) -> None:
        """The file system did not take a photograph: full all the same, a quota, read-only, broken."""
        self._refused_until = self._clock() + REFUSED_FOR_S
        self._refusal = error.strerror or str(error)
        self._wake.set()

    def check(self) -> bool:
        """Read the disk now, report what changed; return whether there is room."""
        with self._reading:
            try:
                disk = self._measure(self._folder)
            except OSError as error:
                self._free, self._low, self._refusal = None, False, error.strerror or str(error)
            else:
                self._reserve = min(self._wanted, int(disk.total * SMALL_DISK_SHARE))
                self._free, self._written = disk.free, 0
                self._low = disk.free < int(self._reserve * (OPENS_AT if self._low else 1.0))
            self._report()
        return self.has_room()

    def close(self) -> None:
        self._closed.set()
        self._wake.set()
        if self._thread and self._thread is not threading.current_thread():
            self._thread.join(STOPS_WITHIN_S)

    def _report(self) -> None:
        self._tell(
            DISK_LOW,
            self._low,
            f"{(self._free or 0) / 2**20:,.0f} MiB are free at {self._folder}, less than the reserve of "
            f"{self._reserve / 2**20:,.0f} MiB: gradings go on, photographs are not stored. Delete something, or lower "
            "SENKA_DISK_RESERVE_BYTES.",
        )
        self._tell(NOT_STORED, self._refusal is not None, f"{self._folder} takes no photographs: {self._refusal}.")

    def _tell(self, name: str, wrong: bool, detail: str) -> None:
        # The first time in any case: what a process before this one raised may be over by now
        if self._alarms is None or self._told.get(name) == wrong:
            return
        self._told[name] = wrong
        if wrong:
            self._alarms.raise_(name, detail)
        else:
            self._alarms.clear(name)

    def _start(self) -> None:
        with self._reading:
            if self._thread is not None or self._closed.is_set():
                return
            self._thread = threading.Thread(target=self._watch, name="disk", daemon=True)
        self.check()  # the very first answer is right, too
        self._thread.start()

    def _watch(self) -> None:
        while not self._closed.is_set():
            self._wake.wait(READ_EVERY_S)
            self._wake.clear()
            if not self._closed.is_set():
                self.check()
                self._closed.wait(0.1)  # however often it is woken
