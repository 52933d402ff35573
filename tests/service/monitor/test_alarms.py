"""Alarms: raised from anywhere at no cost, on record once each, held while the database is away."""

import logging
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from sqlalchemy import Engine

from service.monitor import alarms as module
from service.monitor.alarms import MAX_UNWRITTEN, Alarms
from service.records.alarms import page
from service.records.database import migrate, open_database
from tests.service.records.opened import opened_database
from tests.service.running import until


@pytest.fixture
def engine(any_database: str) -> Iterator[Engine]:
    with opened_database(any_database) as engine:
        yield engine


def on_record(engine: Engine) -> list[tuple[str, str, bool]]:
    """(name, severity, open), oldest first."""
    return [(alarm.name, alarm.severity, alarm.until is None) for alarm in reversed(page(engine))]


def test_an_alarm_is_opened_once_and_closed_once(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    alarms = Alarms(engine)
    with caplog.at_level(logging.INFO):
        for free in (90, 80, 70):
            alarms.raise_("disk_low", f"{free} MiB are free")
        assert [(one["name"], one["detail"]) for one in alarms.open()] == [("disk_low", "90 MiB are free")]
        assert alarms.flush()
        assert REGISTRY.get_sample_value("senka_alarm", {"name": "disk_low"}) == 1
        for _ in range(3):
            alarms.clear("disk_low")
        assert alarms.open() == []
        assert alarms.flush()
    assert REGISTRY.get_sample_value("senka_alarm", {"name": "disk_low"}) == 0
    assert on_record(engine) == [("disk_low", "warning", False)]
    assert len(caplog.records) == 2, caplog.text


def test_a_graver_one_takes_the_place_and_a_milder_one_does_not(engine: Engine) -> None:
    alarms = Alarms(engine)
    alarms.raise_("disk_low", "little")
    alarms.flush()
    alarms.raise_("disk_low", "nothing", "critical")
    alarms.flush()
    alarms.raise_("disk_low", "little again")
    alarms.flush()
    assert on_record(engine) == [("disk_low", "critical", True)]
    assert alarms.open()[0]["detail"] == "nothing"


def test_two_workers_share_one_alarm_which_is_open_while_either_has_it(engine: Engine) -> None:
    one, other = Alarms(engine), Alarms(engine)
    for worker in (one, other):
        worker.raise_("database_away", "no answer")
        assert worker.flush()
    assert on_record(engine) == [("database_away", "warning", True)]
    assert [alarm["id"] for alarm in one.open()] == [alarm["id"] for alarm in other.open()]
    one.clear("database_away")
    one.flush()
    assert other.flush()
    assert on_record(engine) == [("database_away", "warning", False), ("database_away", "warning", True)]
    other.clear("database_away")
    other.flush()
    one.flush()
    assert [is_open for _, _, is_open in on_record(engine)] == [False, False]


def test_what_a_process_that_was_killed_left_open_is_closed_by_the_next_one(engine: Engine) -> None:
    killed = Alarms(engine)
    killed.raise_("disk_low", "little")
    killed.flush()
    after = Alarms(engine)
    assert [one["name"] for one in after.open()] == ["disk_low"]
    after.clear("disk_low")
    assert after.open() == []
    after.flush()
    assert on_record(engine) == [("disk_low", "warning", False)]


def test_with_the_database_away_they_are_held_and_written_later(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'senka.db'}")  # without tables: nothing can be written
    alarms = Alarms(engine)
    alarms.raise_("object_store_away", "no answer")
    alarms.clear("object_store_away")
    alarms.raise_("database_away", "no answer", "critical")
    assert not alarms.flush()
    assert not alarms.flush()
    assert [one["name"] for one in alarms.open()] == ["database_away"]
    assert caplog.text.count("held in memory") == 1
    migrate(engine)
    assert alarms.flush()
    assert on_record(engine) == [("object_store_away", "warning", False), ("database_away", "critical", True)]
    engine.dispose()


def test_what_waits_is_bounded_and_what_is_raised_now_is_kept(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'senka.db'}")
    alarms = Alarms(engine)
    alarms.raise_("clock_jumped", "by a year")
    for _ in range(MAX_UNWRITTEN):
        alarms.raise_("disk_low", "little")
        alarms.clear("disk_low")
    assert not alarms.flush()
    migrate(engine)
    assert alarms.flush()
    assert alarms.flush()
    assert [(name, is_open) for name, _, is_open in on_record(engine) if is_open] == [("clock_jumped", True)]
    assert len(on_record(engine)) <= MAX_UNWRITTEN
    engine.dispose()


def test_without_records_they_live_in_memory() -> None:
    alarms = Alarms(None)
    alarms.start()
    alarms.raise_("disk_low", "little")
    assert [one["detail"] for one in alarms.open()] == ["little"]
    alarms.clear("disk_low")
    assert alarms.open() == []
    alarms.close()


@pytest.mark.anyio
async def test_a_thread_writes_and_opens_again_what_another_worker_closed(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REASSERT_S", 0.05)
    alarms = Alarms(engine)
    alarms.start()
    alarms.raise_("disk_low", "little")
    await until(lambda: on_record(engine) == [("disk_low", "warning", True)])
    other = Alarms(engine)
    other.clear("disk_low")
    other.flush()
    await until(lambda: on_record(engine) == [("disk_low", "warning", False), ("disk_low", "warning", True)])
    alarms.close()
    assert on_record(engine)[-1][2], "a stopped service does not mend a disk"


def test_many_threads_raise_and_clear_and_nothing_is_left_open(engine: Engine) -> None:
    alarms = Alarms(engine)
    alarms.start()

    def work(number: int) -> None:
        for _ in range(50):
            alarms.raise_(f"alarm {number % 3}", "x")
            alarms.clear(f"alarm {number % 3}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for number in range(3):
        alarms.clear(f"alarm {number}")
    alarms.close()
    assert alarms.open() == []
    assert not [name for name, _, is_open in on_record(engine) if is_open]
