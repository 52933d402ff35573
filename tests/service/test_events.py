"""Server-sent events: what is on record, in order, once; whoever comes back resumes; whoever is too slow is hung up."""

import asyncio
import json
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request

from models.repository import ModelRepository
from service import events as events_module
from service.api import events as events_api
from service.errors import RecordsUnavailable, TimeZoneMissing
from service.grading import Grading
from service.records.database import open_database
from service.records.filters import Filters
from service.records.photographs import PhotographStore
from service.records.repository import Entry, Records
from service.schemas import GradingOut, Stats
from service.security.principal import Role
from service.security.sessions import Session
from tests.service.gradings import grading
from tests.service.models import make_model
from tests.service.pictures import picture
from tests.service.running import Running, until

pytestmark = pytest.mark.anyio

Service = Callable[..., AbstractAsyncContextManager[Running]]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events_module, "POLL_S", 0.01)
    monkeypatch.setattr(events_module, "STATS_S", 0.05)


class Page:
    """Reads a stream as a browser does."""

    def __init__(self, stream: AsyncGenerator[bytes, None]) -> None:
        self._stream = stream
        self._came: list[bytes] = []

    async def next(self, *names: str) -> tuple[str, Any, int | None]:
        """The next event, or the next of these names: name, data, number. `retry` and signs of life are skipped."""
        async with asyncio.timeout(20):
            while True:
                if not self._came:
                    self._came = [text + b"\n\n" for text in (await anext(self._stream)).split(b"\n\n")[:-1]]
                name, data, number = parse(self._came.pop(0))
                if name in names or (name and not names and name != "clock"):
                    return name, data, number

    async def gradings(self, count: int) -> list[str]:
        return [(await self.next("grading"))[1]["id"] for _ in range(count)]


def parse(text: bytes) -> tuple[str, Any, int | None]:
    assert text.endswith(b"\n\n")
    fields = dict(line.split(": ", 1) for line in text.decode().splitlines() if line and not line.startswith(":"))
    return fields.get("event", ""), json.loads(fields.get("data", "null")), int(fields["id"]) if "id" in fields else None


@asynccontextmanager
async def watching(
    running: Running, last_seen: int | None = None, wanted: events_module.Wanted | None = None
) -> AsyncIterator[Page]:
    """A page whose stream is open: its first message has come."""
    stream = running.context.events.stream(last_seen, wanted)
    assert (await anext(stream)).startswith(b"retry: ")
    try:
        yield Page(stream)
    finally:
        await stream.aclose()


def asked(session: Session | None = None) -> Request:
    return Request({"type": "http", "headers": [], "state": {"session": session}})


def records_of(running: Running) -> Records:
    assert running.context.records is not None
    return running.context.records


def keep(records: Records, *gradings: Grading) -> list[str]:
    records.add([Entry(one) for one in gradings])
    return [one.id for one in gradings]


@pytest.mark.usefixtures("champion")
async def test_a_stream_gives_model_figures_and_gradings(service: Service) -> None:
    async with service() as running, watching(running) as page:
        assert await page.next() == ("model", {"name": "cucumber", "version": 1, "sha256": page_model(running)}, None)
        name, figures, _ = await page.next()
        assert (name, figures["total"]) == ("stats", 0)
        Stats.model_validate(figures)
        made = await running.context.pipeline.grade(picture(1))
        assert await page.next("grading") == ("grading", made.to_json(), 1)
        GradingOut.model_validate(made.to_json())
        assert (await page.next("stats"))[1]["total"] == 1


@pytest.mark.usefixtures("champion")
async def test_own_gradings_show_at_once(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events_module, "POLL_S", 60.0)
    async with service() as running, watching(running) as page:
        await page.next("stats")
        made = await running.context.pipeline.grade(picture(1))
        assert await page.gradings(1) == [made.id]


@pytest.mark.usefixtures("champion")
async def test_what_another_worker_recorded_shows_too(service: Service, home: Path) -> None:
    async with service() as running, watching(running) as page:
        other = Records(open_database(f"sqlite:///{home / 'senka.db'}"), PhotographStore(home / "photographs"))
        assert keep(other, grading(1), grading(2), grading(3)) == await page.gradings(3)
        other.engine.dispose()


@pytest.mark.usefixtures("champion")
async def test_a_page_that_comes_back_gets_what_it_missed(service: Service) -> None:
    async with service() as running:
        keep(records_of(running), grading(1), grading(2))
        async with watching(running) as page:
            (id_3,) = keep(records_of(running), grading(3))
            assert (await page.next("grading"))[1:] == (records_of(running).get(id_3).to_json(), 3)  # type: ignore[union-attr]
        missed = keep(records_of(running), *(grading(n) for n in range(4, 9)))
        async with watching(running, last_seen=3) as page:
            assert await page.gradings(5) == missed
            assert keep(records_of(running), grading(9)) == await page.gradings(1)


@pytest.mark.usefixtures("champion")
async def test_a_page_that_missed_too_much_gets_as_much_as_allowed(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events_module, "RESUME", 3)
    async with service() as running:
        missed = keep(records_of(running), *(grading(n) for n in range(10)))
        async with watching(running, last_seen=0) as page:
            assert await page.gradings(3) == missed[:3]
            assert keep(records_of(running), grading(11)) == await page.gradings(1)


@pytest.mark.usefixtures("champion")
async def test_a_number_from_another_database_hides_nothing(service: Service) -> None:
    async with service() as running, watching(running, last_seen=10_000) as page:
        assert keep(records_of(running), grading(1), grading(2)) == await page.gradings(2)


@pytest.mark.usefixtures("champion")
async def test_nothing_between_the_opening_of_a_stream_and_the_first_question_is_lost(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page opens its stream, then asks for the records: what comes between the two must be in one of them."""
    async with service() as running:
        before = keep(records_of(running), grading(1))
        async with watching(running) as page:
            between = keep(records_of(running), grading(2))
            asked = (await running.client.get("/v1/gradings")).json()["gradings"]
            after = keep(records_of(running), grading(3))
            assert [one["id"] for one in asked] == [*between, *before]
            assert await page.gradings(2) == [*between, *after]


@pytest.mark.usefixtures("champion")
async def test_the_route_watches_before_it_answers(service: Service) -> None:
    async with service() as running:
        response = await events_api.events(asked(), running.context, events_api.EventsQuery())
        made = keep(records_of(running), grading(1))  # headers are out, nothing of the body has been asked for
        page = Page(response.body_iterator)  # type: ignore[arg-type]
        assert await page.gradings(1) == made
        await response.body_iterator.aclose()  # type: ignore[union-attr]
        assert running.context.events._watchers == set()


async def test_a_page_of_a_session_goes_away_while_it_waits_or_the_database_is_away(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events_api, "CHECK_EVERY_S", 0.05)
    session = Session("1", "Kenji", Role.VIEWER, "token", datetime.now(UTC) + timedelta(hours=1))
    async with service() as running:
        credentials = running.context.door.credentials
        assert credentials is not None
        looked: list[str] = []

        def away(session_id: str) -> bool:
            looked.append(session_id)
            raise RecordsUnavailable("away")

        monkeypatch.setattr(credentials.sessions, "lasts", away)
        response = await events_api.events(asked(session), running.context, events_api.EventsQuery())

        async def read() -> None:
            async for _ in response.body_iterator:
                pass

        reader = asyncio.create_task(read())
        await until(lambda: len(looked) > 2)
        assert not reader.done()
        reader.cancel()
        await asyncio.wait({reader})
        await until(lambda: not running.context.events._watchers)
        monkeypatch.setattr(events_api, "KEPT_FOR_S", 0.0)  # for too long
        response = await events_api.events(asked(session), running.context, events_api.EventsQuery())
        await asyncio.wait_for(read(), 10)


@pytest.mark.usefixtures("champion")
async def test_what_arrives_while_a_page_resumes_comes_once(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    async with service() as running:
        missed = keep(records_of(running), *(grading(n) for n in range(3)))
        async with watching(running), watching(running, last_seen=0) as page:
            # on record before the missed ones are read, and told to watchers as well
            meanwhile = keep(records_of(running), grading(4))
            watchers = running.context.events._watchers
            await until(lambda: all(watcher.waiting for watcher in watchers))
            after = keep(records_of(running), grading(5))
            assert await page.gradings(5) == [*missed, *meanwhile, *after]


@pytest.mark.usefixtures("champion")
async def test_every_page_gets_the_figures_also_the_second(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events_module, "STATS_S", 0.01)
    async with service() as running, watching(running) as first:
        await first.next("stats")
        async with watching(running) as second:
            assert (await second.next("stats"))[1]["total"] == 0


@pytest.mark.usefixtures("champion")
async def test_pages_get_the_same_and_a_page_that_leaves_disturbs_nobody(service: Service) -> None:
    async with service() as running, watching(running) as stays:
        async with watching(running) as leaves:
            made = keep(records_of(running), grading(1))
            assert await stays.gradings(1) == await leaves.gradings(1) == made
        assert keep(records_of(running), grading(2)) == await stays.gradings(1)


@pytest.mark.usefixtures("champion")
async def test_a_page_that_is_too_slow_is_hung_up_and_resumes_without_a_gap(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events_module, "QUEUE", 8)
    async with service() as running, watching(running) as quick:
        async with watching(running) as slow:
            made = []
            for number in range(12):
                made += keep(records_of(running), grading(number))
                await quick.gradings(1)
            got: list[tuple[str, int | None]] = []
            with suppress(StopAsyncIteration):
                while True:
                    _, data, number = await slow.next("grading")
                    got.append((data["id"], number))
        assert [identifier for identifier, _ in got] == made[: len(got)]
        assert 0 < len(got) < 12
        async with watching(running, last_seen=got[-1][1]) as again:
            assert await again.gradings(12 - len(got)) == made[len(got) :]


@pytest.mark.usefixtures("champion")
async def test_streams_end_when_the_service_drains(service: Service) -> None:
    async with service() as running, watching(running) as page:
        await page.next("stats")
        waiting = asyncio.create_task(page.next("grading"))
        await asyncio.sleep(0)
        running.context.events.close()
        running.context.events.close()  # a signal, and then the end of the lifespan
        with pytest.raises(StopAsyncIteration):
            await waiting
        async with watching(running) as late:
            with pytest.raises(StopAsyncIteration):
                await late.next("grading")


async def test_a_new_champion_is_announced(service: Service, champion: ModelRepository, tmp_path: Path) -> None:
    async with service() as running, watching(running) as page:
        assert (await page.next("model"))[1]["version"] == 1
        champion.publish(make_model(tmp_path / "second.onnx", seed=2), promote=True)
        await running.context.champion.refresh()
        assert (await page.next("model"))[1]["version"] == 2


async def test_the_first_champion_is_announced(service: Service, repository: ModelRepository, tmp_path: Path) -> None:
    async with service() as running, watching(running) as page:
        assert (await page.next())[0] == "stats"
        repository.publish(make_model(tmp_path / "first.onnx"), promote=True)
        await running.context.champion.refresh()
        assert (await page.next("model"))[1]["version"] == 1


async def test_without_records_a_stream_stays_open_and_follows_the_model(
    service: Service, champion: ModelRepository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events_module, "HEARTBEAT_S", 0.01)
    async with service(records="off") as running:
        stream = running.context.events.stream(5)
        async with asyncio.timeout(20):
            assert (await anext(stream)).startswith(b"retry: ")
            assert (await anext(stream)).startswith(b"event: clock")
            assert (await anext(stream)).startswith(b"event: model")
            for _ in range(3):
                name, data, _ = parse(await anext(stream))
                assert name == "clock"
                assert abs((datetime.now(UTC) - datetime.fromisoformat(data["now"])).total_seconds()) < 10
        champion.publish(make_model(tmp_path / "second.onnx", seed=2), promote=True)
        await running.context.champion.refresh()
        assert (await Page(stream).next())[1]["version"] == 2
        await stream.aclose()


@pytest.mark.usefixtures("champion")
async def test_with_nobody_watching_nothing_is_read(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events_module, "POLL_S", 0.001)
    async with service() as running:
        async with watching(running) as page:
            await page.next("stats")
        reader = running.context.events._reader
        assert reader is not None
        async with asyncio.timeout(20):
            await reader
        async with watching(running) as page:  # and again
            assert keep(records_of(running), grading(1)) == await page.gradings(1)


@pytest.mark.usefixtures("champion")
async def test_a_database_that_is_away_for_a_moment_ends_no_stream(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(events_module, "STATS_S", 0.01)
    async with service() as running, watching(running) as page:
        await page.next("stats")
        after = records_of(running).after

        def away(*_: object) -> Any:
            raise OSError("no database here")

        monkeypatch.setattr(Records, "after", away)
        made = keep(records_of(running), grading(1))
        await until(lambda: "could not be read" in caplog.text)
        monkeypatch.setattr(Records, "after", after.__func__)
        assert await page.gradings(1) == made


@pytest.mark.usefixtures("champion")
@pytest.mark.parametrize("header", ["²", "-1", "1e3", "9" * 40, "", "x"])
async def test_a_last_event_id_that_is_no_number_of_ours_is_ignored(service: Service, header: str) -> None:
    async with service() as running:
        keep(records_of(running), grading(1))
        response = await events_api.events(asked(), running.context, events_api.EventsQuery(), header)
        page = Page(response.body_iterator)  # type: ignore[arg-type]
        assert (await page.next())[0] == "model"
        assert (await page.next())[0] == "stats"
        await response.body_iterator.aclose()  # type: ignore[union-attr]


@pytest.mark.usefixtures("champion")
async def test_a_page_gets_only_what_it_watches(service: Service) -> None:
    wanted = events_api.EventsQuery(only="grading,stats", line="2", latest=2).wanted()
    async with service() as running, watching(running, wanted=wanted) as page:
        assert (await page.next())[0] == "stats"  # and no model
        keep(records_of(running), grading(1, line="1"), *(grading(n, line="2") for n in range(2, 6)))
        shown = [(await page.next("grading"))[1] for _ in range(2)]
        assert {one["line"] for one in shown} == {"2"}
        while (figures := (await page.next("stats"))[1])["total"] == 0:
            pass
        assert figures["total"] == 4
        last = keep(records_of(running), grading(9, line="2"))
        assert await page.gradings(1) == last  # of the four, the two newest only


@pytest.mark.usefixtures("champion")
async def test_pages_that_show_the_latest_alone_do_not_have_the_others_read(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Records, "after", None)
    wanted = events_api.EventsQuery(only="grading", latest=2).wanted()
    async with service() as running, watching(running, wanted=wanted) as page:
        records_of(running).add([Entry(one) for one in (grading(n) for n in range(5))])
        made = [one.grading.id for one in records_of(running).page(Filters(), 5)]  # newest first
        assert await page.gradings(2) == made[1::-1]
        assert keep(records_of(running), grading(9)) == await page.gradings(1)


@pytest.mark.usefixtures("champion")
@pytest.mark.parametrize(("latest", "per_look", "rare"), [(2, 200, True), (2, 2, False), (None, 200, False)])
async def test_in_a_rush_pages_that_show_the_latest_alone_are_told_less_often(
    service: Service, monkeypatch: pytest.MonkeyPatch, latest: int | None, per_look: int, rare: bool
) -> None:
    """Who wants every grading is told as often as ever: else it would never catch up."""
    monkeypatch.setattr(events_module, "RUSH_PACE_S", 3_600.0)
    wanted = events_api.EventsQuery(only="grading", latest=latest).wanted()
    async with service() as running, watching(running, wanted=wanted) as page:
        records = records_of(running)

        def more() -> None:
            records.add([Entry(grading(n)) for n in range(per_look)])
            running.context.events.nudge()

        more()
        await page.gradings(min(per_look, latest or per_look))
        more()
        if rare:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(1.0):
                    await page.gradings(1)
        else:
            await page.gradings(1)


@pytest.mark.usefixtures("champion")
async def test_a_page_that_comes_while_the_records_are_read_misses_nothing(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, go_on = threading.Event(), threading.Event()
    newest_after = Records.newest_after

    def slow(self: Records, seq: int, limit: int) -> Any:
        found = newest_after(self, seq, limit)
        if found and not reading.is_set():
            reading.set()
            assert go_on.wait(20)
        return found

    monkeypatch.setattr(Records, "newest_after", slow)
    latest = events_api.EventsQuery(only="grading", latest=1).wanted()
    async with service() as running, watching(running, wanted=latest) as first:
        made = keep(records_of(running), grading(1), grading(2))
        assert await asyncio.to_thread(reading.wait, 20)
        async with watching(running) as second:
            go_on.set()
            assert await second.gradings(2) == made
            assert await first.gradings(1) == made[1:]


@pytest.mark.usefixtures("champion")
async def test_figures_that_cannot_be_counted_hold_no_fruit_back(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def unknown(*_: object) -> Any:
        raise TimeZoneMissing("Mars/Olympus")

    wanted = events_api.EventsQuery(only="grading,activity,stats").wanted()
    async with service() as running:
        monkeypatch.setattr(running.context.events, "_activity", unknown)
        async with watching(running, wanted=wanted) as page:
            await until(lambda: "activity could not be counted" in caplog.text)
            assert keep(records_of(running), grading(1)) == await page.gradings(1)
            while (await page.next("stats"))[1]["total"] != 1:
                pass


@pytest.mark.usefixtures("champion")
async def test_a_page_of_one_line_that_comes_back_gets_its_own_fruit(service: Service) -> None:
    async with service() as running:
        made = keep(records_of(running), *(grading(n, line=str(n % 2)) for n in range(8)))
        line = events_api.EventsQuery(only="grading", line="1").wanted()
        async with watching(running, last_seen=2, wanted=line) as page:
            assert await page.gradings(3) == made[3::2]
        newest = events_api.EventsQuery(only="grading", latest=2).wanted()
        async with watching(running, last_seen=1, wanted=newest) as page:
            assert await page.gradings(2) == made[-2:]


@pytest.mark.usefixtures("champion")
async def test_figures_of_a_shift_count_from_its_start(service: Service) -> None:
    async with service() as running:
        keep(records_of(running), grading(1))
        later = events_api.EventsQuery(only="stats", since=datetime.now(UTC) + timedelta(days=1)).wanted()
        async with watching(running, wanted=later) as page, watching(running) as all_of_it:
            assert (await page.next("stats"))[1]["total"] == 0
            assert (await all_of_it.next("stats"))[1]["total"] == 1


async def test_an_event_that_there_is_none_of_is_refused(service: Service) -> None:
    async with service() as running:
        answer = await running.client.get("/v1/events?only=grading,fruit")
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
        assert answer.json()["valid"] == list(events_module.KINDS)


def page_model(running: Running) -> str:
    return running.context.champion.current.ref.sha256


@pytest.mark.usefixtures("champion")
async def test_alarms_that_open_close_or_are_acknowledged_show(service: Service) -> None:
    async with service() as running:
        alarms = running.context.alarms
        alarms.raise_("clock_jumped", "by a year")
        await until(alarms.flush)
        async with watching(running) as page:
            name, first, _ = await page.next("alarm")
            assert (name, first["name"], first["until"]) == ("alarm", "clock_jumped", None)
            alarms.raise_("disk_low", "little")
            while (await page.next("alarm"))[1]["name"] != "disk_low":
                pass
            await running.client.post(f"/v1/alarms/{first['id']}/acknowledge")
            while (seen := (await page.next("alarm"))[1])["acknowledged_by"] is None:
                pass
            assert (seen["id"], seen["acknowledged_by"]) == (first["id"], "local")
            alarms.clear("disk_low")
            while (over := (await page.next("alarm"))[1])["until"] is None:
                pass
            assert over["name"] == "disk_low"
        alarms.clear("clock_jumped")
