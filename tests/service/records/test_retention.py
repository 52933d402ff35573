"""Which photographs are deleted, in which order, and which never."""

import json
import os
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from sqlalchemy import Engine, delete, func, insert, select, update

from service.records.clock import ClockGuard
from service.records.database import migrate, open_database
from service.records.disk import Disk, Watermark
from service.records.folder import GRACE_S
from service.records.keeping import Interest
from service.records.photographs import PhotographStore
from service.records.retention import Retention
from service.records.rows import to_row
from service.records.spool import Spool
from service.records.tables import batch_photographs, batches, gradings, photograph_shares
from service.settings import Settings
from tests.service.gradings import grading
from tests.service.records.alarm_list import AlarmList
from tests.service.records.fake_object_store import FakeRemote, FakeSystem
from tests.service.running import until

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


class Shed:
    """A database and a folder of photographs, filled by hand."""

    def __init__(self, home: Path, engine: Engine) -> None:
        self.home, self.engine, self.alarms = home, engine, AlarmList()
        self.free_mib = 10_000
        self.watermark = Watermark(home, 1000 * 2**20, self.alarms, lambda _: Disk(2**40, self.free_mib * 2**20))
        self.store = PhotographStore(home / "photographs", watermark=self.watermark)

    def keep(self, days_ago: float, interest: Interest | None = Interest.ORDINARY, content: bytes | None = None) -> str:
        """A grading of so many days ago with its photograph of 1 MiB (as recorded); return its key."""
        content = content if content is not None else os.urandom(100)
        key = self.store.key(content, "jpeg")
        there = self.store.put(key, content)
        file = self.store.folder.root / key[:2] / key
        old = time.time() - 2 * GRACE_S
        os.utime(file, (old, old))
        row = to_row(grading(received_at=NOW - timedelta(days=days_ago), photograph=key))
        row |= {"photograph_bytes": 2**20, "photograph_interest": None if interest is None else int(interest)}
        with self.engine.begin() as connection:
            connection.execute(insert(gradings), [row])
            if there:
                connection.execute(insert(photograph_shares), [{"photograph": key, "grading_id": row["id"]}])
        return key

    def label(self, key: str) -> None:
        batch = {"id": key[:36], "name": "b", "images": 1, "report": {}, "created_by": "a", "created_at": NOW}
        with self.engine.begin() as connection:
            connection.execute(insert(batches), [batch])
            connection.execute(insert(batch_photographs), [{"batch_id": key[:36], "photograph": key}])

    def retention(self, **settings: Any) -> Retention:
        chosen = Settings(**{"home": self.home, **settings})
        return Retention(self.engine, self.store, chosen, self.alarms, ClockGuard(lambda: 0.0, lambda: 0.0))

    def run(self, **settings: Any) -> dict[str, int]:
        return self.retention(**settings).run_once(NOW)

    def live(self) -> list[str]:
        """Keys that a grading names, oldest first."""
        named = gradings.c.photograph_deleted_at.is_(None)
        with self.engine.connect() as connection:
            return list(connection.scalars(select(gradings.c.photograph).where(named).order_by(gradings.c.received_at)))

    def stored(self) -> set[str]:
        return {name for name, _ in self.store.folder.files()}


@pytest.fixture
def shed(tmp_path: Path, any_database: str) -> Iterator[Shed]:
    engine = open_database(any_database)
    migrate(engine)
    made = Shed(tmp_path, engine)
    yield made
    made.store.close()
    engine.dispose()


def test_nothing_goes_unless_somebody_said_so(shed: Shed) -> None:
    kept = [shed.keep(20, interest) for interest in (None, *Interest)]
    shed.keep(0)
    assert shed.run() == {"age": 0, "size": 0, "room": 0, "held": 0}
    assert shed.stored() > set(kept)


def test_ordinary_ones_go_before_interesting_ones_and_the_record_says_when(shed: Shed) -> None:
    recent = shed.keep(4)
    ordinary = [shed.keep(6), shed.keep(20, None)]
    interesting = [shed.keep(6, interest) for interest in Interest if interest]
    assert shed.run(keep_days=5) == {"age": 2, "size": 0, "room": 0, "held": 0}
    assert shed.stored() == {recent, *interesting}
    assert set(shed.live()) == {recent, *interesting}
    with shed.engine.connect() as connection:
        deleted = connection.execute(select(gradings.c.photograph, gradings.c.photograph_deleted_at)).all()
    assert {row[0]: row[1] for row in deleted if row[1]} == dict.fromkeys(ordinary, NOW)
    assert shed.run(keep_days=5)["age"] == 0


def test_interesting_ones_have_an_age_of_their_own_and_labelled_ones_none(shed: Shed) -> None:
    recent, ordinary = shed.keep(4, Interest.UNSURE), shed.keep(20)
    for interest in (Interest.UNSURE, Interest.DISAGREEMENT, Interest.SAMPLE, Interest.CORRECTED):
        shed.keep(6, interest)
    labelled = shed.keep(20, Interest.LABELLED)
    assert shed.run(keep_interesting_days=5)["age"] == 4
    assert shed.stored() == {recent, ordinary, labelled}


def test_what_a_batch_names_stays_whatever_its_gradings_say(shed: Shed) -> None:
    named, unnamed = shed.keep(20), shed.keep(20)
    shed.label(named)
    assert shed.run(keep_days=5, keep_bytes=1)["age"] == 1
    assert shed.stored() == {named}
    with shed.engine.connect() as connection:
        interest = connection.scalar(select(gradings.c.photograph_interest).where(gradings.c.photograph == named))
    assert interest == Interest.LABELLED, "and is not looked at again"
    assert unnamed not in shed.live()


def test_more_than_a_batch_of_them(shed: Shed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.records.retention.BATCH", 7)
    for number in range(30):
        shed.keep(10 + number)
    kept = shed.keep(1)
    assert shed.run(keep_days=5)["age"] == 30
    assert shed.stored() == {kept}


def test_by_size_the_least_interesting_go_first_and_the_oldest_of_those(shed: Shed) -> None:
    order = [
        shed.keep(3, None),
        shed.keep(2),
        shed.keep(1),
        shed.keep(9, Interest.DISAGREEMENT),
        shed.keep(8, Interest.UNSURE),
        shed.keep(7, Interest.DISAGREEMENT),
        shed.keep(19, Interest.CORRECTED),
        shed.keep(18, Interest.SAMPLE),
        shed.keep(17, Interest.CORRECTED),
    ]
    labelled = shed.keep(30, Interest.LABELLED)
    for remaining in range(len(order), -1, -1):
        counts = shed.run(keep_bytes=(remaining + 1) * 2**20)
        assert counts == {"age": 0, "size": 0 if remaining == len(order) else 1, "room": 0, "held": 0}
        assert shed.stored() == {labelled, *order[len(order) - remaining :]}
    assert shed.run(keep_bytes=1)["size"] == 0, "labelled ones stay, whatever that costs"
    assert shed.stored() == {labelled}


def test_a_low_disk_takes_only_what_need_not_be_kept_for_ever(shed: Shed) -> None:
    for days_ago in range(1, 400):
        shed.keep(days_ago / 100, content=str(days_ago).encode())
    interesting = [shed.keep(5, Interest.UNSURE)]
    shed.free_mib = 900
    assert not shed.watermark.check()
    assert shed.run()["room"] == 0
    assert shed.run(keep_interesting_days=30)["room"] == 1, "the ordinary ones are for ever"
    assert interesting[0] not in shed.stored()
    interesting = [shed.keep(5, Interest.UNSURE)]
    assert shed.run(keep_days=30)["room"] == 300, "to 20 % above the reserve"
    assert len(shed.stored()) == 100
    assert interesting[0] in shed.stored()
    assert shed.store.key(b"1", "jpeg") in shed.stored(), "the oldest went first"
    shed.free_mib = 1200
    assert shed.watermark.check()
    assert shed.run(keep_days=30)["room"] == 0


# --- shared photographs ---


@pytest.mark.parametrize("older_is_interesting", [False, True])
def test_a_shared_photograph_goes_with_the_last_grading_that_names_it(shed: Shed, older_is_interesting: bool) -> None:
    first, second = (Interest.SAMPLE, Interest.ORDINARY) if older_is_interesting else (Interest.ORDINARY, Interest.ORDINARY)
    key = shed.keep(20, first, b"the same")
    assert shed.keep(10 if older_is_interesting else 3, second, b"the same") == key
    shed.keep(1, Interest.ORDINARY)
    assert shed.run(keep_days=5)["age"] == 1
    assert shed.live().count(key) == 1
    assert key in shed.stored(), "one of the two still names it"
    assert shed.run(keep_days=2, keep_interesting_days=2)["age"] == 1
    assert key not in shed.stored()
    with shed.engine.connect() as connection:
        left = connection.scalar(select(func.count()).select_from(photograph_shares))
    assert left == 0


def test_one_that_was_just_put_again_stays_though_its_record_is_not_there_yet(shed: Shed) -> None:
    key = shed.keep(20, content=b"again")
    shed.keep(1)
    assert shed.store.put(key, b"again") is True  # its grading is about to be committed
    assert shed.run(keep_days=5)["age"] == 1
    assert key in shed.stored()
    shed.keep(20)
    assert shed.run(keep_days=5)["age"] == 1, "which does not forget it"
    assert key in shed.stored()
    old = time.time() - 2 * GRACE_S
    os.utime(shed.store.folder.root / key[:2] / key, (old, old))
    shed.run(keep_days=5)  # whose record never came
    assert key not in shed.stored()
    assert not (shed.home / "photographs" / ".deleting").exists()


def test_a_grading_that_changed_meanwhile_is_left_alone(shed: Shed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody corrects it between the look and the deletion."""
    key = shed.keep(20)
    shed.keep(1)
    retention = shed.retention(keep_days=5)
    look = retention._oldest

    def and_correct(kinds: Any, before: datetime) -> Any:
        found = list(look(kinds, before))
        with shed.engine.begin() as connection:
            correct = update(gradings).where(gradings.c.photograph == key)
            connection.execute(correct.values(photograph_interest=int(Interest.CORRECTED)))
        return iter(found)

    monkeypatch.setattr(retention, "_oldest", and_correct)
    assert retention.run_once(NOW)["age"] == 0
    assert key in shed.stored()


def test_in_an_object_store_too(shed: Shed) -> None:
    """It is not asked, at each photograph, whether it has it already: the gradings tell who names one."""
    system = FakeSystem()
    spool = Spool(shed.home / "photographs", FakeRemote(system, "bucket"), 2**20)
    shed.store = PhotographStore(shed.home / "photographs", spool=spool, watermark=shed.watermark)
    shared = shed.keep(20, content=b"shared")
    spool.upload()
    assert shed.keep(3, content=b"shared") == shared
    old, recent, labelled = shed.keep(20), shed.keep(1), shed.keep(20)
    shed.label(labelled)
    spool.upload()
    again = shed.keep(20, content=b"again")
    assert {name.rpartition("/")[2] for name in system.objects} == {shared, old, recent, labelled}
    system.written = dict.fromkeys(system.written, 0.0)
    shed.free_mib = 1
    shed.watermark.check()
    assert shed.run(keep_days=5) == {"age": 3, "size": 0, "room": 0, "held": 0}, "room on this disk is not made there"
    assert {name.rpartition("/")[2] for name in system.objects} == {shared, recent, labelled}
    assert shed.stored() == {again}, "on its way"


# --- crashes, journals, clocks ---


@pytest.mark.parametrize("cut_off", ["before it marked", "after it marked"])
def test_a_run_that_was_cut_off_is_finished_by_the_next(shed: Shed, cut_off: str) -> None:
    key, shared = shed.keep(20), shed.keep(20, content=b"shared")
    shed.keep(1, content=b"shared")
    if cut_off == "after it marked":
        with shed.engine.begin() as connection:
            mark = update(gradings).where(gradings.c.received_at < NOW - timedelta(days=5))
            connection.execute(mark.values(photograph_deleted_at=NOW))
    (shed.home / "photographs" / ".deleting").write_text(json.dumps([key, shared]))
    counts = shed.run(keep_days=5)
    assert counts["age"] == (2 if cut_off == "before it marked" else 0)
    assert shed.stored() == {shared}
    assert not (shed.home / "photographs" / ".deleting").exists()


def test_nothing_goes_while_a_journal_waits_for_the_database(shed: Shed) -> None:
    key = shed.keep(20)
    shed.keep(1)
    journal = shed.home / "journal"
    journal.mkdir()
    (journal / "1.journal").write_text("")
    (journal / "refused").write_text("for a person to look at")
    (journal / "2.journal").write_text("something\n")
    named_by_it = shed.keep(0)
    with shed.engine.begin() as connection:
        connection.execute(delete(gradings).where(gradings.c.photograph == named_by_it))
    (shed.home / "photographs" / ".deleting").write_text(json.dumps([named_by_it]))
    assert shed.run(keep_days=5, keep_bytes=1) == {"age": 0, "size": 0, "room": 0, "held": 1}
    assert {key, named_by_it} <= shed.stored()
    (journal / "2.journal").unlink()
    assert shed.run(keep_days=5)["age"] == 1


def test_a_clock_that_jumped_ahead_deletes_nothing(shed: Shed) -> None:
    key = shed.keep(1)
    assert shed.retention(keep_days=5).run_once(NOW + timedelta(days=365))["held"] == 1
    assert "365 days ago" in shed.alarms.open["clock_jumped"] or "366 days ago" in shed.alarms.open["clock_jumped"]
    assert key in shed.stored()
    assert shed.run(keep_days=5, keep_bytes=2**30)["held"] == 0
    assert "clock_jumped" not in shed.alarms.open


def test_sizes_are_kept_whatever_the_clock_says(shed: Shed) -> None:
    for days_ago in (1, 2, 3):
        shed.keep(days_ago)
    counts = shed.retention(keep_days=5, keep_bytes=2 * 2**20).run_once(NOW + timedelta(days=365))
    assert counts == {"age": 0, "size": 1, "room": 0, "held": 1}


# --- the thread ---


@pytest.mark.anyio
async def test_one_process_deletes_by_itself(
    shed: Shed, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("service.records.retention.LOOKS_EVERY_S", 0.01)
    runs: list[str] = []

    def record(name: str) -> Callable[[], dict[str, int]]:
        def run() -> dict[str, int]:
            runs.append(name)
            return {"age": 1, "size": 0, "room": 0, "held": 0}

        return run

    first, second = shed.retention(keep_days=5), shed.retention(keep_days=5)
    monkeypatch.setattr(first, "run_once", record("first"))
    monkeypatch.setattr(second, "run_once", record("second"))
    with caplog.at_level("INFO"):
        first.start()
        await until(lambda: runs == ["first"])
        second.start()
        await anyio.sleep(0.2)
        assert runs == ["first"], "the next is due in ten minutes, and the second waits for the first to stop"
        first.stop()
        await until(lambda: "second" in runs)
        second.stop()
    assert "photographs deleted: 1 by age, 0 by size, 0 to make room" in caplog.text


@pytest.mark.anyio
async def test_a_low_disk_does_not_wait_for_the_next_turn(shed: Shed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.records.retention.LOOKS_EVERY_S", 0.01)
    monkeypatch.setattr("service.records.retention.ROOM_EVERY_S", 0.05)
    keys = {shed.keep(1) for _ in range(3)}
    retention = shed.retention(keep_days=365_000)
    retention.start()
    await anyio.sleep(0.2)
    assert shed.stored() == keys
    shed.free_mib = 999
    shed.watermark.check()
    await until(lambda: not shed.stored())
    retention.stop()


@pytest.mark.anyio
async def test_a_database_that_is_away_is_tried_again(
    shed: Shed, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("service.records.retention.LOOKS_EVERY_S", 0.01)
    monkeypatch.setattr("service.records.retention.RUNS_EVERY_S", 0.0)
    key = shed.keep(20_000)  # whenever this runs
    with shed.engine.begin() as connection:
        connection.execute(insert(gradings), [to_row(grading(received_at=datetime.now(UTC)))])
    retention = shed.retention(keep_days=5)
    run = retention.run_once
    tries = 0

    def away_at_first() -> dict[str, int]:
        nonlocal tries
        tries += 1
        if tries == 1:
            raise OSError(5, "Input/output error")
        return run()

    monkeypatch.setattr(retention, "run_once", away_at_first)
    retention.start()
    await until(lambda: key not in shed.stored())
    retention.stop()
    assert "tried again in a while: [Errno 5] Input/output error" in caplog.text
