"""Photographs that somebody has just looked at, in memory: fifty pages that watch a line ask for the same fruit at once."""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

KEPT_BYTES: Final = 16 * 2**20
KEYS: Final = 512
"""Gradings whose photograph is known without asking the database."""
KEPT_FOR_S: Final = 10.0
"""As long a photograph may be seen after it was deleted."""

Photograph = tuple[bytes, str]
"""Its bytes and media type."""


class Shown:
    """By grading; the oldest goes first. For one thread: that of the event loop."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._kept: OrderedDict[str, tuple[float, Photograph]] = OrderedDict()
        self._keys: OrderedDict[str, str] = OrderedDict()
        self._bytes = 0

    def note(self, grading_id: str, key: str | None) -> None:
        """Somebody is shown this grading, and will ask for its photograph."""
        if key is not None:
            self._keys[grading_id] = key
            while len(self._keys) > KEYS:
                self._keys.popitem(last=False)

    def key(self, grading_id: str) -> str | None:
        """Where its photograph is kept, as far as it was noted."""
        return self._keys.get(grading_id)

    def get(self, grading_id: str) -> Photograph | None:
        """None where it was not looked at lately."""
        self._forget()
        found = self._kept.get(grading_id)
        return found[1] if found else None

    def put(self, grading_id: str, photograph: Photograph) -> None:
        """Keep it for KEPT_FOR_S, at most KEPT_BYTES of all."""
        if len(photograph[0]) <= KEPT_BYTES and grading_id not in self._kept:
            self._kept[grading_id] = self._clock_s() + KEPT_FOR_S, photograph
            self._bytes += len(photograph[0])
            self._forget()

    def _forget(self) -> None:
        now_s = self._clock_s()
        while self._kept and (self._bytes > KEPT_BYTES or next(iter(self._kept.values()))[0] <= now_s):
            _, (_, photograph) = self._kept.popitem(last=False)
            self._bytes -= len(photograph[0])
