"""Gradings into both databases: all that a grading has, each once, counted as they are."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, func, select

from service.grading import Grading
from service.records.bulk import MAX_ROWS
from service.records.database import migrate, open_database
from service.records.entry import Entry
from service.records.rows import from_row
from service.records.tables import grading_aliases, gradings, photograph_shares, tallies
from service.records.writing import Writer, of_keys
from tests.service.gradings import NOON, grading


@pytest.fixture
def engine(any_database: str) -> Iterator[Engine]:
    opened = open_database(any_database)
    migrate(opened)
    try:
        yield opened
    finally:
        opened.dispose()


def keyed(key: str, body: str = "a", **changes: Any) -> Grading:
    return grading(idempotency_key=f":{key}", body_sha256=body * 64, **changes)


def write(engine: Engine, *ones: Grading) -> list[Grading]:
    with engine.begin() as connection:
        return Writer().write(connection, [Entry(one) for one in ones])


def write_again(engine: Engine, *ones: Grading) -> None:
    with engine.begin() as connection:
        Writer().write_again(connection, [Entry(one) for one in ones])


def on_record(engine: Engine) -> list[Grading]:
    with engine.connect() as connection:
        return [from_row(row) for row in connection.execute(select(gradings).order_by(gradings.c.seq))]


def counted(engine: Engine) -> int:
    with engine.connect() as connection:
        return connection.execute(select(func.coalesce(func.sum(tallies.c.count), 0))).scalar_one()


def aliases(engine: Engine) -> dict[str, str]:
    with engine.connect() as connection:
        return {row.id: row.grading_id for row in connection.execute(select(grading_aliases))}


def test_all_of_a_grading_comes_back(engine: Engine) -> None:
    full = grading(
        captured_at=datetime(2026, 11, 23, 21, tzinfo=UTC) + timedelta(microseconds=1),
        camera="top & left",
        line="北",
        lot="A'; DROP TABLE gradings; --",
        measurement={"length_px": 214.0, "length_mm": None},
        photograph="ab.jpg",
        profile_version=4,
        photograph_bytes=12_345,
        interest=3,
        idempotency_key="k1:%s ?",
        body_sha256="c" * 64,
        key_id="k1",
    )
    plain, late = grading(1), grading(2, grade=None)
    assert write(engine, full, plain, late) == [full, plain, late]
    assert on_record(engine) == [full, plain, late]
    assert counted(engine) == 3


def test_any_number_goes_in_at_once_and_in_order(engine: Engine) -> None:
    kept: list[Grading] = []
    for count in (1, 2, 3, 7, MAX_ROWS - 1, MAX_ROWS, MAX_ROWS + 1, 3 * MAX_ROWS + 5):
        ones = [grading(number) for number in range(count)]
        write(engine, *ones)
        kept += ones
        assert on_record(engine) == kept


def test_the_second_under_a_key_gets_the_first(engine: Engine) -> None:
    first = keyed("a")
    assert write(engine, first) == [first]
    second, other, plain = keyed("a"), keyed("b"), grading()
    assert write(engine, other, second, plain) == [other, first, plain]
    assert on_record(engine) == [first, other, plain]
    assert counted(engine) == 3
    with engine.connect() as connection:
        assert of_keys(connection, [":a", ":b", ":c"]) == {":a": first, ":b": other}


def test_two_of_one_key_in_one_commit_are_one(engine: Engine) -> None:
    first, second = keyed("a"), keyed("a")
    assert write(engine, first, second) == [first, first]
    assert on_record(engine) == [first]


def test_what_was_acknowledged_without_the_database_goes_on_record_once(engine: Engine) -> None:
    ones = [grading(1), keyed("a"), grading(2)]
    write_again(engine, *ones[:2])
    write_again(engine, *ones)  # a process that was killed in the middle leaves all of it to the next
    write_again(engine, *ones)
    assert on_record(engine) == ones
    assert counted(engine) == 3
    assert aliases(engine) == {}


def test_a_repeat_found_later_is_an_alias(engine: Engine) -> None:
    first, repeat, third = keyed("a"), keyed("a"), keyed("a")
    write(engine, first)
    for _ in range(2):
        write_again(engine, repeat, third)
    assert on_record(engine) == [first]
    assert aliases(engine) == {repeat.id: first.id, third.id: first.id}
    assert counted(engine) == 1


def test_two_repeats_that_were_both_acknowledged_meet_in_one_journal(engine: Engine) -> None:
    first, repeat = keyed("a"), keyed("a")
    write_again(engine, first, repeat)
    assert on_record(engine) == [first]
    assert aliases(engine) == {repeat.id: first.id}


def test_another_photograph_under_a_key_is_a_grading_of_its_own_when_nobody_could_refuse_it(engine: Engine) -> None:
    first, other = keyed("a"), keyed("a", body="b")
    write(engine, first)
    for _ in range(2):
        write_again(engine, other)
    assert on_record(engine) == [first, replace(other, idempotency_key=None)]
    assert aliases(engine) == {}
    assert counted(engine) == 2


def test_a_shared_photograph_is_noted_with_the_row_that_counts(engine: Engine) -> None:
    first, repeat = keyed("a", photograph="p.jpg"), keyed("a", photograph="p.jpg")
    with engine.begin() as connection:
        Writer().write(connection, [Entry(first, shared=True)])
        Writer().write(connection, [Entry(repeat, shared=True)])
    with engine.connect() as connection:
        assert [tuple(row) for row in connection.execute(select(photograph_shares))] == [("p.jpg", first.id)]


def test_a_transaction_that_is_undone_leaves_nothing(engine: Engine) -> None:
    with engine.connect() as connection:
        Writer().write(connection, [Entry(grading(line="1"))])
        connection.rollback()
    assert on_record(engine) == []
    assert counted(engine) == 0


def test_numbers_are_in_the_order_of_commits(engine: Engine) -> None:
    """A reader that resumes after a number must not miss one that was committed later with a smaller number."""
    stop = threading.Event()
    missed: list[int] = []

    def follow() -> None:
        last = seen = 0
        while True:
            ending = stop.is_set()  # before looking: what is committed after the look is none that was missed
            with engine.connect() as connection:
                rows = connection.execute(select(gradings.c.seq).where(gradings.c.seq > last).order_by(gradings.c.seq)).scalars()
                new = list(rows)
                total = connection.execute(select(func.count()).select_from(gradings)).scalar_one()
            seen += len(new)
            last = new[-1] if new else last
            if ending and not new:
                missed.append(total - seen)
                return

    def fill() -> None:
        for number in range(20):
            write(engine, *(grading(number) for _ in range(3)))

    follower = threading.Thread(target=follow)
    writers = [threading.Thread(target=fill) for _ in range(4)]
    for thread in (follower, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    follower.join(30)
    assert not follower.is_alive()
    assert missed == [0]
    assert counted(engine) == 240
    assert on_record(engine)[0].received_at >= NOON
