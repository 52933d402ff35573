"""Puts gradings on record: in the database, and in a journal while that is away.

What `add` returned for is on disk. While the database is away nothing waits for it: one failure opens the circuit, everything
goes to the journal at once, and a thread finds out when the database is back and puts on record what waited.
"""

import logging
import threading
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Protocol

from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InvalidRequestError, StatementError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from service.errors import PhotographNotStored, RecordsUnavailable
from service.grading import Grading
from service.records.database import RECORDING_LOCK, reason
from service.records.disk import AlarmSink
from service.records.entry import Entry
from service.records.journal import Journal, Line, decode_all
from service.records.photographs import PhotographStore
from service.records.writing import Writer, of_keys

log = logging.getLogger(__name__)

AWAY: Final = "database_away"
REFUSED: Final = "journal_refused"
PROBES_EVERY_S: Final = 0.5
SWEEPS_EVERY_S: Final = 5.0
"""How soon the journal of a worker that was killed is found."""
DRAINS_AT_ONCE: Final = 256
STARTS_WITHIN_S: Final = 10.0

Refused = (DataError, IntegrityError)
"""What says that the database does not take what it was sent. Asked for before DatabaseAway, which it is part of."""
DatabaseAway = (DBAPIError, PoolTimeout, InvalidRequestError)
"""What says that the database is away, locked for too long, full, read-only, damaged, without a table or a privilege, or that its
connections broke one after the other; and nothing about what it was sent."""


class Drainable(Protocol):
    """A journal, of this process or of one that died."""

    def head(self, limit: int) -> list[Line]: ...

    def drop(self, end: int) -> None: ...


class Recorder:
    """Writes for one process. Thread-safe.

    Without a journal a database that is away means RecordsUnavailable, and each `add` tries anew.
    """

    def __init__(
        self,
        engine: Engine,
        photographs: PhotographStore,
        journal: Journal | None = None,
        alarms: AlarmSink | None = None,
        writer: Writer | None = None,
    ) -> None:
        self._engine, self._photographs, self._journal, self._alarms = engine, photographs, journal, alarms
        self._writer = writer or Writer()
        self._away: str | None = None
        self._state = threading.Lock()
        self._wake, self._closed, self._swept = threading.Event(), threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._keep_draining, name="journal", daemon=True)

    @property
    def away(self) -> str | None:
        """Why the database is taken to be away; None while it is not."""
        return self._away

    def start(self) -> None:
        """Put on record what was left behind, then go on doing so in a thread. Returns after some seconds at the latest."""
        if self._alarms:
            self._alarms.clear(AWAY)
            if self._journal and not self._journal.refused.exists():  # a person has seen to it
                self._alarms.clear(REFUSED)
        self._thread.start()
        self._swept.wait(STARTS_WITHIN_S)

    def close(self) -> None:
        """Put on record what waits, if that can be done now, and stop; the rest is found by the next process."""
        self._closed.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        if self._journal:
            self._journal.close()

    def add(self, entries: Sequence[Entry]) -> list[Grading]:
        """Keep all of them, in one commit: when this returns they survive a power cut.

        Returns, for each, the grading that counts: itself, or the one that had its idempotency key first. A photograph is handed
        over before the row that names it, so that no row names one that never was; one that the image store refuses is left out.
        Raises RecordsUnavailable where neither the database nor the journal takes them.
        """
        kept = [self._with_photograph(entry) for entry in entries]
        if self._journal is None or self._away is None:
            try:
                with self._engine.begin() as connection:
                    return self._writer.write(connection, kept)
            except Refused:
                raise
            except DatabaseAway as error:
                self._failed(error)
        return self._put_aside(kept)

    def find(self, keys: Sequence[str]) -> list[Grading | None]:
        """The gradings on record with these idempotency keys; while the database is away, those that wait in the journal."""
        waiting: list[Grading | None] = [None] * len(keys)
        if self._journal and self._journal.waiting:
            waiting = [self._journal.of_key(key) for key in keys]
        missing = [key for key, found in zip(keys, waiting, strict=True) if found is None]
        if not missing or (self._journal and self._away is not None):
            return waiting
        try:
            with self._engine.connect() as connection:
                there = of_keys(connection, missing)
        except Refused:
            raise
        except DatabaseAway as error:
            self._failed(error)
            if self._journal is None:
                raise RecordsUnavailable(_words(error)) from error
            return waiting
        return [found or there.get(key) for key, found in zip(keys, waiting, strict=True)]

    def _with_photograph(self, entry: Entry) -> Entry:
        grading = entry.grading
        if entry.photograph is None or grading.photograph is None:
            return entry
        try:
            shared = self._photographs.put(grading.photograph, entry.photograph)
        except PhotographNotStored:  # the store raises its alarm itself
            return Entry(replace(grading, photograph=None, photograph_bytes=None, interest=None))
        return Entry(grading, shared=shared)

    def _put_aside(self, entries: Sequence[Entry]) -> list[Grading]:
        why = self._away or "the database is away"
        if self._journal is None:
            raise RecordsUnavailable(why)
        try:
            return self._journal.append(entries)
        except OSError as error:
            raise RecordsUnavailable(f"{why}, and {error.strerror or error}") from error

    def _failed(self, error: Exception) -> None:
        why = _words(error)
        with self._state:  # until it is told: of two that change it, the last one must also have the last word
            before, self._away = self._away, why
            if before is None and self._journal:
                log.warning("the database is away, gradings go to the journal: %s", why)
                if self._alarms:
                    self._alarms.raise_(AWAY, f"The database is away: {why}. Gradings wait in a journal.", "critical")
        if self._journal:
            self._wake.set()

    def _answers(self) -> None:
        with self._state:
            before, self._away = self._away, None
            if before is not None:
                log.warning("the database is back")
                if self._alarms:
                    self._alarms.clear(AWAY)

    def _keep_draining(self) -> None:
        while True:
            closing = self._closed.is_set()
            try:
                self._drain()
            except DatabaseAway as error:
                self._failed(error)
            except Exception:  # a bug of ours or a broken disk; the journal waits, and whoever mends it finds all of it
                log.exception("the journal cannot be put on record")
            self._swept.set()
            if closing:
                return
            self._wake.wait(0.0 if self._away else SWEEPS_EVERY_S)
            self._wake.clear()
            if self._away:
                self._closed.wait(PROBES_EVERY_S)

    def _drain(self) -> None:
        """Put on record all that waits. Raises what says that the database is away."""
        if self._away:
            with self._engine.begin() as connection:
                if not self._probe(connection):
                    return
            self._begin()
            self._answers()
        if self._journal is None:
            return
        self._empty(self._journal)
        for orphan in self._journal.left_behind():
            self._empty(orphan)
            orphan.remove()

    def _probe(self, connection: Connection) -> bool:
        """Write nothing, but as gradings are written: a full disk and a lock that is held are no database that is back."""
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("UPDATE profiles SET version = version WHERE 0")
            return True
        if not connection.execute(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": RECORDING_LOCK}).scalar():
            return False
        connection.exec_driver_sql("UPDATE profiles SET version = version WHERE false")
        return True

    def _begin(self) -> None:
        """Put the first of what waits on record: a database that takes a probe and no gradings is not back."""
        if self._journal is None or self._put_some_on_record(self._journal):
            return
        for orphan in self._journal.left_behind():
            if self._put_some_on_record(orphan):
                return

    def _empty(self, journal: Drainable) -> None:
        while self._put_some_on_record(journal):
            pass

    def _put_some_on_record(self, journal: Drainable) -> bool:
        """Whether there were any. Raises what says that the database is away."""
        lines = journal.head(DRAINS_AT_ONCE)
        if not lines:
            return False
        entries = decode_all(lines)
        whole = [entry for entry in entries if entry is not None]
        if len(whole) == len(lines) and self._write_again(whole) is None:
            journal.drop(lines[-1].end)
            return True
        for line, entry in zip(lines, entries, strict=True):  # one of them is refused, and must not keep the others out
            why = "it is damaged" if entry is None else self._write_again([entry])
            if why is not None:
                self._set_aside(line, why)
            journal.drop(line.end)
        return True

    def _write_again(self, entries: Sequence[Entry]) -> str | None:
        """Why not: what was sent is to blame, or a bug of ours. Raises what says that the database is away."""
        try:
            with self._engine.begin() as connection:
                self._writer.write_again(connection, entries)
        except Refused as error:
            return _words(error)
        except DatabaseAway:
            raise
        except Exception as error:  # a value that its column cannot even be given, say
            return _words(error)
        return None

    def _set_aside(self, line: Line, why: str) -> None:
        assert self._journal is not None  # noqa: S101 - there are no lines without one
        self._journal.refuse(line.text)
        log.error("a grading of the journal cannot be put on record, it is set aside: %s", why)
        if self._alarms:
            told = f"A grading could not be put on record: {why}. It is kept in {self._journal.refused}."
            self._alarms.raise_(REFUSED, told, "critical")


def _words(error: Exception) -> str:
    if isinstance(error, PoolTimeout):
        return "every connection is in use"
    if isinstance(error, StatementError):  # its own words quote what was sent
        return reason(error)
    return f"{type(error).__name__}: {error}".splitlines()[0]
