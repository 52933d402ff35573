"""Greedy batching, against a network that runs only when the test lets it."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from service.errors import Draining, Overloaded
from service.inference.batcher import Batched, GreedyBatcher
from tests.service.running import until

pytestmark = pytest.mark.anyio


class GatedNetwork:
    """Doubles each number, once its gate is open. `bad` numbers raise, and so does every batch they are in."""

    def __init__(self, bad: set[int] | None = None) -> None:
        self.batches: list[list[int]] = []
        self.gate = threading.Event()
        self._bad = bad or set()

    def __call__(self, items: Sequence[int]) -> list[int]:
        self.batches.append(list(items))
        assert self.gate.wait(20)
        if self._bad.intersection(items):
            raise ValueError(f"bad: {sorted(self._bad.intersection(items))}")
        return [2 * item for item in items]

    async def is_running(self, batches: int = 1) -> None:
        await until(lambda: len(self.batches) >= batches)


@asynccontextmanager
async def batching(network: GatedNetwork, *args: object, **kwargs: object) -> AsyncIterator[GreedyBatcher[int, int]]:
    options = {"max_batch": 8, "max_queue": 100, **kwargs}
    batcher = GreedyBatcher[int, int](network, **options)  # type: ignore[arg-type]
    try:
        yield batcher
    finally:
        network.gate.set()
        await batcher.close()


async def submit_all(batcher: GreedyBatcher[int, int], items: Sequence[int]) -> list[asyncio.Task[Batched[int]]]:
    """Submit them in this order; they wait in the queue when this returns."""
    tasks = [asyncio.create_task(batcher.submit(item)) for item in items]
    await asyncio.sleep(0)
    return tasks


async def test_a_single_item_does_not_wait_for_others() -> None:
    network = GatedNetwork()
    network.gate.set()
    async with batching(network) as batcher:
        result = await batcher.submit(21)
    assert (result.result, result.batch_size) == (42, 1)
    assert result.queue_ms >= 0
    assert result.run_ms >= 0


async def test_a_batch_forms_while_the_last_one_runs() -> None:
    network = GatedNetwork()
    async with batching(network) as batcher:
        first = await submit_all(batcher, [0])
        await network.is_running()
        rest = await submit_all(batcher, [1, 2, 3, 4, 5])
        network.gate.set()
        results = await asyncio.gather(*first, *rest)
    assert network.batches == [[0], [1, 2, 3, 4, 5]]
    assert [r.result for r in results] == [0, 2, 4, 6, 8, 10]
    assert [r.batch_size for r in results] == [1, 5, 5, 5, 5, 5]


async def test_no_batch_is_larger_than_allowed_and_the_order_is_kept() -> None:
    network = GatedNetwork()
    async with batching(network, max_batch=3) as batcher:
        first = await submit_all(batcher, [0])
        await network.is_running()
        rest = await submit_all(batcher, range(1, 8))
        network.gate.set()
        await asyncio.gather(*first, *rest)
    assert network.batches == [[0], [1, 2, 3], [4, 5, 6], [7]]


async def test_a_full_queue_refuses_at_once_and_says_how_many_wait() -> None:
    network = GatedNetwork()
    async with batching(network, max_queue=2) as batcher:
        first = await submit_all(batcher, [0])
        await network.is_running()
        waiting = await submit_all(batcher, [1, 2])
        with pytest.raises(Overloaded) as refusal:
            await batcher.submit(3)
        assert refusal.value.facts == {"waiting": 2}
        network.gate.set()
        assert [r.result for r in await asyncio.gather(*first, *waiting)] == [0, 2, 4]
        assert (await batcher.submit(4)).result == 8


async def test_abandoned_items_do_not_keep_fresh_ones_out_of_the_queue() -> None:
    network = GatedNetwork()
    async with batching(network, max_queue=2) as batcher:
        first = await submit_all(batcher, [0])
        await network.is_running()
        abandoned = await submit_all(batcher, [1, 2])
        for task in abandoned:
            task.cancel()
        await asyncio.wait(abandoned)
        fresh = await submit_all(batcher, [3, 4])
        network.gate.set()
        await asyncio.gather(*first, *fresh)
    assert network.batches == [[0], [3, 4]]


async def test_expired_items_are_dropped_before_the_batch() -> None:
    network = GatedNetwork()
    async with batching(network) as batcher:
        first = await submit_all(batcher, [0])
        await network.is_running()
        now = time.perf_counter()
        late = asyncio.create_task(batcher.submit(1, expires=now - 1e-6))
        in_time = asyncio.create_task(batcher.submit(2, expires=now + 60))
        await asyncio.sleep(0)
        network.gate.set()
        with pytest.raises(TimeoutError):
            await late
        assert (await in_time).result == 4
        await asyncio.gather(*first)
    assert network.batches == [[0], [2]]


async def test_a_client_that_goes_away_takes_nobody_with_it() -> None:
    network = GatedNetwork()
    async with batching(network) as batcher:
        running = await submit_all(batcher, [0])
        await network.is_running()
        waiting = await submit_all(batcher, [1, 2, 3])
        running[0].cancel()  # already in the network
        waiting[1].cancel()  # still in the queue
        await asyncio.wait([running[0], waiting[1]])
        network.gate.set()
        assert (await waiting[0]).result == 2
        assert (await waiting[2]).result == 6
    assert network.batches == [[0], [1, 3]]


async def test_an_item_that_fails_does_so_alone() -> None:
    network = GatedNetwork(bad={2})
    async with batching(network) as batcher:
        first = await submit_all(batcher, [0])
        await network.is_running()
        rest = await submit_all(batcher, [1, 2, 3])
        network.gate.set()
        results = await asyncio.gather(*first, *rest, return_exceptions=True)
        assert [r.result for r in results if isinstance(r, Batched)] == [0, 2, 6]
        assert [str(r) for r in results if isinstance(r, Exception)] == ["bad: [2]"]
        assert (await batcher.submit(5)).result == 10


async def test_results_that_do_not_fit_their_items_are_an_error_and_not_the_end() -> None:
    answers = iter([[1, 2], [7]])
    batcher = GreedyBatcher[int, int](lambda items: next(answers), 8, 8)
    with pytest.raises(RuntimeError, match="1 items went in, 2 results came out"):
        await batcher.submit(1)
    assert (await batcher.submit(1)).result == 7
    await batcher.close()


async def test_closing_finishes_what_was_accepted_and_refuses_what_comes() -> None:
    network = GatedNetwork()
    async with batching(network, max_batch=2) as batcher:
        accepted = await submit_all(batcher, [0, 1, 2, 3, 4])
        await network.is_running()
        closing = asyncio.create_task(batcher.close())
        await asyncio.sleep(0)
        with pytest.raises(Draining):
            await batcher.submit(9)
        assert not closing.done()
        network.gate.set()
        assert [r.result for r in await asyncio.gather(*accepted)] == [0, 2, 4, 6, 8]
        await closing
        await batcher.close()  # twice is once


async def test_closing_an_idle_batcher_ends_its_worker() -> None:
    network = GatedNetwork()
    async with batching(network):
        pass
    assert network.batches == []


async def test_a_delay_waits_for_a_fuller_batch() -> None:
    network = GatedNetwork()
    network.gate.set()
    async with batching(network, max_queue_delay_ms=60) as batcher:
        first = await submit_all(batcher, [0])
        await asyncio.sleep(0.005)  # long after a batcher without delay would have begun
        await asyncio.gather(*first, *await submit_all(batcher, [1, 2]))
    assert network.batches == [[0, 1, 2]]


async def test_a_full_batch_does_not_wait_for_the_delay() -> None:
    network = GatedNetwork()
    network.gate.set()
    async with batching(network, max_batch=3, max_queue_delay_ms=60_000) as batcher:
        first = await submit_all(batcher, [0])
        await asyncio.sleep(0.005)
        async with asyncio.timeout(20):
            await asyncio.gather(*first, *await submit_all(batcher, [1, 2]))
    assert network.batches == [[0, 1, 2]]


async def test_closing_does_not_wait_for_the_delay() -> None:
    network = GatedNetwork()
    network.gate.set()
    async with batching(network, max_queue_delay_ms=60_000) as batcher:
        waiting = await submit_all(batcher, [1])
        async with asyncio.timeout(20):
            await batcher.close()
            assert (await waiting[0]).result == 2


async def test_whoever_watches_hears_the_depth_and_the_size_of_batches() -> None:
    heard: list[tuple[int, int]] = []
    network = GatedNetwork()
    async with batching(network, max_batch=2, watch=lambda depth, size: heard.append((depth, size))) as batcher:
        first = await submit_all(batcher, [0])
        await network.is_running()
        rest = await submit_all(batcher, [1, 2, 3])
        network.gate.set()
        await asyncio.gather(*first, *rest)
    assert heard[:7] == [(1, 0), (0, 1), (1, 0), (2, 0), (3, 0), (1, 2), (0, 1)]


async def test_the_depth_is_heard_when_nothing_of_the_queue_is_wanted_any_more() -> None:
    heard: list[tuple[int, int]] = []
    network = GatedNetwork()
    async with batching(network, watch=lambda depth, size: heard.append((depth, size))) as batcher:
        first = await submit_all(batcher, [0])
        await network.is_running()
        gone = await submit_all(batcher, [1])
        gone[0].cancel()
        network.gate.set()
        await asyncio.gather(*first)
        await until(lambda: heard[-1] == (0, 0))
