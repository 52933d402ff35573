"""The event loop's side of the records: gradings handed over in batches, and what is known of earlier posts."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final

from service.errors import RecordsUnavailable
from service.grading import Grading
from service.idempotency import Answered, Once
from service.inference.batcher import Batched, GreedyBatcher
from service.metrics import STAGE_SECONDS
from service.records.entry import Entry
from service.records.repository import Records
from service.settings import Settings

log = logging.getLogger(__name__)

RECORD_BATCH: Final = 128


class Recording:
    """Keeps gradings. Build it on a running event loop; `close` finishes what was handed over."""

    def __init__(self, records: Records, settings: Settings) -> None:
        queue = 4 * settings.max_queue
        # One commit for everything that was graded while the last commit was written.
        self._batcher = GreedyBatcher[Entry, Grading](records.add, RECORD_BATCH, queue, isolate=_is_its_own)
        self._once = Once(records.recorder.find, queue)
        self._answers_first = settings.durability == "async"
        self._unwritten, self._most_unwritten = 0, settings.max_queue
        self._failing = False
        self._took = STAGE_SECONDS.labels("record")
        self.slowest_ms = 5.0
        """What a commit has taken lately, at its slowest."""

    async def once(self, key: str, body_sha256: str, grade: Callable[[], Awaitable[Answered]]) -> Answered:
        """See service.idempotency.Once."""
        return await self._once.grade(key, body_sha256, grade)

    async def keep(self, entry: Entry) -> Grading:
        """Put a grading on record; return the one that counts, which is another where its idempotency key was known already.

        With SENKA_DURABILITY=async it returns before, unless the grading has an idempotency key, too many others are unwritten,
        or the last ones could not be written. Raises Overloaded, Draining, RecordsUnavailable.
        """
        began = time.perf_counter()
        written = self._batcher.enqueue(entry)
        if self._answers_first and self._may_answer(entry):
            self._unwritten += 1
            written.add_done_callback(self._note)
            return entry.grading
        # Shielded: a camera that hangs up must not undo a grading that others are committed with.
        batched = await asyncio.shield(written)
        self._failing = False
        took = time.perf_counter() - began
        self.slowest_ms = max(took * 1e3, 0.95 * self.slowest_ms)
        self._took.observe(took)
        return batched.result

    async def close(self) -> None:
        await self._once.close()
        await self._batcher.close()

    def _may_answer(self, entry: Entry) -> bool:
        return entry.grading.idempotency_key is None and self._unwritten < self._most_unwritten and not self._failing

    def _note(self, written: asyncio.Future[Batched[Grading]]) -> None:
        self._unwritten -= 1
        error = written.exception()
        if error is None:
            self._failing = False
        elif not self._failing:
            # from here on everybody waits, and hears of it, until one is written again
            self._failing = True
            log.error("gradings that were answered could not be put on record: %s", error)


def _is_its_own(error: Exception) -> bool:
    """Whether an entry failed for a reason of its own. A database that is away fails them all: trying each would take ages."""
    return not isinstance(error, RecordsUnavailable)
