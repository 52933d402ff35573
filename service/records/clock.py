"""Whether the clock can be believed: a wrong one must not make a season's photographs old enough to be deleted."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

MAY_DRIFT_S: Final = 3600.0
LONGEST_SILENCE: Final = timedelta(days=30)
SILENCE_HOLDS_S: Final = 24 * 3600.0
"""After a long silence nothing is deleted for so long: a clock without a battery is set right within it."""


def steady_clock() -> float:
    """Seconds that nobody sets; they go on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class ClockGuard:
    """Compares the wall clock with the steady one since this was made, and with the newest record."""

    def __init__(self, wall: Callable[[], float] = time.time, steady: Callable[[], float] = steady_clock) -> None:
        self._wall, self._steady = wall, steady
        self._began = wall() - steady()
        self._silent_at: float | None = None

    def doubt(self, now: datetime, newest: datetime | None) -> str | None:
        """Why age cannot be told at `now`, with the newest record received at `newest`; None: it can."""
        jumped_s = self._wall() - self._steady() - self._began
        if abs(jumped_s) > MAY_DRIFT_S:
            return f"the clock was set by {jumped_s / 3600:+,.1f} hours since the service started; restart it once that is right"
        if newest is not None and now - newest > LONGEST_SILENCE:
            self._silent_at = self._steady()
            return f"the newest grading is of {newest:%Y-%m-%d}, {(now - newest).days:,} days ago by this clock"
        if self._silent_at is not None and self._steady() - self._silent_at < SILENCE_HOLDS_S:
            return f"the first gradings after more than {LONGEST_SILENCE.days} days came less than a day ago"
        return None
