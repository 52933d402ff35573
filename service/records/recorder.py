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
from sqlalchemy.exc import DBAPIError, InterfaceError, InternalError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from service.errors import PhotographNotStored, RecordsUnavailable
from service.grading import Grading
from service.records.database import reason
from service.records.disk import AlarmSink
from service.records.entry import Entry
from service.records.journal import Journal, Line, decode_all
from service.records.photographs import PhotographStore
from service.records.writing import Writer, of_keys

log = logging.getLogger(__name__)

AWAY: Final = "database_away"
PROBES_EVERY_S: Final = 0.5
SWEEPS_EVERY_S: Final = 5.0
"""How soon the journal of a worker that was killed is found."""
DRAINS_AT_ONCE: Final = 256
STARTS_WITHIN_S: Final = 10.0

DatabaseAway = (OperationalError, InterfaceError, InternalError, PoolTimeout)
"""What says that the database is away, locked for too long, full or read-only, and nothing about what it was sent."""


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

    def _failed(self, error: SQLAlchemyError) -> None:
        with self._state:
            before, self._away = self._away, _words(error)
        if self._journal is None:
            return
        self._wake.set()
        if before is None:
            log.warning("the database is away, gradings go to the journal: %s", self._away)
            if self._alarms:
                self._alarms.raise_(AWAY, f"The database is away: {self._away}. Gradings wait in a journal.", "critical")

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
                self._probe(connection)
            self._answers()
        if self._journal is None:
            return
        self._empty(self._journal)
        for orphan in self._journal.left_behind():
            self._empty(orphan)
            orphan.remove()

    def _probe(self, connection: Connection) -> None:
        """Write nothing, but as gradings are written: a full disk and a lock that is held are no database that is back."""
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("UPDATE profiles SET version = version WHERE 0")
        else:
            connection.execute(text("SELECT 1 FROM gradings LIMIT 1"))

    def _empty(self, journal: Drainable) -> None:
        while lines := journal.head(DRAINS_AT_ONCE):
            self._put_on_record(lines)
            journal.drop(lines[-1].end)

    def _put_on_record(self, lines: Sequence[Line]) -> None:
        entries = decode_all(lines)
        try:
            with self._engine.begin() as connection:
                self._writer.write_again(connection, entries)
        except DatabaseAway:
            raise
        except DBAPIError as error:  # one of them is refused, and must not keep the others out
            if len(lines) > 1:
                for line in lines:
                    self._put_on_record([line])
                return
            log.error("the database refuses a grading of the journal, it is set aside: %s", reason(error))
            assert self._journal is not None  # noqa: S101 - there are no lines without one
            self._journal.refuse(lines[0].text)


def _words(error: SQLAlchemyError) -> str:
    return reason(error) if isinstance(error, DBAPIError) else "every connection is in use"
