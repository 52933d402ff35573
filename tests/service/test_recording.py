"""SENKA_DURABILITY: what is answered before it is written, and how much of it there may be."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from service.errors import RecordsUnavailable
from service.grading import Grading
from service.recording import Recording
from service.records.entry import Entry
from service.records.photographs import PhotographStore
from service.records.recorder import Recorder
from service.records.repository import Records
from service.settings import Settings
from tests.service.gradings import grading
from tests.service.pictures import picture
from tests.service.running import Running, until

pytestmark = pytest.mark.anyio


class HeldRecorder(Recorder):
    """Writes when the gate is open, into a list."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.written: list[Grading] = []
        self.broken = False

    def add(self, entries: Sequence[Entry]) -> list[Grading]:
        assert self.gate.wait(20)
        if self.broken:
            raise RecordsUnavailable("the disk is full")
        self.written += [entry.grading for entry in entries]
        return [entry.grading for entry in entries]

    def find(self, keys: Sequence[str]) -> list[Grading | None]:
        return [None for _ in keys]


@pytest.fixture
def recorder() -> Iterator[HeldRecorder]:
    made = HeldRecorder()
    yield made
    made.gate.set()


def recording(recorder: Recorder, tmp_path: Path, **settings: Any) -> Recording:
    records = Records(None, PhotographStore(tmp_path), recorder)  # type: ignore[arg-type]
    return Recording(records, Settings(home=tmp_path, **settings))


def keyed() -> Grading:
    return grading(idempotency_key=":k", body_sha256="a" * 64)


async def test_by_default_everybody_waits_for_the_commit(recorder: HeldRecorder, tmp_path: Path) -> None:
    keeps = recording(recorder, tmp_path)
    post = asyncio.create_task(keeps.keep(Entry(grading())))
    await asyncio.sleep(0.05)
    assert not post.done()
    recorder.gate.set()
    assert [await post] == recorder.written
    await keeps.close()


async def test_async_answers_first_but_not_those_with_a_key(recorder: HeldRecorder, tmp_path: Path) -> None:
    keeps = recording(recorder, tmp_path, durability="async")
    one, two = grading(), keyed()
    assert await keeps.keep(Entry(one)) == one
    assert recorder.written == []
    post = asyncio.create_task(keeps.keep(Entry(two)))
    await asyncio.sleep(0.05)
    assert not post.done()
    recorder.gate.set()
    assert await post == two
    await keeps.close()
    assert recorder.written == [one, two]


async def test_async_leaves_no_more_unwritten_than_the_queue_is_long(recorder: HeldRecorder, tmp_path: Path) -> None:
    keeps = recording(recorder, tmp_path, durability="async", max_queue=5)
    for number in range(5):
        await asyncio.wait_for(keeps.keep(Entry(grading(number))), 5)
    sixth = asyncio.create_task(keeps.keep(Entry(grading(6))))
    await asyncio.sleep(0.05)
    assert not sixth.done()
    recorder.gate.set()
    await sixth
    await keeps.close()
    assert len(recorder.written) == 6


async def test_what_was_accepted_is_written_before_the_end(recorder: HeldRecorder, tmp_path: Path) -> None:
    keeps = recording(recorder, tmp_path, durability="async")
    ones = [await keeps.keep(Entry(grading(number))) for number in range(20)]
    closing = asyncio.create_task(keeps.close())
    recorder.gate.set()
    await closing
    assert recorder.written == ones


async def test_async_says_so_when_nothing_can_be_written_any_more(
    recorder: HeldRecorder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keeps = recording(recorder, tmp_path, durability="async")
    recorder.broken = True
    recorder.gate.set()
    await keeps.keep(Entry(grading()))
    await until(lambda: keeps._failing)
    assert "could not be put on record" in caplog.text
    for _ in range(3):  # from now on everybody hears of it
        with pytest.raises(RecordsUnavailable):
            await keeps.keep(Entry(grading()))
    recorder.broken = False
    await keeps.keep(Entry(grading()))
    recorder.gate.clear()
    await asyncio.wait_for(keeps.keep(Entry(grading())), 5)  # trusted again
    recorder.gate.set()
    await keeps.close()


@pytest.mark.usefixtures("champion")
async def test_async_end_to_end(service: Callable[..., AbstractAsyncContextManager[Running]]) -> None:
    async with service(durability="async") as running:
        assert running.context.records is not None
        answers = [(await running.client.post("/v1/grade", content=picture(n))).json() for n in range(8)]
        with running.context.records.engine.connect() as connection:
            assert connection.execute(text("PRAGMA synchronous")).scalar() == 1  # NORMAL
    async with service() as running:
        for answer in answers:
            found = (await running.client.get(f"/v1/gradings/{answer['id']}")).json()
            assert found["grade"] == answer["grade"]
