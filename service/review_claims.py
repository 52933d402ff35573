"""The next fruit for each of several people: an ordered queue, kept for some seconds, of which everybody claims a few.

Building a queue reads ten thousand gradings and looks at photographs. Whoever taps a grade must not wait for that, so a queue
serves all who ask for the same one until a newer one is there, which is made behind their back.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

from models.errors import SenkaError
from service.errors import TimeZoneMissing
from service.grading import rfc3339
from service.looks import WITHIN_S
from service.records.farm import farm_of
from service.records.repository import Records
from service.records.review import CANDIDATES, whole
from service.records.review_claims import Claimed, Reviewer, claim, corrected_since, release
from service.records.transactions import reading
from service.review import Asked, Order, Review, Reviewed

log = logging.getLogger(__name__)

FRESH_S: Final = 2.0
"""A queue younger than this is not made again."""
STALE_S: Final = 10.0
"""One older than this is shown to nobody: they wait for the next."""
FIRST_WITHIN_S: Final = 0.3
"""Somebody waits for the first queue: photographs are embedded for no longer than that, and the rest for the next."""
PLACES: Final = 2 * CANDIDATES
"""Of a queue: the informative ones and the sample. One that was full has others behind it that it does not know."""
FEW: Final = 60
"""When fewer wait in a queue that was full, the next is made at once."""
MAKING: Final = 2
"""Queues made at once: each reads ten thousand gradings."""
QUEUES: Final = 16
"""Queues kept, of other lines, lots and reasons."""


@dataclass(frozen=True, slots=True)
class _Kept:
    order: Order
    made_s: float
    """By the steady clock."""


class Claims:
    """Claims of one worker. For the event loop: what blocks runs in threads."""

    def __init__(
        self,
        records: Records,
        review: Review,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._records, self._review, self._now, self._steady = records, review, now, steady
        self._queues: OrderedDict[Asked, _Kept] = OrderedDict()
        self._making: dict[Asked, asyncio.Task[Order]] = {}
        self._few = asyncio.Semaphore(MAKING)

    async def claim(self, asked: Asked, who: Reviewer, limit: int, back: Sequence[str] = ()) -> dict[str, Any]:
        """The answer of `POST /v1/review/claims`. Raises RecordsUnavailable."""
        order = await self._order(asked)
        claimed = await self._claim(order, asked, who, limit, back)
        if claimed.waiting < FEW and len(order.candidates) >= CANDIDATES:
            task = self._start(asked, FIRST_WITHIN_S)
            if len(claimed.candidates) < limit:  # people took them faster than the next queue was made
                claimed = await self._claim(await asyncio.shield(task), asked, who, limit, back)
        return await asyncio.to_thread(self._answer, claimed)

    async def release(self, reviewer: str) -> None:
        """Raises RecordsUnavailable."""
        await asyncio.to_thread(release, self._records.engine, reviewer)

    async def close(self) -> None:
        """Stop what is in the making."""
        making = list(self._making.values())
        for task in making:
            task.cancel()
        await asyncio.gather(*making, return_exceptions=True)

    async def _order(self, asked: Asked) -> Order:
        kept = self._queues.get(asked)
        age_s = self._steady() - kept.made_s if kept else STALE_S
        if kept and age_s < FRESH_S:
            return kept.order
        task = self._start(asked, FIRST_WITHIN_S if age_s >= STALE_S else WITHIN_S)
        # shielded: others may wait for it too
        return kept.order if kept and age_s < STALE_S else await asyncio.shield(task)

    def _start(self, asked: Asked, within_s: float) -> asyncio.Task[Order]:
        """Make the next queue, unless it is in the making."""
        task = self._making.get(asked)
        if task is None:
            task = self._making[asked] = asyncio.create_task(self._make(asked, within_s))
            task.add_done_callback(lambda done: self._made(asked, done))
        return task

    async def _make(self, asked: Asked, within_s: float) -> Order:
        async with self._few:
            began_s = self._steady()  # what is corrected from now on may still stand in it
            order = await self._review.order(asked.filters(self._now()), PLACES, asked.why, within_s)
        self._queues[asked] = _Kept(order, began_s)
        self._queues.move_to_end(asked)
        while len(self._queues) > QUEUES:
            self._queues.popitem(last=False)
        return order

    def _made(self, asked: Asked, task: asyncio.Task[Order]) -> None:
        self._making.pop(asked, None)
        if task.cancelled():
            return
        error = task.exception()
        if isinstance(error, SenkaError):
            log.warning("the queue of what to label next stays as it was for now: %s", error)
        elif error is not None:
            log.error("the queue of what to label next stays as it was", exc_info=error)

    async def _claim(self, order: Order, asked: Asked, who: Reviewer, limit: int, back: Sequence[str]) -> Claimed:
        now = self._now()
        queue = [one.id for one in order.candidates]
        return await asyncio.to_thread(claim, self._records.engine, who, queue, limit, asked.filters(now), asked.why, now, back)

    def _answer(self, claimed: Claimed) -> dict[str, Any]:
        return {
            "gradings": self._shown(claimed),
            "waiting": claimed.waiting,
            "done_today": corrected_since(self._records.engine, self._midnight()),
            "held_until": rfc3339(claimed.until),
        }

    def _midnight(self) -> datetime:
        with reading(self._records.engine) as connection:
            farm = farm_of(connection)
        try:
            zone: tzinfo | None = farm.zone
        except TimeZoneMissing:
            zone = None
        return midnight(self._now(), zone)

    def _shown(self, claimed: Claimed) -> list[dict[str, Any]]:
        gradings = whole(self._records, [one.seq for one in claimed.candidates])
        return [Reviewed(one, gradings[one.seq]).to_json() for one in claimed.candidates if one.seq in gradings]


def midnight(now: datetime, zone: tzinfo | None = None) -> datetime:
    """When the day of `now` began in a time zone, by default this machine's; in UTC."""
    local = now.astimezone(zone)
    return datetime(local.year, local.month, local.day, tzinfo=zone).astimezone(UTC)
