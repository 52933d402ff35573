"""Growers, lots, lines and cameras: entered, changed and deleted where nothing is lost, all of it in the trail."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine

from service.errors import AlreadyExists, InUse, InvalidRequest, NotFound
from service.records.audit import AuditFilters
from service.records.audit import page as audit_page
from service.records.resources import CAMERA, GROWER, KINDS, LINE, LOT, Kind, Signature, add, change, get, page, remove
from tests.service.gradings import grading
from tests.service.records.opened import opened_database, put_gradings

HANAKO = Signature("hanako", "10.0.0.7")


@pytest.fixture
def engine(any_database: str) -> Iterator[Engine]:
    with opened_database(any_database) as engine:
        yield engine


def trail(engine: Engine) -> list[tuple[str, str, dict[str, Any]]]:
    """(action, subject, detail), oldest first."""
    lines = audit_page(engine, AuditFilters(), 99)
    assert all((line.actor, line.address) == ("hanako", "10.0.0.7") for line in lines)
    return [(line.action, line.subject, line.detail) for line in reversed(lines)]


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_one_is_entered_changed_and_deleted(engine: Engine, kind: Kind) -> None:
    made = add(engine, kind, "A 1", {"note": "first"}, HANAKO)
    assert made == get(engine, kind, "A 1")
    assert (made["name"], made["note"]) == ("A 1", "first")
    with pytest.raises(AlreadyExists):
        add(engine, kind, "A 1", {}, HANAKO)
    assert change(engine, kind, "A 1", {"note": None}, HANAKO) == {**made, "note": None}
    assert change(engine, kind, "A 1", {"note": None}, HANAKO)["note"] is None
    remove(engine, kind, "A 1", HANAKO)
    for act in (
        lambda: get(engine, kind, "A 1"),
        lambda: change(engine, kind, "A 1", {}, HANAKO),
        lambda: remove(engine, kind, "A 1", HANAKO),
    ):
        with pytest.raises(NotFound):
            act()
    word = kind.word
    assert [(action, subject) for action, subject, _ in trail(engine)] == [
        (f"{word}.added", "A 1"), (f"{word}.changed", "A 1"), (f"{word}.deleted", "A 1"),
    ]  # fmt: skip
    assert trail(engine)[1][2] == {"note": {"from": "first", "to": None}}


def test_they_are_listed_by_name_in_pages(engine: Engine) -> None:
    for name in ("b", "a", "c"):
        add(engine, LOT, name, {}, HANAKO)
    assert [row["name"] for row in page(engine, LOT, 2)] == ["a", "b"]
    assert [row["name"] for row in page(engine, LOT, 2, "b")] == ["c"]


def test_what_a_change_names_is_entered_with_it(engine: Engine) -> None:
    add(engine, CAMERA, "top", {"line": "1"}, HANAKO)
    change(engine, LINE, "1", {"lot": "monday"}, HANAKO)
    change(engine, LOT, "monday", {"grower": "Sato"}, HANAKO)
    assert get(engine, GROWER, "Sato")["note"] is None
    assert [(action, subject) for action, subject, _ in trail(engine)] == [
        ("camera.added", "top"), ("line.added", "1"), ("line.changed", "1"), ("lot.added", "monday"),
        ("lot.changed", "monday"), ("grower.added", "Sato"),
    ]  # fmt: skip


def test_a_closed_lot_leaves_its_lines_and_runs_on_none(engine: Engine) -> None:
    for line in ("1", "2", "3"):
        add(engine, LINE, line, {"lot": "A" if line != "3" else "B"}, HANAKO)
    at = datetime(2026, 11, 23, 18, 0, tzinfo=UTC)
    assert change(engine, LOT, "A", {"closed_at": at}, HANAKO)["closed_at"] == "2026-11-23T18:00:00.000Z"
    assert [row["lot"] for row in page(engine, LINE, 9)] == [None, None, "B"]
    again = change(engine, LOT, "A", {"closed_at": datetime(2027, 1, 1, tzinfo=UTC)}, HANAKO)
    assert again["closed_at"] == "2026-11-23T18:00:00.000Z", "it was closed when it was closed first"
    before = trail(engine)
    with pytest.raises(InvalidRequest, match="closed"):
        change(engine, LINE, "3", {"lot": "A", "note": "x"}, HANAKO)
    assert get(engine, LINE, "3") | {"created_at": ""} == {"name": "3", "lot": "B", "note": None, "created_at": ""}
    assert trail(engine) == before
    assert change(engine, LOT, "A", {"closed_at": None}, HANAKO)["closed_at"] is None
    assert change(engine, LINE, "3", {"lot": "A"}, HANAKO)["lot"] == "A"


def test_nothing_is_deleted_that_something_names(engine: Engine) -> None:
    put_gradings(engine, [grading(1, camera="top", line="1", lot="A")])
    add(engine, LOT, "B", {"grower": "Sato"}, HANAKO)
    add(engine, LOT, "A", {}, HANAKO)
    add(engine, LINE, "2", {"lot": "B"}, HANAKO)
    add(engine, LINE, "1", {}, HANAKO)
    add(engine, CAMERA, "side", {"line": "2"}, HANAKO)
    add(engine, CAMERA, "top", {}, HANAKO)
    named = [(GROWER, "Sato"), (LOT, "A"), (LOT, "B"), (LINE, "1"), (LINE, "2"), (CAMERA, "top")]
    before = trail(engine)
    for kind, name in named:
        with pytest.raises(InUse) as caught:
            remove(engine, kind, name, HANAKO)
        assert (caught.value.facts["kind"], caught.value.facts["name"]) == (kind.word, name)
        assert get(engine, kind, name)
    assert trail(engine) == before
    for kind, name in ((CAMERA, "side"), (LINE, "2"), (LOT, "B"), (GROWER, "Sato")):
        remove(engine, kind, name, HANAKO)
