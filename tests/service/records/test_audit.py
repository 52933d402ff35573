"""The audit trail: in the transaction of the change, in pages, never changed."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, delete, update
from sqlalchemy.exc import DBAPIError

from service.records.audit import AuditFilters, note, page
from service.records.tables import audit
from tests.service.records.opened import opened_database


@pytest.fixture
def engine(any_database: str) -> Iterator[Engine]:
    with opened_database(any_database) as engine:
        yield engine


def test_a_line_is_there_exactly_when_its_change_is(engine: Engine) -> None:
    with engine.begin() as connection:
        note(connection, "hanako", "lot.changed", "A", {"note": {"from": None, "to": "きゅうり"}}, "10.0.0.7")
    with engine.connect() as connection:
        note(connection, "hanako", "lot.changed", "B", {})
        connection.rollback()
    (line,) = page(engine, AuditFilters(), 10)
    assert line.to_json() | {"seq": 0, "at": ""} == {
        "seq": 0, "at": "", "actor": "hanako", "address": "10.0.0.7", "action": "lot.changed", "subject": "A",
        "detail": {"note": {"from": None, "to": "きゅうり"}},
    }  # fmt: skip
    assert abs(line.at - datetime.now(UTC)) < timedelta(minutes=5)


def test_it_is_read_in_pages_and_by_filters(engine: Engine) -> None:
    began = datetime.now(UTC)
    with engine.begin() as connection:
        for number in range(5):
            note(connection, "local", "lot.changed", f"lot {number}", {"number": number})
        note(connection, "hanako", "lot.added", "lot_1", {})
        note(connection, "hanako", "lots.counted", "lot_1", {})
    assert [line.subject for line in page(engine, AuditFilters(action="lot.changed"), 2)] == ["lot 4", "lot 3"]
    fourth = page(engine, AuditFilters(action="lot.changed"), 2)[-1].seq
    assert [line.subject for line in page(engine, AuditFilters(action="lot.changed"), 9, fourth)] == ["lot 2", "lot 1", "lot 0"]
    assert [line.action for line in page(engine, AuditFilters(actor="hanako"), 9)] == ["lots.counted", "lot.added"]
    assert {line.action for line in page(engine, AuditFilters(action="lot."), 9)} == {"lot.added", "lot.changed"}
    assert [line.seq for line in page(engine, AuditFilters(subject="lot 2"), 9)] == [3]
    assert len(page(engine, AuditFilters(since=began, until=began + timedelta(hours=1)), 99)) == 7
    assert not page(engine, AuditFilters(until=began), 99)
    assert not page(engine, AuditFilters(since=began + timedelta(hours=1)), 99)


def test_a_name_that_is_too_long_is_cut_and_undoes_nothing(engine: Engine) -> None:
    with engine.begin() as connection:
        note(connection, "a" * 300, "lot.added", "b" * 300, {}, "c" * 300)
    (line,) = page(engine, AuditFilters(), 10)
    assert (line.actor, line.subject, line.address) == ("a" * 100, "b" * 200, "c" * 64)


@pytest.mark.parametrize("statement", [update(audit).values(actor="nobody"), delete(audit)], ids=["update", "delete"])
def test_nobody_changes_it_afterwards(engine: Engine, statement: object) -> None:
    with engine.begin() as connection:
        note(connection, "hanako", "lot.added", "A", {})
    with pytest.raises(DBAPIError, match="append-only"), engine.begin() as connection:
        connection.execute(statement)  # type: ignore[call-overload]
    assert [line.actor for line in page(engine, AuditFilters(), 10)] == ["hanako"]
