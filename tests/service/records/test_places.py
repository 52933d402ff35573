"""Names that gradings carry enter themselves, once, in the gradings' own transaction."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, delete, event, insert, select

from service.grading import Grading
from service.records import places as module
from service.records.database import migrate, open_database
from service.records.places import FORGET_AFTER_S, Places
from service.records.rows import to_row
from service.records.tables import cameras, gradings, lines, lots
from tests.service.gradings import NOON, grading
from tests.service.records.opened import opened_database


@pytest.fixture
def engine(any_database: str) -> Iterator[Engine]:
    with opened_database(any_database) as engine:
        yield engine


@pytest.fixture
def statements(engine: Engine) -> list[str]:
    """What was asked of the database."""
    asked: list[str] = []

    def heard(_: Any, __: Any, statement: str, *___: Any) -> None:
        asked.append(statement)

    event.listen(engine, "before_cursor_execute", heard)
    return asked


def see(places: Places, engine: Engine, *gradings: Grading) -> None:
    with engine.begin() as connection:
        places.seen(connection, gradings)


def names(engine: Engine, table: Any) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(select(table.c.name).order_by(table.c.name)).scalars())


def test_names_are_entered_once_and_cost_nothing_afterwards(engine: Engine, statements: list[str]) -> None:
    places = Places()
    batch = [grading(n, camera=f"c{n % 2}", line="1", lot="A") for n in range(6)] + [grading(7), grading(8, lot="B")]
    see(places, engine, *batch)
    assert (names(engine, cameras), names(engine, lines), names(engine, lots)) == (["c0", "c1"], ["1"], ["A", "B"])
    with engine.connect() as connection:
        camera = connection.execute(select(cameras)).first()
        assert camera is not None
        assert (camera.line, camera.note) == ("1", None)
        assert (camera.created_at - NOON).total_seconds() < 10
    see(places, engine, *batch)
    before = len(statements)
    for _ in range(10):
        see(places, engine, *batch)
    assert not [text for text in statements[before:] if not text.startswith("BEGIN")]


def test_a_name_whose_transaction_was_undone_is_entered_by_the_next(engine: Engine) -> None:
    places = Places()
    with engine.connect() as connection:
        for _ in range(3):  # within the transaction it is found, and yet it is not known
            places.seen(connection, [grading(1, lot="A")])
        connection.rollback()
    assert names(engine, lots) == []
    for _ in range(3):
        see(places, engine, grading(2, lot="A"))
        assert names(engine, lots) == ["A"]


def test_two_workers_enter_the_same_names(engine: Engine) -> None:
    one, other = Places(), Places()
    for worker in (one, other, one, other):
        see(worker, engine, grading(1, camera="c", line="1", lot="A"))
    assert (names(engine, cameras), names(engine, lines), names(engine, lots)) == (["c"], ["1"], ["A"])


def test_a_name_that_was_deleted_comes_back_with_its_next_grading(engine: Engine) -> None:
    now_s = 0.0
    places = Places(clock=lambda: now_s)
    for _ in range(2):
        see(places, engine, grading(1, lot="A"))
    with engine.begin() as connection:
        connection.execute(delete(lots))
    now_s = FORGET_AFTER_S
    see(places, engine, grading(2, lot="A"))
    assert names(engine, lots) == ["A"]


def test_strangers_cannot_enter_names_without_end(engine: Engine, monkeypatch: pytest.MonkeyPatch, statements: list[str]) -> None:
    monkeypatch.setattr(module, "MAX_NAMES", 10)
    places = Places()
    see(places, engine, *(grading(n, lot=f"{n:02}") for n in range(4)))
    see(places, engine, *(grading(n, lot=f"{n:02}", line="1") for n in range(30)))
    assert names(engine, lots) == [f"{n:02}" for n in range(10)]
    assert names(engine, lines) == ["1"]
    for n in range(30):
        see(places, engine, grading(n, lot=f"{n:02}", line="1"))
    before = len(statements)
    see(places, engine, *(grading(n, lot=f"{n:02}", line="1") for n in range(30)))
    assert not [text for text in statements[before:] if not text.startswith("BEGIN")]
    assert len(names(engine, lots)) == 10


def test_what_was_graded_before_there_were_places_is_entered_by_the_migration(any_database: str) -> None:
    engine = open_database(any_database)
    migrate(engine, "0001")
    made = [grading(n, camera=f"c{n % 2}", line="1", lot="A" if n < 3 else None) for n in range(5)] + [grading(9)]
    later = {"profile_version", "photograph_bytes", "photograph_interest", "idempotency_key", "body_sha256", "key_id"}
    rows = [{name: value for name, value in to_row(one).items() if name not in later} for one in made]
    with engine.begin() as connection:
        connection.execute(insert(gradings), rows)
    migrate(engine)
    assert (names(engine, cameras), names(engine, lines), names(engine, lots)) == (["c0", "c1"], ["1"], ["A"])
    with engine.connect() as connection:
        first, second = connection.execute(select(cameras.c.line, cameras.c.created_at).order_by(cameras.c.name)).all()
    assert (first.line, first.created_at, second.created_at) == ("1", made[0].received_at, made[1].received_at)
    engine.dispose()
