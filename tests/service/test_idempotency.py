"""Exactly once, in one process: whoever comes second waits for the first, and gets what it got."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from service.errors import IdempotencyConflict, InvalidIdempotencyKey, RecordsUnavailable
from service.grading import Grading
from service.idempotency import REMEMBERED, Answered, Once, read_key, scoped
from tests.service.gradings import grading
from tests.service.running import until

A, B = "a" * 64, "b" * 64


def keyed(body: str = A) -> Grading:
    return grading(idempotency_key=":k", body_sha256=body)


@dataclass
class Records:
    """What is on record, by key, and what was looked up."""

    on_record: dict[str, Grading] = field(default_factory=dict)
    asked: list[list[str]] = field(default_factory=list)
    away: bool = False

    def find(self, keys: Sequence[str]) -> list[Grading | None]:
        self.asked.append(list(keys))
        if self.away:
            raise RecordsUnavailable("away")
        return [self.on_record.get(key) for key in keys]


@dataclass
class Graded:
    """Grades when told to, and counts."""

    gate: asyncio.Event = field(default_factory=asyncio.Event)
    made: list[Grading] = field(default_factory=list)
    began: int = 0
    fails: Exception | None = None

    async def __call__(self) -> Answered:
        self.began += 1
        await self.gate.wait()
        if self.fails:
            raise self.fails
        self.made.append(keyed())
        return Answered(self.made[-1])


pytestmark = pytest.mark.anyio


@pytest.fixture
def records() -> Records:
    return Records()


@pytest.fixture
async def once(records: Records) -> AsyncIterator[Once]:
    made = Once(records.find, 100)
    yield made
    await made.close()


def at_once(one: Grading) -> Callable[[], Awaitable[Answered]]:
    async def grade() -> Answered:
        return Answered(one)

    return grade


async def never() -> Answered:
    raise AssertionError("it was graded before")


@pytest.mark.parametrize("value", ["a", "~" * 200, "0193a2f0-7b1c", '"quoted"', "!"])
def test_keys(value: str) -> None:
    assert read_key([value]) == value


@pytest.mark.parametrize("values", [[""], ["x" * 201], ["a b"], ["ä"], ["a\t"], ["a", "a"], ["\x7f"], ["a\n"]])
def test_what_is_no_key(values: list[str]) -> None:
    with pytest.raises(InvalidIdempotencyKey):
        read_key(values)


def test_no_key_and_the_keys_of_two_cameras() -> None:
    assert read_key([]) is None
    assert scoped("k", None) != scoped("k", "camera")


async def test_the_first_is_graded_and_the_second_is_answered_from_memory(once: Once, records: Records) -> None:
    first = keyed()
    assert await once.grade(":k", A, at_once(first)) == Answered(first)
    assert await once.grade(":k", A, never) == Answered(first, replayed=True)
    assert records.asked == [[":k"]]


async def test_what_is_on_record_is_not_graded(once: Once, records: Records) -> None:
    records.on_record[":k"] = keyed()
    assert await once.grade(":k", A, never) == Answered(records.on_record[":k"], replayed=True)


async def test_another_photograph_is_refused_wherever_the_first_is_known(once: Once, records: Records) -> None:
    records.on_record[":k"] = keyed()
    for _ in range(2):  # from the record, from memory
        with pytest.raises(IdempotencyConflict, match="'k' came with another photograph"):
            await once.grade(":k", B, never)
        assert (await once.grade(":k", A, never)).replayed
    graded = Graded()
    running = asyncio.create_task(once.grade(":new", A, graded))
    await asyncio.sleep(0)
    with pytest.raises(IdempotencyConflict):
        await once.grade(":new", B, never)
    graded.gate.set()
    assert not (await running).replayed


async def test_those_who_come_meanwhile_wait_and_get_the_same(once: Once) -> None:
    graded = Graded()
    posts = [asyncio.create_task(once.grade(":k", A, graded)) for _ in range(20)]
    await asyncio.sleep(0.01)
    graded.gate.set()
    answers = await asyncio.gather(*posts)
    assert graded.began == 1
    assert {answer.grading.id for answer in answers} == {graded.made[0].id}
    assert [answer.replayed for answer in answers] == [False] + [True] * 19


@pytest.mark.parametrize("how", ["fails", "hangs up"])
async def test_when_the_first_comes_to_nothing_the_next_begins_anew(once: Once, how: str) -> None:
    graded = Graded(fails=ValueError("no image"))
    first = asyncio.create_task(once.grade(":k", A, graded))
    rest = [asyncio.create_task(once.grade(":k", A, graded)) for _ in range(3)]
    await until(lambda: graded.began > 0)
    if how == "hangs up":
        first.cancel()
        await asyncio.wait([first])
        graded.fails = None
    graded.gate.set()
    done = await asyncio.gather(first, *rest, return_exceptions=True)
    if how == "fails":
        assert graded.began == 4
        assert all(isinstance(one, ValueError) for one in done)
    else:
        assert graded.began == 2
        assert {one.grading.id for one in done if isinstance(one, Answered)} == {graded.made[0].id}


async def test_another_worker_that_was_quicker_is_answered(once: Once) -> None:
    theirs = keyed()

    async def late() -> Answered:
        return Answered(theirs, replayed=True)

    assert await once.grade(":k", A, late) == Answered(theirs, replayed=True)
    assert await once.grade(":k", A, never) == Answered(theirs, replayed=True)


async def test_another_worker_that_was_quicker_with_another_photograph_is_a_conflict(once: Once) -> None:
    async def late() -> Answered:
        return Answered(keyed(B), replayed=True)

    with pytest.raises(IdempotencyConflict):
        await once.grade(":k", A, late)


async def test_what_is_remembered_is_bounded_and_the_record_knows_the_rest(once: Once, records: Records) -> None:
    for number in range(REMEMBERED + 10):
        await once.grade(f":{number}", A, at_once(keyed()))
    assert len(once._latest) == REMEMBERED
    records.on_record[":0"] = keyed()
    assert (await once.grade(":0", A, never)).grading == records.on_record[":0"]


async def test_lookups_of_many_posts_are_one(once: Once, records: Records) -> None:
    await asyncio.gather(*(once.grade(f":{number}", A, at_once(keyed())) for number in range(60)))
    assert len(records.asked) <= 3
    assert sum(map(len, records.asked)) == 60


async def test_a_database_that_does_not_answer_is_said_and_later_tried_again(once: Once, records: Records) -> None:
    records.away = True
    with pytest.raises(RecordsUnavailable):
        await once.grade(":k", A, never)
    records.away = False
    assert not (await once.grade(":k", A, at_once(keyed()))).replayed


async def test_maps_are_not_remembered(once: Once) -> None:
    explained: dict[str, Any] = {"method": "cam", "maps": {}}
    one = grading(idempotency_key=":k", body_sha256=A, explanation=explained)
    assert (await once.grade(":k", A, at_once(one))).grading.explanation == explained
    assert (await once.grade(":k", A, never)).grading.explanation is None
