"""Two people never hold the same fruit, on both databases; claims end by themselves."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import select, update

from service.grading import Grading
from service.records import review_claims as module
from service.records.corrections import correct, undo
from service.records.filters import Filters
from service.records.keeping import Interest
from service.records.photographs import PhotographStore
from service.records.repository import Records
from service.records.review_claims import Claimed, Reviewer, claim, corrected_since, release
from service.records.tables import gradings
from tests.databases import any_database  # noqa: F401
from tests.service.gradings import NOON, grading
from tests.service.records.opened import opened_database, put_gradings

HANAKO, TARO = Reviewer("page-of-hanako", "hanako"), Reviewer("page-of-taro", "taro")
KEY = f"{'a' * 64}.jpg"


@pytest.fixture
def records(any_database: str, tmp_path: Path) -> Iterator[Records]:  # noqa: F811
    with opened_database(any_database) as engine:
        yield Records(engine, PhotographStore(tmp_path / "photographs"))


def put(records: Records, count: int) -> list[Grading]:
    made = [
        grading(number, confidence=0.55, photograph=KEY, interest=int(Interest.ORDINARY), line=str(number % 2))
        for number in range(count)
    ]
    put_gradings(records.engine, made)
    return made


def ask(
    records: Records, who: Reviewer, queue: list[Grading], limit: int = 3, at: datetime = NOON, filters: Filters | None = None
) -> Claimed:
    return claim(records.engine, who, [one.id for one in queue], limit, filters or Filters(), None, at)


def ids(claimed: Claimed) -> list[str]:
    return [one.id for one in claimed.candidates]


def test_two_people_share_a_queue_in_its_order(records: Records) -> None:
    made = put(records, 8)
    names = [one.id for one in made]
    first = ask(records, HANAKO, made)
    assert (ids(first), first.waiting, first.until) == (names[:3], 8, NOON + timedelta(seconds=60))
    second = ask(records, TARO, made)
    assert (ids(second), second.waiting) == (names[3:6], 5)
    correct(records.engine, names[1], "L", None, by="hanako")
    correct(records.engine, names[2], made[2].grade or "", None, by="hanako")  # a confirmation is an answer too
    again = ask(records, HANAKO, list(reversed(made)))  # what is held comes first, whatever came into the queue
    assert (ids(again), again.waiting) == ([names[0], names[7], names[6]], 3)
    rest = ask(records, TARO, made, limit=20)
    assert (ids(rest), rest.waiting) == (names[3:6], 3)


def test_a_claim_ends_by_itself_and_when_it_is_given_back(records: Records) -> None:
    made = put(records, 4)
    names = [one.id for one in made]
    assert ids(ask(records, HANAKO, made)) == names[:3]
    in_time = NOON + timedelta(seconds=59)
    assert ids(ask(records, TARO, made, at=in_time)) == names[3:]
    assert ids(ask(records, HANAKO, made, limit=1, at=in_time)) == names[:1]  # the other two are given back
    late = in_time + timedelta(seconds=60)
    assert ids(ask(records, TARO, made, limit=20, at=late)) == names
    release(records.engine, TARO.id)
    release(records.engine, TARO.id)
    assert ids(ask(records, HANAKO, made, at=late)) == names[:3]
    # a clock that is set back does not make a claim last for hours
    assert ids(ask(records, TARO, made, at=late - timedelta(hours=3))) == names[:3]


def test_what_is_undone_deleted_or_not_asked_for(records: Records) -> None:
    made = put(records, 5)
    names = [one.id for one in made]
    ask(records, HANAKO, made)
    correction = correct(records.engine, names[0], "L", None, by="hanako")
    assert ids(ask(records, HANAKO, made)) == names[1:4]
    undo(records.engine, correction.id, by="hanako")
    assert ids(ask(records, HANAKO, made, limit=5)) == [*names[1:4], names[0], names[4]]
    with records.engine.begin() as connection:
        connection.execute(update(gradings).where(gradings.c.id == names[1]).values(photograph_deleted_at=NOON))
    assert ids(ask(records, HANAKO, made, filters=Filters(line="1"))) == [names[3]]
    assert ids(ask(records, TARO, made, limit=20)) == [names[0], names[2], names[4]]


def test_what_somebody_looks_at_again_after_an_undo_is_theirs_first(records: Records) -> None:
    made = put(records, 6)
    names = [one.id for one in made]
    ask(records, HANAKO, made)
    correction = correct(records.engine, names[0], "L", None, by="hanako")
    back = [names[0], names[0], "unknown"]

    def again(who: Reviewer, limit: int = 3) -> list[str]:
        return ids(claim(records.engine, who, names, limit, Filters(), None, NOON, back))

    assert again(HANAKO) == names[1:4]  # it is corrected still
    undo(records.engine, correction.id, by="hanako")
    found = claim(records.engine, HANAKO, names, 3, Filters(), None, NOON, back)
    assert (ids(found), found.waiting) == (names[:3], 6)
    assert again(TARO) == names[3:]  # nobody takes it from her
    release(records.engine, HANAKO.id)
    assert again(TARO, limit=4) == [names[0], *names[3:]]


def test_twelve_at_once_hold_nothing_twice(records: Records) -> None:
    made = put(records, 40)
    people = [Reviewer(f"page-number-{number}", "hanako") for number in range(12)]
    ready = Barrier(len(people), timeout=30)

    def work(who: Reviewer) -> list[str]:
        ready.wait()
        return ids(ask(records, who, made))

    with ThreadPoolExecutor(len(people)) as pool:
        held = [one for found in pool.map(work, people) for one in found]
    assert sorted(held) == sorted(one.id for one in made[:36])
    with records.engine.connect() as connection:
        kept = connection.execute(select(module.review_claims.c.grading_id)).scalars().all()
    assert sorted(kept) == sorted(held)


def test_corrections_in_effect_are_counted_once_for_each_fruit(records: Records) -> None:
    made = put(records, 3)
    assert corrected_since(records.engine, NOON) == 0
    one = correct(records.engine, made[0].id, "L", None, by="hanako")
    correct(records.engine, made[1].id, "L", None, by="hanako")
    correct(records.engine, made[1].id, "S", None, by="taro")
    assert corrected_since(records.engine, one.at) == 2
    undo(records.engine, one.id, by="hanako")
    assert corrected_since(records.engine, one.at) == 1
    assert corrected_since(records.engine, one.at + timedelta(hours=1)) == 0
