"""The challenger in the shadow of a service that runs: never answered with, never waited for."""

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from models.repository import ModelRepository
from service.inference import shadow as module
from service.inference.shadow import WAITING, Seen, Shadow
from service.pipeline import Order
from tests.service.inference.challengers import challenge, counted
from tests.service.pictures import picture
from tests.service.running import Running, until

pytestmark = pytest.mark.anyio

Service = Callable[..., AbstractAsyncContextManager[Running]]
Challenged = Callable[[], AbstractAsyncContextManager[Running]]


@pytest.fixture
def challenged(service: Service, champion: ModelRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Challenged:
    """A service whose challenger is loaded."""
    monkeypatch.setattr(module, "POLL_S", 0.01)

    @asynccontextmanager
    async def run() -> AsyncIterator[Running]:
        challenge(champion, tmp_path)
        async with service() as running:
            await until(lambda: live(running).challenger is not None)
            yield running

    return run


def live(running: Running) -> Shadow:
    found = running.context.pipeline.shadow
    assert found is not None
    return found


async def test_live_photographs_are_graded_in_the_shadow_and_the_answer_is_the_champions(
    service: Service, champion: ModelRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "POLL_S", 0.01)
    async with service() as running:
        alone = await running.context.pipeline.grade(picture(1))
        challenge(champion, tmp_path)
        await until(lambda: live(running).challenger is not None)
        before = counted("agree") + counted("disagree")
        for n in range(5):
            made = await running.context.pipeline.grade(picture(n))
            assert made.model.version == 1
            if n == 1:
                assert made.probabilities == alone.probabilities
            await until(lambda n=n: counted("agree") + counted("disagree") == before + n + 1)  # type: ignore[misc]
        live(running).close()
        report = (await running.client.get("/v1/models/shadow")).json()
        assert (report["champion"], report["challenger"], report["seen"]) == (1, 2, 5)


async def test_dry_runs_and_repeated_posts_are_not_graded_in_the_shadow(
    challenged: Challenged,
) -> None:
    async with challenged() as running:
        offered: list[str] = []
        running.context.pipeline.shadow = _Noting(live(running), offered)  # type: ignore[assignment]
        grade = running.context.pipeline.grade
        await grade(picture(1), Order(dry_run=True))
        assert offered == []
        first = await grade(picture(2), Order(idempotency_key="a"))
        again = await grade(picture(2), Order(idempotency_key="a"))
        assert first.id == again.id
        assert offered == [first.id]
        late = await grade(picture(3), Order(deadline_ms=1e-6))
        assert late.grade is None
        assert offered == [first.id], "what the champion did not see is compared with nothing"


class _Noting:
    """Stands before the shadow and notes what is offered."""

    def __init__(self, behind: Shadow, offered: list[str]) -> None:
        self._behind, self._offered = behind, offered

    def offer(self, one: Seen, waiting_for_champion: int) -> None:
        self._offered.append(one.grading.id)
        self._behind.offer(one, waiting_for_champion)

    def close(self) -> None:
        self._behind.close()


async def test_a_challenger_that_is_slow_delays_no_answer(
    challenged: Challenged,
) -> None:
    async with challenged() as running:
        gate, began = threading.Event(), threading.Event()
        model: Any = live(running)._model
        run = model.probabilities

        def held(inputs: Any) -> Any:
            began.set()
            assert gate.wait(20)
            return run(inputs)

        model.probabilities = held
        before = counted("dropped")
        try:
            for n in range(WAITING + 4):  # one in its hands, as many as may wait, and some that are dropped
                await running.context.pipeline.grade(picture(n))
                await until(began.is_set)
        finally:
            gate.set()
        assert counted("dropped") - before == 3


@pytest.mark.usefixtures("champion")
async def test_without_records_there_is_no_shadow(service: Service) -> None:
    async with service(records="off") as running:
        assert running.context.pipeline.shadow is None
        answer = await running.client.get("/v1/models/shadow")
        assert (answer.status_code, answer.json()["code"]) == (409, "records_off")
