"""A promoted model that sends too much to the manual lane is rolled back by itself: once, on record, and not without reason."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from models.repository import ModelRepository
from service.monitor import rollback as module
from service.monitor.rollback import FIRST, MODEL_ROLLED_BACK, RollbackWatch
from service.pipeline import Order
from tests.service.models import make_model
from tests.service.pictures import picture
from tests.service.running import Running

pytestmark = pytest.mark.anyio

Service = Callable[..., AbstractAsyncContextManager[Running]]
UNSURE = 50.0
"""A temperature that leaves a model unsure of everything; 0.05 makes it sure."""


@pytest.fixture
def promote(repository: ModelRepository, tmp_path: Path) -> Callable[[int, float], int]:
    def one(seed: int, temperature: float) -> int:
        path = make_model(tmp_path / f"{seed}.onnx", seed=seed, temperature=temperature)
        return repository.publish(path, promote=True).number

    return one


Promote = Callable[[int, float], int]


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST", 10)


async def grade(running: Running, count: int) -> None:
    for number in range(count):
        await running.context.pipeline.grade(picture(number))
    watch = running.context.rollback_watch
    if watch is not None:
        await watch.close()


async def open_alarms(running: Running) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await running.client.get("/v1/alarms?open=true")).json()["alarms"]
    return [one for one in found if one["name"] == MODEL_ROLLED_BACK]


async def trail(running: Running) -> list[tuple[str, str, Any, Any]]:
    lines = (await running.client.get("/v1/audit?action=model.")).json()["audit"]
    return [(one["actor"], one["action"], one["detail"]["from"], one["detail"]["to"]) for one in reversed(lines)]


async def test_too_much_for_the_manual_lane_rolls_back_raises_the_alarm_and_is_on_the_trail(
    service: Service, repository: ModelRepository, promote: Promote
) -> None:
    assert FIRST == 200
    promote(1, 0.05)
    async with service(rollback_manual_share=0.3) as running:
        champion = running.context.champion
        await grade(running, 3)
        promote(2, UNSURE)
        await champion.refresh()
        await grade(running, 3)
        assert champion.current.ref.version == 2, "three of ten are not more than the share yet"
        await grade(running, 1)
        assert champion.current.ref.version == 1
        assert repository.aliases().champion == 1
        assert await trail(running) == [("senka", "model.rolled_back", 2, 1)]
        alarm = (await open_alarms(running))[0]
        assert alarm["severity"] == "critical"
        assert alarm["detail"].startswith("Version 2 sent 4 of its first photographs to the manual lane, more than 30% of 10")

        promote(3, 0.05)
        await champion.refresh()
        await grade(running, 12)
        assert champion.current.ref.version == 3
        assert await open_alarms(running) == [], "the next promotion ends it"


async def test_a_model_that_was_rolled_back_is_watched_again_when_it_is_promoted_once_more(
    service: Service, repository: ModelRepository, promote: Promote
) -> None:
    promote(1, 0.05)
    async with service(rollback_manual_share=0.3) as running:
        promote(2, UNSURE)
        for _ in range(2):
            repository.promote(2)
            await running.context.champion.refresh()
            await grade(running, 4)
            assert running.context.champion.current.ref.version == 1
        assert await trail(running) == [("senka", "model.rolled_back", 2, 1)] * 2


async def test_a_model_that_is_sure_stays_and_after_its_first_fruits_nobody_watches(
    service: Service, repository: ModelRepository, promote: Promote
) -> None:
    promote(1, UNSURE)
    async with service(rollback_manual_share=0.3) as running:
        await grade(running, 12)  # at the start nothing was promoted
        number = promote(2, 0.05)
        await running.context.champion.refresh()
        await grade(running, 10)
        watch = running.context.rollback_watch
        assert watch is not None
        manual = watch._manual.found
        assert manual <= 3
        manual_lane = replace(await running.context.pipeline.grade(picture(1)), lane="manual")
        for _ in range(12):
            watch.note(manual_lane)
        assert (watch._manual.found, running.context.champion.current.ref.version) == (manual, number)
        assert await trail(running) == []


async def test_whoever_comes_back_is_not_watched(service: Service, repository: ModelRepository, promote: Promote) -> None:
    promote(1, UNSURE)
    async with service(rollback_manual_share=0.3) as running:
        promote(2, UNSURE)
        await running.context.champion.refresh()
        await grade(running, 2)
        repository.promote(1)
        await running.context.champion.refresh()
        await grade(running, 12)
        assert running.context.champion.current.ref.version == 1
        assert await trail(running) == []


async def test_of_several_workers_one_rolls_back(service: Service, repository: ModelRepository, promote: Promote) -> None:
    promote(1, 0.05)
    async with service(rollback_manual_share=0.3) as running:
        context = running.context
        shadow = context.pipeline.shadow
        assert context.records is not None
        assert shadow is not None
        watches = [RollbackWatch(0.3, 0.0, context.champion, shadow, context.records.engine, context.alarms) for _ in range(3)]
        promote(2, UNSURE)
        await context.champion.refresh()
        made = [await context.pipeline.grade(picture(number), Order(dry_run=True)) for number in range(4)]
        for watch in watches:
            for one in made:
                watch.note(one)
        await asyncio.gather(*(watch.close() for watch in watches))
        assert context.champion.current.ref.version == 1
        assert repository.aliases().history == []
        assert await trail(running) == [("senka", "model.rolled_back", 2, 1)]


async def test_what_cannot_be_rolled_back_is_in_the_log_and_grades_on(
    service: Service, repository: ModelRepository, promote: Promote, caplog: pytest.LogCaptureFixture
) -> None:
    promote(1, 0.05)
    async with service(rollback_manual_share=0.3) as running:
        promote(2, UNSURE)
        await running.context.champion.refresh()
        path = repository.get(1).path
        path.write_bytes(path.read_bytes()[:-10])
        await grade(running, 5)
        assert running.context.champion.current.ref.version == 2
        assert await open_alarms(running) == []
    assert caplog.text.count("could not be rolled back") == 1


async def test_without_the_setting_nothing_is_rolled_back(service: Service, promote: Promote) -> None:
    promote(1, 0.05)
    async with service() as running:
        assert running.context.rollback_watch is None
        promote(2, UNSURE)
        await running.context.champion.refresh()
        await grade(running, 20)
        assert running.context.champion.current.ref.version == 2


async def compared(running: Running, done: Callable[[], bool]) -> None:
    """Grade until the shadow, which takes its time, has seen enough."""
    end = asyncio.get_running_loop().time() + 20
    number = 0
    while not done():
        assert asyncio.get_running_loop().time() < end, "the shadow did not see enough"
        await running.context.pipeline.grade(picture(number))
        number += 1
        await asyncio.sleep(0.02)


async def test_one_that_contradicts_the_version_before_too_often_is_rolled_back(
    service: Service, repository: ModelRepository, promote: Promote
) -> None:
    promote(1, 0.05)
    async with service(rollback_disagreement=0.3) as running:
        champion = running.context.champion
        promote(2, 0.05)
        await champion.refresh()
        await compared(running, lambda: repository.aliases().champion == 1)
        watch, shadow = running.context.rollback_watch, running.context.pipeline.shadow
        assert watch is not None
        assert shadow is not None
        await watch.close()
        assert champion.current.ref.version == 1
        assert await trail(running) == [("senka", "model.rolled_back", 2, 1)]
        detail = (await open_alarms(running))[0]["detail"]
        assert detail.startswith("Version 2 contradicted the version before on 4 of the first photographs that both graded")
        assert shadow.former is None


async def test_one_that_says_the_same_as_before_stays_and_is_no_longer_compared(
    service: Service, repository: ModelRepository, promote: Promote, tmp_path: Path
) -> None:
    promote(1, 0.05)
    async with service(rollback_disagreement=0.3) as running:
        champion, shadow = running.context.champion, running.context.pipeline.shadow
        assert shadow is not None
        path = make_model(tmp_path / "same.onnx", seed=1, temperature=0.06)
        assert repository.publish(path, promote=True).number == 2
        await champion.refresh()
        await grade(running, 1)
        assert shadow.former == 1
        await compared(running, lambda: shadow.former is None)
        assert champion.current.ref.version == 2
        assert await trail(running) == []


async def test_where_another_came_between_a_person_is_called(
    service: Service, repository: ModelRepository, promote: Promote, tmp_path: Path
) -> None:
    promote(1, 0.05)
    async with service(rollback_manual_share=0.3) as running:
        promote(2, 0.05)
        promote(3, UNSURE)  # before this worker has seen the second
        await running.context.champion.refresh()
        await grade(running, 6)
        assert repository.aliases().champion == 3
        assert (await open_alarms(running))[0]["detail"].endswith("It grades on: roll it back by hand.")
        assert await trail(running) == []
