"""Exactly once: a photograph that is posted again under its `Idempotency-Key` is answered with its first grading.

Four places know of a key, from the nearest to the farthest: posts being graded in this process, its latest answers, its journal
while the database is away, and the database, which alone decides between two workers that grade the same post at once.
"""

import asyncio
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final

from service.errors import IdempotencyConflict, InvalidIdempotencyKey
from service.explanation import NONE
from service.grading import Grading
from service.inference.batcher import GreedyBatcher

LOOKUPS_AT_ONCE: Final = 128
REMEMBERED: Final = 4096
"""Answers that this process knows without asking, also while the database is away."""
_KEY: Final = re.compile(r"[\x21-\x7e]{1,200}")
REPLAYED: Final = {
    **NONE,
    "detail": "This is the first answer again, and maps are not kept: POST /v1/explain with the grading_id draws them.",
}


@dataclass(frozen=True, slots=True)
class Answered:
    """A grading, and whether an earlier post of the same photograph had it first."""

    grading: Grading
    replayed: bool = False


def read_key(values: Sequence[str]) -> str | None:
    """The key in the `Idempotency-Key` headers of a request; None where there is none. Raises InvalidIdempotencyKey."""
    if not values:
        return None
    if len(values) > 1 or not _KEY.fullmatch(values[0]):
        raise InvalidIdempotencyKey
    return values[0]


def scoped(key: str, key_id: str | None) -> str:
    """A client's key as it is kept: cameras with credentials of their own may use the same keys."""
    return f"{key_id or ''}:{key}"


def body_hash(data: bytes) -> str:
    """What tells one photograph from another, in hexadecimal."""
    return sha256(data).hexdigest()


class Once:
    """Grades each keyed photograph once. Build it on a running event loop; it is not thread-safe.

    `find(keys)` gives the gradings on record, one for each key or None; it blocks, and runs in a thread.
    """

    def __init__(self, find: Callable[[Sequence[str]], Sequence[Grading | None]], max_queue: int) -> None:
        self._lookups = GreedyBatcher[str, Grading | None](find, LOOKUPS_AT_ONCE, max_queue)
        self._grading: dict[str, tuple[str, asyncio.Future[Grading]]] = {}
        self._latest: OrderedDict[str, Grading] = OrderedDict()

    async def grade(self, key: str, body_sha256: str, grade: Callable[[], Awaitable[Answered]]) -> Answered:
        """The first grading under the scoped key, or that of `grade`, which puts it on record and says whose counts there.

        Raises IdempotencyConflict where the key came with another photograph, Overloaded, RecordsUnavailable, or what `grade`
        raises. When it fails or its client hangs up, the next post under the key begins anew.
        """
        while (ahead := self._grading.get(key)) is not None:
            if ahead[0] != body_sha256:
                raise _conflict(key)
            await asyncio.wait([ahead[1]])
            if not ahead[1].cancelled():
                return self._replay(key, ahead[1].result(), body_sha256)
        first = self._latest.get(key)
        if first is not None:
            self._latest.move_to_end(key)
            return self._replay(key, first, body_sha256)
        done: asyncio.Future[Grading] = asyncio.get_running_loop().create_future()
        self._grading[key] = (body_sha256, done)
        try:
            found = (await self._lookups.submit(key)).result
            if found is not None:
                return self._replay(key, found, body_sha256)
            answered = await grade()
            if answered.replayed:  # another worker was quicker
                return self._replay(key, answered.grading, body_sha256)
            self._remember(key, answered.grading)
            done.set_result(answered.grading)
            return answered
        finally:
            del self._grading[key]
            done.cancel()  # whoever waits and was given nothing tries by itself

    async def close(self) -> None:
        await self._lookups.close()

    def _replay(self, key: str, first: Grading, body_sha256: str) -> Answered:
        if first.body_sha256 != body_sha256:
            raise _conflict(key)
        self._remember(key, first)
        return Answered(first, replayed=True)

    def _remember(self, key: str, grading: Grading) -> None:
        self._latest[key] = replace(grading, explanation=None) if grading.explanation else grading
        self._latest.move_to_end(key)
        if len(self._latest) > REMEMBERED:
            self._latest.popitem(last=False)


def _conflict(key: str) -> IdempotencyConflict:
    return IdempotencyConflict(key.partition(":")[2])
