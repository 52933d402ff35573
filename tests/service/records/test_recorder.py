"""On record, whatever happens: the database away and back, a process killed in the middle, a full disk."""

import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, func, select, text
from sqlalchemy.exc import DatabaseError, DataError, DBAPIError, OperationalError, ProgrammingError

from service.errors import PhotographNotStored, RecordsUnavailable
from service.grading import Grading
from service.records import database
from service.records import recorder as module
from service.records.database import RECORDING_LOCK, migrate, open_database
from service.records.entry import Entry
from service.records.journal import REFUSED, Journal, encode
from service.records.photographs import PhotographStore
from service.records.recorder import AWAY, Recorder
from service.records.recorder import REFUSED as REFUSED_ALARM
from service.records.rows import from_row
from service.records.tables import grading_aliases, gradings, photograph_shares, tallies
from service.records.writing import Writer
from tests.service.gradings import grading
from tests.service.records.alarm_list import AlarmList

MEBIBYTE = 2**20


@dataclass
class House:
    """One process's records on a database that can be taken away."""

    engine: Engine
    folder: Path
    away: bool = False
    alarms: AlarmList = field(default_factory=AlarmList)
    started: list[Recorder] = field(default_factory=list)

    def __post_init__(self) -> None:
        event.listen(self.engine, "begin", self._begin)
        self.photographs = PhotographStore(self.folder / "photographs")
        self.journal = Journal(self.folder / "journal", 64 * MEBIBYTE)  # more than any test fills, however slow the machine
        self.recorder = self.open(self.journal)

    def open(self, journal: Journal | None) -> Recorder:
        self.started.append(Recorder(self.engine, self.photographs, journal, self.alarms))
        return self.started[-1]

    def _begin(self, connection: Connection) -> None:
        if self.away:
            raise OperationalError("BEGIN", {}, sqlite3.OperationalError("the server is gone"))

    def add(self, *ones: Grading) -> list[Grading]:
        return self.recorder.add([Entry(one) for one in ones])

    def on_record(self) -> list[Grading]:
        with self.engine.connect() as connection:
            return [from_row(row) for row in connection.execute(select(gradings).order_by(gradings.c.seq))]

    def counted(self) -> int:
        with self.engine.connect() as connection:
            return connection.execute(select(func.coalesce(func.sum(tallies.c.count), 0))).scalar_one()

    def until_drained(self) -> None:
        until(lambda: not self.journal.waiting and self.recorder.away is None)


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.005)


def keyed(key: str, body: str = "a", **changes: Any) -> Grading:
    return grading(idempotency_key=f":{key}", body_sha256=body * 64, **changes)


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    monkeypatch.setattr(module, "PROBES_EVERY_S", 0.05)
    monkeypatch.setattr(module, "SWEEPS_EVERY_S", 0.05)
    engine = open_database(f"sqlite:///{tmp_path / 'senka.db'}")
    migrate(engine)
    made = House(engine, tmp_path)
    try:
        yield made
    finally:
        made.away = False
        for one in made.started:
            one.close()
        made.photographs.close()
        engine.dispose()


def test_photographs_go_before_the_rows_that_name_them(house: House) -> None:
    one = grading(photograph="ab" * 32 + ".jpg", photograph_bytes=5, interest=0)
    again = grading(photograph=one.photograph, photograph_bytes=5, interest=0)
    assert house.recorder.add([Entry(one, b"bytes")]) == [one]
    assert house.recorder.add([Entry(again, b"bytes"), Entry(grading())])[0] == again
    assert house.photographs.get(str(one.photograph)) == (b"bytes", "image/jpeg")
    with house.engine.connect() as connection:
        assert [tuple(row) for row in connection.execute(select(photograph_shares))] == [(one.photograph, again.id)]


def test_a_photograph_that_is_refused_costs_no_grading(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(key: str, data: bytes) -> bool:
        raise PhotographNotStored("No space left on device")

    monkeypatch.setattr(house.photographs, "put", refuse)
    one = grading(photograph="ab.jpg", photograph_bytes=5, interest=0)
    (kept,) = house.recorder.add([Entry(one, b"bytes")])
    assert kept == replace(one, photograph=None, photograph_bytes=None, interest=None)
    assert house.on_record() == [kept]


def test_what_came_while_the_database_was_away_is_on_record_when_it_is_back(house: House) -> None:
    house.recorder.start()
    before, during, after = grading(1), [grading(n) for n in range(2, 7)], grading(9)
    house.add(before)
    house.away = True
    for one in during:
        assert house.add(one) == [one]
    assert house.recorder.away == "the server is gone"
    assert list(house.alarms.open) == [AWAY]
    assert house.journal.waiting
    house.away = False
    house.until_drained()
    house.add(after)
    assert house.on_record() == [before, *during, after]
    assert house.counted() == 7
    assert [said for said in house.alarms.said if said[1] == AWAY] == [("cleared", AWAY), ("raised", AWAY), ("cleared", AWAY)]


def test_while_it_is_away_nobody_waits_for_it(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PROBES_EVERY_S", 60.0)
    tried: list[int] = []

    def slow(connection: Connection) -> None:
        tried.append(1)
        raise OperationalError("BEGIN", {}, sqlite3.OperationalError("timed out"))

    house.recorder.start()
    until(lambda: house.recorder._swept.is_set())
    event.listen(house.engine, "begin", slow)
    for number in range(20):
        house.add(grading(number))
    assert len(tried) == 1
    event.remove(house.engine, "begin", slow)


def test_keys_are_known_while_the_database_is_away(house: House) -> None:
    earlier, first, repeat, plain = keyed("e"), keyed("a"), keyed("a"), grading()
    house.add(earlier)
    assert house.recorder.find([":e", ":a"]) == [earlier, None]
    house.away = True
    assert house.add(first, plain) == [first, plain]
    assert house.add(repeat) == [first]
    assert house.recorder.find([":a", ":none", ":e"]) == [first, None, None]
    house.away = False
    house.recorder.start()
    house.until_drained()
    assert house.recorder.find([":a", ":e", ":none"]) == [first, earlier, None]
    assert house.on_record() == [earlier, first, plain]


def test_looking_up_finds_out_that_the_database_is_away(house: House) -> None:
    house.away = True
    assert house.recorder.find([":a"]) == [None]
    assert house.recorder.away
    with pytest.raises(RecordsUnavailable, match="the server is gone"):
        house.open(None).find([":a"])


def test_without_a_journal_a_database_that_is_away_is_said_at_once_and_tried_again(house: House) -> None:
    plain = house.open(None)
    house.away = True
    with pytest.raises(RecordsUnavailable, match="the server is gone"):
        plain.add([Entry(grading())])
    house.away = False
    plain.add([Entry(grading())])
    assert len(house.on_record()) == 1


@pytest.mark.parametrize("limit", [0, 1500])
def test_beyond_the_journals_bound_nothing_is_acknowledged(house: House, limit: int) -> None:
    journal = Journal(house.folder / "small", limit)
    recorder = house.open(journal)
    house.away = True
    kept = recorder.add([Entry(grading())]) if limit else []
    with pytest.raises(RecordsUnavailable, match=f"the server is gone, and no more than {limit:,} bytes may wait"):
        recorder.add([Entry(grading(1)), Entry(grading(2))])
    house.away = False
    recorder.start()
    until(lambda: not journal.waiting and recorder.away is None)
    assert house.on_record() == kept
    assert recorder.add([Entry(grading())])


def test_an_unwritable_journal_is_said_with_the_reason(house: House) -> None:
    (house.folder / "journal").write_text("a file where the folder should be")
    house.away = True
    with pytest.raises(RecordsUnavailable, match=r"the server is gone, and .*exists"):
        house.add(grading())


def test_a_locked_file_is_a_database_that_is_away(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "BUSY_TIMEOUT_S", 0.1)
    engine = open_database(f"sqlite:///{tmp_path / 'senka.db'}")
    journal = Journal(tmp_path / "other", MEBIBYTE)
    recorder = Recorder(engine, house.photographs, journal, house.alarms)
    other = sqlite3.connect(tmp_path / "senka.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    recorder.start()
    one = grading()
    assert recorder.add([Entry(one)]) == [one]
    assert recorder.away == "database is locked"
    time.sleep(0.3)
    assert recorder.away  # the lock is still held: what only reads would not have noticed
    other.execute("ROLLBACK")
    other.close()
    until(lambda: not journal.waiting)
    assert house.on_record() == [one]
    recorder.close()
    engine.dispose()


def test_the_journal_of_a_process_that_was_killed_is_put_on_record(house: House) -> None:
    house.away = True
    ones = [grading(1), keyed("a"), grading(2)]
    house.add(*ones)
    house.away = False
    house.journal.close()  # what a kill leaves: the file, and no lock
    later = Journal(house.folder / "journal", MEBIBYTE)
    recorder = house.open(later)
    recorder.start()
    assert house.on_record() == ones  # before anything new is taken
    assert house.counted() == 3
    assert list((house.folder / "journal").iterdir()) == []


def test_a_drain_that_is_cut_off_counts_nothing_twice(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "DRAINS_AT_ONCE", 2)
    house.away = True
    first, repeat = keyed("a"), keyed("a")
    house.add(*[grading(n) for n in range(5)], first)
    house.away = False
    with house.engine.begin() as connection:
        Writer().write(connection, [Entry(repeat)])  # meanwhile another worker had it
    write_again, done = Writer.write_again, []

    def cut(self: Writer, connection: Connection, entries: Any) -> None:
        write_again(self, connection, entries)
        done.append(entries)
        if len(done) == 2:
            connection.commit()
            raise KeyboardInterrupt  # killed between the commit and taking note of it

    with monkeypatch.context() as patched:
        patched.setattr(Writer, "write_again", cut)
        house.recorder._away = None
        with pytest.raises(KeyboardInterrupt):
            house.recorder._drain()
    house.journal.close()
    house.open(Journal(house.folder / "journal", MEBIBYTE)).start()
    assert len(house.on_record()) == 6
    assert house.counted() == 6
    with house.engine.connect() as connection:
        assert [tuple(row) for row in connection.execute(select(grading_aliases))] == [(first.id, repeat.id)]


@pytest.mark.parametrize("error", [DataError("INSERT", {}, sqlite3.DataError("cannot contain NUL")), OverflowError("too early")])
def test_a_line_that_the_database_refuses_is_set_aside_and_keeps_nobody_out(
    house: House, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    bad, good = grading(1, lot="bad"), [grading(2), grading(3)]
    house.away = True
    house.add(good[0], bad, good[1])
    write_again = Writer.write_again

    def picky(self: Writer, connection: Connection, entries: Any) -> None:
        if any(entry.grading.origin.lot == "bad" for entry in entries):
            raise error
        write_again(self, connection, entries)

    monkeypatch.setattr(Writer, "write_again", picky)
    house.away = False
    house.recorder.start()
    house.until_drained()
    assert house.on_record() == good
    assert bad.id.encode() in (house.folder / "journal" / REFUSED).read_bytes()
    assert list(house.alarms.open) == [REFUSED_ALARM]


def test_many_threads_lose_and_double_nothing_while_it_comes_and_goes(house: House) -> None:
    house.recorder.start()
    acknowledged: list[Grading] = []
    stop = threading.Event()

    def post() -> None:
        number = 0
        while not stop.wait(0.001):
            number += 1
            acknowledged.extend(house.add(grading(number), keyed(f"k{number % 50}")))

    threads = [threading.Thread(target=post) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(8):
        time.sleep(0.1)
        house.away = not house.away
    stop.set()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    house.away = False
    house.until_drained()
    there = house.on_record()
    ids = {one.id for one in there}
    with house.engine.connect() as connection:
        aliases = set(connection.execute(select(grading_aliases.c.id)).scalars())
    assert {one.id for one in acknowledged} <= ids | aliases
    assert not ids & aliases
    assert house.counted() == len(there) == len(ids)
    assert sum(one.idempotency_key is not None for one in there) == len({one.idempotency_key for one in there} - {None})


MENDABLE: list[DBAPIError] = [
    ProgrammingError("INSERT", {}, Exception("permission denied for sequence gradings_seq_seq")),
    DatabaseError("INSERT", {}, sqlite3.DatabaseError("database disk image is malformed")),
]


@pytest.mark.parametrize("error", MENDABLE)
def test_a_database_that_takes_no_gradings_is_away_until_somebody_mends_it(
    house: House, monkeypatch: pytest.MonkeyPatch, error: DBAPIError
) -> None:
    ones = [grading(number) for number in range(3)]

    def broken(*_: Any) -> Any:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(Writer, "write", broken)
        patched.setattr(Writer, "write_again", broken)
        house.recorder.start()
        assert house.add(*ones) == ones
        time.sleep(0.4)  # it is probed again and again, and no probe finds anything wrong
        assert house.recorder.away == str(error.orig)
        assert house.alarms.said.count(("raised", AWAY)) == 1
        assert not house.journal.refused.exists()
    house.until_drained()
    assert house.on_record() == ones
    monkeypatch.setattr(module, "of_keys", broken)
    assert house.recorder.find([":a"]) == [None]


def test_a_damaged_line_is_set_aside_and_the_alarm_goes_when_somebody_has_seen_to_it(house: House) -> None:
    ones = [grading(1), grading(2)]
    folder = house.folder / "journal"
    folder.mkdir()
    (folder / "1-x.journal").write_bytes(b"\n".join([encode(Entry(ones[0])), b"no line of ours", encode(Entry(ones[1])), b""]))
    house.recorder.start()
    assert house.on_record() == ones
    assert house.journal.refused.read_bytes() == b"no line of ours\n"
    assert str(house.journal.refused) in house.alarms.open[REFUSED_ALARM]
    house.journal.refused.unlink()
    house.open(Journal(folder, MEBIBYTE)).start()
    assert REFUSED_ALARM not in house.alarms.open


def test_a_database_whose_lock_is_held_is_not_back(postgresql: str, tmp_path: Path) -> None:
    engine = open_database(postgresql)
    migrate(engine)
    recorder = Recorder(engine, PhotographStore(tmp_path / "photographs"), Journal(tmp_path / "journal", MEBIBYTE))
    with engine.begin() as other:
        other.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": RECORDING_LOCK})
        recorder._away = "as when a season is moved"
        recorder._drain()
        assert recorder.away == "as when a season is moved"
    recorder._drain()
    until(lambda: recorder.away is None)
    recorder.close()
    engine.dispose()
