"""Gradings moved to the lot they belong to: rows and tallies together, nothing else touched."""

import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.exc import SQLAlchemyError

from service.errors import InvalidRequest, NotFound
from service.records.audit import AuditFilters
from service.records.audit import page as audit_page
from service.records.entry import Entry
from service.records.reassignment import Reassignment, reassign
from service.records.resources import LOT, Signature, add, get
from service.records.tables import gradings, tallies
from service.records.writing import Writer
from tests.service.gradings import NOON, grading
from tests.service.records.opened import opened_database, put_gradings

HANAKO = Signature("hanako", "10.0.0.7")


@pytest.fixture
def engine(any_database: str) -> Iterator[Engine]:
    with opened_database(any_database) as engine:
        add(engine, LOT, "A", {}, HANAKO)
        made = [
            grading(number * 1800, grade, lot=lot, line=line, camera="c")
            for number, (grade, lot, line) in enumerate(
                [("M", "A", "1"), ("M", "A", "2"), ("L", "A", "1"), (None, "A", "1"), ("M", "B", "1"), ("S", None, "1")] * 20
            )
        ]
        put_gradings(engine, made)
        yield engine


def counted(engine: Engine) -> dict[Any, Any]:
    """What the gradings add up to, by everything that tallies tell apart but the hour."""
    c = gradings.c
    keys = [func.coalesce(c[name], "") for name in ("line", "lot", "camera", "grade")] + [c.lane]
    query = select(*keys, func.count(), func.min(c.received_at), func.max(c.received_at)).group_by(*keys)
    with engine.connect() as connection:
        return {tuple(row[:5]): tuple(row[5:]) for row in connection.execute(query)}


def tallied(engine: Engine) -> dict[Any, Any]:
    c = tallies.c
    keys = [c.line, c.lot, c.camera, c.grade, c.lane]
    figures = (func.sum(c.count), func.min(c.first_received_at), func.max(c.last_received_at))
    with engine.connect() as connection:
        return {tuple(row[:5]): tuple(row[5:]) for row in connection.execute(select(*keys, *figures).group_by(*keys))}


def in_lot(engine: Engine, lot: str) -> int:
    with engine.connect() as connection:
        return connection.execute(select(func.count()).where(gradings.c.lot == lot)).scalar_one()


def test_a_part_moves_with_its_tallies(engine: Engine) -> None:
    assert tallied(engine) == counted(engine)
    since, until = NOON + timedelta(hours=10), NOON + timedelta(hours=40)
    before = in_lot(engine, "A"), in_lot(engine, "B")
    result = reassign(engine, "A", Reassignment("C", "1", since, until), HANAKO)
    assert result == {"lot": "A", "to": "C", "gradings": 30}
    assert (in_lot(engine, "A"), in_lot(engine, "B"), in_lot(engine, "C")) == (before[0] - 30, before[1], 30)
    assert tallied(engine) == counted(engine)
    with engine.connect() as connection:
        rows = connection.execute(select(gradings.c.line, gradings.c.received_at).where(gradings.c.lot == "C")).all()
    assert all(row.line == "1" and since <= row.received_at < until for row in rows)
    assert get(engine, LOT, "C")["name"] == "C", "it was entered along"
    line = audit_page(engine, AuditFilters(action="lot.reassigned"), 9)[0]
    assert (line.actor, line.subject, line.detail["gradings"], line.detail["to"]) == ("hanako", "A", 30, "C")


def test_all_of_a_lot_moves_into_one_that_has_gradings(engine: Engine) -> None:
    total = in_lot(engine, "A") + in_lot(engine, "B")
    assert reassign(engine, "A", Reassignment("B"), HANAKO)["gradings"] == 80
    assert (in_lot(engine, "A"), in_lot(engine, "B")) == (0, total)
    assert tallied(engine) == counted(engine)
    assert reassign(engine, "A", Reassignment("B"), HANAKO)["gradings"] == 0


def test_a_lot_that_nobody_knows_and_a_move_to_itself_are_refused(engine: Engine) -> None:
    before = counted(engine)
    with pytest.raises(NotFound):
        reassign(engine, "Z", Reassignment("A"), HANAKO)
    with pytest.raises(InvalidRequest):
        reassign(engine, "A", Reassignment("A"), HANAKO)
    assert counted(engine) == before
    assert not audit_page(engine, AuditFilters(action="lot.reassigned"), 9)


def test_a_lot_that_is_only_in_gradings_can_be_moved_too(engine: Engine) -> None:
    assert reassign(engine, "B", Reassignment("A"), HANAKO)["gradings"] == 20
    assert tallied(engine) == counted(engine)


def test_gradings_that_come_meanwhile_are_counted_once(engine: Engine) -> None:
    writer, stop = Writer(), threading.Event()
    failed: list[BaseException] = []

    def record() -> None:
        number = 0
        while not stop.is_set():
            made = [Entry(grading(n, lot=lot, line="1", camera="c")) for n in range(number, number + 5) for lot in ("A", "B")]
            try:
                with engine.begin() as connection:
                    if connection.dialect.name == "sqlite":
                        connection.exec_driver_sql("UPDATE profiles SET version = version WHERE 0")
                    writer.write(connection, made)
            except SQLAlchemyError as error:
                failed.append(error)
                return
            number += 5

    thread = threading.Thread(target=record)
    thread.start()
    moved = sum(reassign(engine, *way, HANAKO)["gradings"] for way in [("A", Reassignment("B")), ("B", Reassignment("A"))] * 5)
    stop.set()
    thread.join()
    assert not failed
    assert moved > 0
    assert tallied(engine) == counted(engine)
