"""What pages that watch are told of alarms: every change once, and nothing that nobody knows."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.exc import OperationalError

from service.monitor.alarms import Alarms
from service.monitor.feed import AlarmFeed
from service.records.alarms import acknowledge
from tests.service.records.opened import opened_database


@pytest.fixture
def engine(any_database: str) -> Iterator[Engine]:
    with opened_database(any_database) as engine:
        yield engine


def told(feed: AlarmFeed) -> list[tuple[str, bool, str | None]]:
    """(name, open, acknowledged by)"""
    return [(alarm["name"], alarm["until"] is None, alarm["acknowledged_by"]) for alarm in feed.changes()]


def gone(_: Any, __: Any, statement: str, *___: Any) -> None:
    """As a driver says it whose server does not answer."""
    raise OperationalError(statement, None, ConnectionError("the server is gone"))


def test_each_change_is_told_once(engine: Engine) -> None:
    alarms, feed = Alarms(engine), AlarmFeed(Alarms(engine), engine)  # raised in one worker, watched in another
    assert told(feed) == []
    alarms.raise_("disk_low", "little")
    alarms.raise_("clock_jumped", "by a year")
    alarms.flush()
    assert told(feed) == [("disk_low", True, None), ("clock_jumped", True, None)]
    assert told(feed) == []
    acknowledge(engine, feed.open()[0]["id"], "hanako")
    assert told(feed) == [("disk_low", True, "hanako")]
    alarms.clear("disk_low")
    alarms.flush()
    assert told(feed) == [("disk_low", False, "hanako")]
    assert told(feed) == []
    assert [alarm["name"] for alarm in feed.open()] == ["clock_jumped"]


def test_while_the_database_is_away_no_alarm_is_said_to_be_over(engine: Engine) -> None:
    other, own = Alarms(engine), Alarms(engine)
    feed = AlarmFeed(own, engine)
    other.raise_("disk_low", "little")
    other.flush()
    assert told(feed) == [("disk_low", True, None)]
    event.listen(engine, "before_cursor_execute", gone)
    own.raise_("database_away", "no answer")
    assert told(feed) == [("database_away", True, None)]
    event.remove(engine, "before_cursor_execute", gone)
    own.flush()
    assert told(feed) == []
    other.clear("disk_low")
    other.flush()
    assert told(feed) == [("disk_low", False, None)]


def test_without_records_what_was_cleared_is_over() -> None:
    alarms = Alarms(None)
    feed = AlarmFeed(alarms, None)
    alarms.raise_("disk_low", "little")
    assert told(feed) == [("disk_low", True, None)]
    alarms.clear("disk_low")
    assert told(feed) == [("disk_low", False, None)]
    assert told(feed) == []
