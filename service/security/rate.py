"""How fast one camera may post: a token bucket each, in a bounded number."""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

MAX_BUCKETS: Final = 10_000


class Rate:
    """Tokens come at `per_s`, and as many as come in a second may be saved up; one photograph takes one.

    Kept in each worker by itself: SENKA_RATE_PER_S is for each of them. 0 limits nobody.
    """

    def __init__(self, per_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.per_s = per_s
        self._burst = max(1.0, per_s)
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # sender -> tokens, and when there were so many

    def wait_s(self, sender: str) -> float:
        """Take a token for this sender and return 0, or return the seconds until there is one."""
        if not self.per_s:
            return 0.0
        now = self._clock()
        tokens, at = self._buckets.get(sender, (self._burst, now))
        tokens = min(self._burst, tokens + (now - at) * self.per_s)
        waiting = max(0.0, (1.0 - tokens) / self.per_s)
        self._buckets[sender] = (tokens if waiting else tokens - 1.0, now)
        self._buckets.move_to_end(sender)
        if len(self._buckets) > MAX_BUCKETS:
            self._buckets.popitem(last=False)  # the one that has been quiet longest, whose bucket is the fullest
        return waiting

    def __len__(self) -> int:
        return len(self._buckets)
