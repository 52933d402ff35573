"""`/v1/review/claims`: what a page that asks grade after grade is given."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from service.api.review_claims import Claims
from service.records.review_claims import Reviewer
from service.records.transactions import RecordsAway
from service.review import Asked
from service.review_claims import Claims as Queues
from service.review_claims import midnight
from service.schemas import Problem
from service.settings import Settings
from tests.databases import any_database  # noqa: F401
from tests.service.api.test_review import EVERYTHING_IS_MANUAL, embedding, post  # noqa: F401
from tests.service.running import Running, run_service

pytestmark = pytest.mark.anyio

Service = Callable[..., AbstractAsyncContextManager[Running]]
HERE, THERE = "page-of-hanako", "page_of-taro-2"


async def claim(running: Running, reviewer: str = HERE, status: int = 200, **body: Any) -> Any:
    response = await running.client.post("/v1/review/claims", json={"reviewer": reviewer, **body})
    assert response.status_code == status, response.text
    (Claims if status == 200 else Problem).model_validate(response.json())
    return response.json()


async def correct(running: Running, one: dict[str, Any], grade: str | None = None) -> str:
    body = {"grading_id": one["id"], "grade": grade or one["grade"]}
    response = await running.client.post("/v1/corrections", json=body)
    assert response.status_code == 201, response.text
    return str(response.json()["id"])


def ids(found: Any) -> list[str]:
    return [one["id"] for one in found["gradings"]]


@pytest.mark.usefixtures("embedding")
async def test_one_after_the_other_until_nothing_is_left(service: Service) -> None:
    async with service(**EVERYTHING_IS_MANUAL) as running:
        for number in range(7):
            await post(running, number)
        queue = ids((await running.client.get("/v1/review")).json())
        before = datetime.now(UTC)
        found = await claim(running)
        assert (ids(found), found["waiting"], found["done_today"]) == (queue[:3], 7, 0)
        held = datetime.fromisoformat(found["held_until"]) - before
        assert timedelta(seconds=59) < held < timedelta(seconds=70)
        assert all(one["because"] and "unsure" in one["why"] and one["score"] > 0 for one in found["gradings"])
        for done, one in enumerate(queue, 1):
            assert ids(found)[0] == one
            await correct(running, found["gradings"][0])
            found = await claim(running)
            assert (ids(found), found["waiting"], found["done_today"]) == (queue[done : done + 3], 7 - done, done)


@pytest.mark.usefixtures("embedding")
async def test_two_reviewers_an_undo_and_giving_back(service: Service) -> None:
    async with service(**EVERYTHING_IS_MANUAL) as running:
        for number in range(6):
            await post(running, number)
        mine, theirs = await claim(running, HERE, limit=2), await claim(running, THERE, limit=20)
        assert len({*ids(mine), *ids(theirs)}) == 6
        assert theirs["waiting"] == 4
        correction = await correct(running, mine["gradings"][0])
        assert ids(await claim(running, HERE, limit=2)) == ids(mine)[1:]
        assert (await running.client.delete(f"/v1/corrections/{correction}")).status_code == 200
        assert ids(await claim(running, HERE, limit=2)) == [ids(mine)[1], ids(mine)[0]]
        for _ in range(2):
            response = await running.client.delete(f"/v1/review/claims/{THERE}")
            assert (response.status_code, response.content) == (204, b"")
        assert set(ids(await claim(running, HERE, limit=20))) == {*ids(mine), *ids(theirs)}


@pytest.mark.usefixtures("embedding")
async def test_a_line_and_a_reason(service: Service) -> None:
    async with service(**EVERYTHING_IS_MANUAL) as running:
        one = await post(running, 1, line="1", lot="A")
        two = await post(running, 2, line="2", lot="A")
        assert ids(await claim(running, line="1")) == [one["id"]]
        assert ids(await claim(running, THERE, lot="A")) == [two["id"]]
        assert ids(await claim(running, why="audit")) == []
        assert ids(await claim(running, why="unsure", since=one["received_at"], until=two["received_at"])) == [one["id"]]
        assert ids(await claim(running, until="2020-01-01T00:00:00Z")) == []


@pytest.mark.usefixtures("embedding")
async def test_the_queue_follows_what_is_graded_within_seconds(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = [100.0]
    async with service(**EVERYTHING_IS_MANUAL) as running:
        reviewing = running.context.reviewing
        assert reviewing is not None
        queues = Queues(running.context.records, reviewing.review, steady=lambda: now_s[0])  # type: ignore[arg-type]
        made: list[object] = []
        order = reviewing.review.order

        async def counted(*arguments: Any) -> Any:
            made.append(arguments)
            return await order(*arguments)

        monkeypatch.setattr(type(reviewing.review), "order", staticmethod(counted))

        async def held(reviewer: str) -> list[str]:
            return ids(await queues.claim(Asked(), Reviewer(reviewer, "hanako"), 20))

        first = await post(running, 1)
        assert await held(HERE) == [first["id"]]
        second = await post(running, 2)
        now_s[0] += 1.9
        assert await held(HERE) == [first["id"]]
        assert len(made) == 1
        now_s[0] += 0.2  # the old one is shown, and a new one is made behind its back
        assert await held(HERE) == [first["id"]]
        await asyncio.gather(*queues._making.values())
        assert await held(HERE) == [first["id"], second["id"]]
        assert len(made) == 2
        third = await post(running, 3)
        now_s[0] += 11  # too old to be shown
        assert await held(HERE) == [first["id"], second["id"], third["id"]]
        await queues.close()


@pytest.mark.usefixtures("embedding")
async def test_whoever_is_faster_than_the_queue_is_not_told_that_nothing_is_left(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.records.review.CANDIDATES", 3)
    monkeypatch.setattr("service.review_claims.CANDIDATES", 3)
    async with service(**EVERYTHING_IS_MANUAL) as running:
        made = {(await post(running, number))["id"] for number in range(10)}
        reviewing = running.context.reviewing
        assert reviewing is not None
        monkeypatch.setattr(reviewing.claims, "_steady", lambda: 100.0)  # all of it within the same moment
        done = set()
        while (found := await claim(running, limit=2))["gradings"]:
            assert len(found["gradings"]) == min(2, len(made) - len(done))
            await correct(running, found["gradings"][0])
            done.add(ids(found)[0])
        assert done == made


@pytest.mark.usefixtures("embedding")
async def test_a_queue_that_cannot_be_made_is_said_and_tried_again(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with service(**EVERYTHING_IS_MANUAL) as running:
        one = await post(running, 1)
        with monkeypatch.context() as patch:

            def away(*_: object) -> None:
                raise RecordsAway("gone")

            patch.setattr("service.review.candidates", away)
            assert (await claim(running, status=503))["code"] == "records_unavailable"
            assert "stays as it was for now" in caplog.text
        assert ids(await claim(running)) == [one["id"]]


async def test_what_cannot_be_asked(service: Service) -> None:
    async with service() as running:
        empty = await claim(running)
        assert (empty["gradings"], empty["waiting"], empty["done_today"]) == ([], 0, 0)
        for body in (
            {"reviewer": "short"},
            {"reviewer": "x" * 65},
            {"reviewer": "page of hanako"},
            {"limit": 0},
            {"limit": 21},
            {"why": "boredom"},
            {"line": "\0"},
            {"pages": 1},
        ):
            assert (await claim(running, **{"reviewer": HERE, **body}, status=422))["code"] == "invalid_request"
        assert (await running.client.delete("/v1/review/claims/short")).status_code == 422
    async with service(records="off") as running:
        assert (await claim(running, status=409))["code"] == "records_off"
        assert (await running.client.delete(f"/v1/review/claims/{HERE}")).status_code == 409


@pytest.mark.usefixtures("embedding")
async def test_two_workers_never_give_the_same_fruit(home: Any, any_database: str) -> None:  # noqa: F811
    settings = Settings(home=home, providers="cpu", database_url=any_database, **EVERYTHING_IS_MANUAL)
    async with run_service(settings) as one, run_service(settings) as two:
        for number in range(30):
            await post(one, number)
        pages = [f"page-number-{number}" for number in range(10)]
        shown: dict[str, set[str]] = {}
        done: set[str] = set()

        async def work(page: str, workers: tuple[Running, Running]) -> None:
            for turn in range(3):  # each of them asks the one worker, then the other
                found = await claim(workers[turn % 2], page, limit=2)
                shown[page] = set(ids(found))
                others = set().union(*(held for name, held in shown.items() if name != page))
                assert not shown[page] & others, "two people were shown the same fruit"
                for each in found["gradings"][:1]:
                    await correct(workers[turn % 2], each)
                    assert each["id"] not in done, "a fruit was shown that was corrected"
                    done.add(each["id"])
                    shown[page].discard(each["id"])

        await asyncio.gather(*(work(page, (one, two) if place % 2 else (two, one)) for place, page in enumerate(pages)))
        assert len(done) >= 20


def test_midnight_is_the_farm_s_or_this_machine_s(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert midnight(datetime(2026, 11, 23, 16, 30, tzinfo=UTC)) == datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
        assert midnight(datetime(2026, 11, 23, 14, 59, tzinfo=UTC)) == datetime(2026, 11, 22, 15, 0, tzinfo=UTC)
        of_the_farm = midnight(datetime(2026, 11, 23, 14, 59, tzinfo=UTC), ZoneInfo("Europe/Berlin"))
        assert of_the_farm == datetime(2026, 11, 22, 23, 0, tzinfo=UTC)
    finally:
        monkeypatch.undo()
        time.tzset()
