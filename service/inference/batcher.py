"""Greedy batching: whatever came in while the last batch ran is the next batch.

No timer by default, so that a single photograph never waits; under load the batches grow by themselves. The same machine
shares runs of the network and commits of the records. Expired and abandoned work is dropped before a batch, and an item
that fails does so alone.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from service.errors import Draining, Overloaded

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Batched(Generic[Result]):
    """One item's result and what its batch cost."""

    result: Result
    queue_ms: float
    run_ms: float
    batch_size: int


@dataclass(slots=True, eq=False)
class _Waiting(Generic[Item, Result]):
    item: Item
    future: asyncio.Future[Batched[Result]]
    submitted: float
    expires: float | None


class GreedyBatcher(Generic[Item, Result]):
    """Runs `run(items) -> results` (same length and order) in one thread of its own, one batch at a time.

    When a batch fails, its items are run one by one, unless `isolate(error)` says that the failure is no single item's.
    `watch(depth, size)` hears the queue's depth on each submit (size 0) and the size of each batch.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Item]], Sequence[Result]],
        max_batch: int,
        max_queue: int,
        max_queue_delay_ms: float = 0.0,
        watch: Callable[[int, int], None] = lambda depth, size: None,
        isolate: Callable[[Exception], bool] = lambda error: True,
    ) -> None:
        self._run, self._watch, self._isolate = run, watch, isolate
        self._max_batch, self._max_queue = max_batch, max_queue
        self._delay_s = max_queue_delay_ms / 1e3
        self._queue: deque[_Waiting[Item, Result]] = deque()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="batch")
        self._arrived = asyncio.Event()
        self._closing = False
        self._worker = asyncio.create_task(self._work())

    @property
    def depth(self) -> int:
        """How many wait for a batch."""
        return len(self._queue)

    async def submit(self, item: Item, expires: float | None = None) -> Batched[Result]:
        """Wait for the item's turn. `expires` is a `time.perf_counter` value after which nobody wants the result.

        Raises Overloaded when the queue is full, Draining when the batcher is closing, or what `run` raised for this item.
        """
        return await self.enqueue(item, expires)

    def enqueue(self, item: Item, expires: float | None = None) -> asyncio.Future[Batched[Result]]:
        """The same without waiting: the future has the result. Cancelling it before its batch begins drops the item."""
        if self._closing:
            raise Draining
        if len(self._queue) >= self._max_queue:
            self._forget_abandoned()
        if len(self._queue) >= self._max_queue:
            raise Overloaded(len(self._queue))
        waiting = _Waiting[Item, Result](item, asyncio.get_running_loop().create_future(), time.perf_counter(), expires)
        self._queue.append(waiting)
        self._watch(len(self._queue), 0)
        self._arrived.set()
        return waiting.future

    async def close(self) -> None:
        """Refuse new items, finish those accepted, then stop."""
        self._closing = True
        self._arrived.set()
        await self._worker
        self._thread.shutdown()

    async def _work(self) -> None:
        while self._queue or not self._closing:
            if not self._queue:
                self._arrived.clear()
                await self._arrived.wait()
            if self._delay_s:
                await self._linger()
            batch = self._take()
            if batch:
                await self._run_batch(batch)
            else:
                self._watch(len(self._queue), 0)

    async def _linger(self) -> None:
        """Wait for a fuller batch: until it is full, or for the delay."""
        try:
            async with asyncio.timeout(self._delay_s):
                while len(self._queue) < self._max_batch and not self._closing:
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            return

    def _forget_abandoned(self) -> None:
        """Those whose client went away or whose deadline passed must not keep a fresh photograph out."""
        self._queue = deque(waiting for waiting in self._queue if not waiting.future.done())

    def _take(self) -> list[_Waiting[Item, Result]]:
        batch: list[_Waiting[Item, Result]] = []
        now = time.perf_counter()
        while self._queue and len(batch) < self._max_batch:
            waiting = self._queue.popleft()
            if waiting.future.done():  # its client went away, or its deadline passed
                continue
            if waiting.expires is not None and waiting.expires <= now:
                waiting.future.set_exception(TimeoutError())
                continue
            batch.append(waiting)
        return batch

    async def _run_batch(self, batch: list[_Waiting[Item, Result]]) -> None:
        loop = asyncio.get_running_loop()
        started = time.perf_counter()
        try:
            self._watch(len(self._queue), len(batch))
            results = await loop.run_in_executor(self._thread, self._run, [w.item for w in batch])
            if len(results) != len(batch):
                raise RuntimeError(f"{len(batch)} items went in, {len(results)} results came out")
        except Exception as error:  # whatever one item raised must reach its own caller and no other
            if len(batch) == 1 or not self._isolate(error):
                for waiting in batch:
                    if not waiting.future.done():
                        waiting.future.set_exception(error)
                return
            for waiting in batch:
                if not waiting.future.done():
                    await self._run_batch([waiting])
            return
        run_ms = (time.perf_counter() - started) * 1e3
        for waiting, result in zip(batch, results, strict=True):
            if not waiting.future.done():
                waiting.future.set_result(Batched(result, (started - waiting.submitted) * 1e3, run_ms, len(batch)))
