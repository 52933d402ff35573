"""What lines and cameras do now, as counting by hand has it."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, insert

from service.farm import Farm
from service.grading import rfc3339
from service.records import activity as module
from service.records.activity import activity
from service.records.tables import cameras, lines, lots
from tests.service.gradings import NOON, grading
from tests.service.records.opened import opened_database, put_gradings

NOW = NOON + timedelta(seconds=30)
FARM = Farm(time_zone="Asia/Tokyo", shift_starts=("06:00", "14:00"))


@pytest.fixture
def engine(any_database: str) -> Iterator[Engine]:
    with opened_database(any_database) as opened:
        yield opened


def at(seconds_before: float, **changes: Any) -> Any:
    return grading(received_at=NOW - timedelta(seconds=seconds_before), **changes)


def asked(engine: Engine, line: str | None = None, now: datetime = NOW) -> dict[str, Any]:
    with engine.connect() as connection:
        return activity(connection, FARM, line, now)


def test_an_empty_service_is_idle(engine: Engine) -> None:
    found = asked(engine)
    assert found["now"] == rfc3339(NOW)
    assert found["shift"] == {"since": "2026-11-23T14:00:00+09:00", "until": "2026-11-24T06:00:00+09:00", "start": "14:00"}
    assert [minute["count"] for minute in found["minutes"]] == [0] * 60
    assert (found["minutes"][0]["at"], found["minutes"][-1]["at"]) == ("2026-11-23T11:01:00.000Z", "2026-11-23T12:00:00.000Z")
    assert (found["lines"], found["truncated"]) == ([], False)


def test_minutes_are_counted_each_and_of_one_line(engine: Engine) -> None:
    made = [at(7 * number, line=str(number % 3), camera="top") for number in range(700)]
    put_gradings(engine, made)
    for line in (None, "1", "no such line"):
        minutes = asked(engine, line)["minutes"]
        for minute in minutes:
            begun = datetime.fromisoformat(minute["at"])
            inside = [one for one in made if begun <= one.received_at < begun + timedelta(minutes=1)]
            assert minute["count"] == sum(line in (None, one.origin.line) for one in inside)
    assert sum(minute["count"] for minute in asked(engine)["minutes"]) > 500


def test_lines_with_their_cameras_lots_and_growers(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(insert(lots), [{"name": "A", "grower": "山田", "created_at": NOON}])
        entered = [{"name": "1", "lot": "A"}, {"name": "2", "lot": "not entered"}, {"name": "3", "lot": None}]
        connection.execute(insert(lines), [{**row, "created_at": NOON} for row in entered])
        stand = [("top", "1"), ("side", "1"), ("spare", None), ("moved", "2")]
        connection.execute(insert(cameras), [{"name": name, "line": line, "created_at": NOON} for name, line in stand])
    put_gradings(
        engine,
        [
            *(at(number, line="1", camera="top") for number in range(0, 90, 3)),
            at(5, line="1"),
            at(3 * 3600, line="1", camera="moved"),
            at(23 * 3600, line="new", camera="new"),
            at(26 * 3600, line="old", camera="old"),
            at(26 * 3600, line="3", camera="gone"),
            at(26 * 3600, line="1", camera="side"),
            at(40 * 24 * 3600, camera="spare"),
        ],
    )
    found = {line["name"]: line for line in asked(engine)["lines"]}
    assert list(found) == ["1", "2", "3", "new", None]
    assert [(line["lot"], line["grower"]) for line in found.values()] == [
        ("A", "山田"), ("not entered", None), (None, None), (None, None), (None, None),
    ]  # fmt: skip
    first = found["1"]
    assert (first["per_minute"], first["last_received_at"]) == (22, rfc3339(NOW))
    assert first["cameras"] == [
        {"name": "moved", "last_received_at": rfc3339(NOW - timedelta(hours=3)), "per_minute": 0},
        {"name": "side", "last_received_at": rfc3339(NOW - timedelta(hours=26)), "per_minute": 0},
        {"name": "top", "last_received_at": rfc3339(NOW), "per_minute": 21},
        {"name": None, "last_received_at": rfc3339(NOW - timedelta(seconds=5)), "per_minute": 1},
    ]
    assert found["2"]["cameras"] == [{"name": "moved", "last_received_at": None, "per_minute": 0}]
    # a line that is entered says when something came, also from a camera that is not shown any more
    assert (found["3"]["last_received_at"], found["3"]["cameras"]) == (rfc3339(NOW - timedelta(hours=26)), [])
    assert found[None]["cameras"] == [{"name": "spare", "last_received_at": None, "per_minute": 0}]


def test_names_without_end_are_cut_to_those_heard_of_last(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_PLACES", 3)
    put_gradings(engine, [at(10 * number, line=f"line {number}", camera="c") for number in range(6)])
    found = asked(engine)
    assert ([line["name"] for line in found["lines"]], found["truncated"]) == (["line 0", "line 1", "line 2"], True)
