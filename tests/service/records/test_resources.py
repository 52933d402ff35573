"""Growers, lots, lines and cameras: entered, changed and deleted where nothing is lost, all of it in the trail."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from service.errors import AlreadyExists, InUse, InvalidRequest, NotFound
from service.grading import rfc3339
from service.records.audit import AuditFilters
from service.records.audit import page as audit_page
from service.records.resources import CAMERA, GROWER, KINDS, LINE, LOT, Kind, Signature, add, change, get, page, remove
from service.security.keys import Keys
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


def test_cameras_say_when_they_were_seen_and_which_keys_speak_for_them(engine: Engine) -> None:
    keys = Keys(engine)
    rows = [grading(1, camera="top", line="1"), grading(5, camera="top", line="2"), grading(3, camera="side", lot="A")]
    assert page(engine, CAMERA, 10) == []
    long_ago = replace(grading(7, camera="put away"), received_at=rows[0].received_at - timedelta(days=30))
    put_gradings(engine, [*rows, long_ago, grading(9), grading(8, camera="not entered")])
    for name in ("idle", "put away", "side", "top"):
        add(engine, CAMERA, name, {}, HANAKO)
    bound = [keys.add(f"key {n}", "top", by="boss")[0].prefix for n in range(3)]
    keys.add("any", by="boss")
    keys.revoke(bound[1], by="boss")
    newest = {
        "idle": None,
        "put away": rfc3339(long_ago.received_at),
        "side": rfc3339(rows[2].received_at),
        "top": rfc3339(rows[1].received_at),
    }
    found = page(engine, CAMERA, 10)
    assert {one["name"]: one["last_seen_at"] for one in found} == newest
    assert {one["name"]: one["keys"] for one in found} == {"idle": [], "put away": [], "side": [], "top": [bound[0], bound[2]]}
    assert get(engine, CAMERA, "top") == found[3] == change(engine, CAMERA, "top", {}, HANAKO)
    assert page(engine, CAMERA, 10, after="top") == []
