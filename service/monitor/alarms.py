"""Alarms: what a person should know of, raised and cleared by whoever finds it, from any thread.

Raising costs a look at a dictionary and never waits: a thread writes to the database, and keeps what it could not write until
the database is back. Every worker has its own conditions; an alarm on record is open while any of them has it raised.
"""

import logging
import threading
from collections import deque
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from models.errors import SenkaError
from service.metrics import ALARM
from service.records.alarms import Alarm, open_names, opened, page, put_closed, put_open
from service.records.transactions import writing

log = logging.getLogger(__name__)

REASSERT_S: Final = 5.0
"""How soon an alarm is opened again that another worker closed, since the trouble had gone there but not here."""
MAX_UNWRITTEN: Final = 1000
"""Changes that wait for the database; beyond them the oldest are forgotten. What is raised now is never among those."""


@dataclass(frozen=True, slots=True)
class _Closing:
    name: str
    at: datetime


class Alarms:
    """The alarms of one process, and those on record. `engine` is None with SENKA_RECORDS=off: they live in memory then.

    `start` the thread that writes, and `close` it; without it `flush` writes.
    """

    def __init__(self, engine: Engine | None) -> None:
        self._engine = engine
        self._raised: dict[str, Alarm] = {}
        self._cleared: set[str] = set()
        self._unwritten: deque[Alarm | _Closing] = deque(maxlen=MAX_UNWRITTEN)
        self._lock, self._flushing = threading.Lock(), threading.Lock()
        self._wake, self._closed = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._database_failed = False

    def raise_(self, name: str, detail: str, severity: str = "warning") -> None:
        """Open the alarm. Again while it is open, nothing happens, but that `critical` replaces `warning`. Never raises."""
        with self._lock:
            before = self._raised.get(name)
            if before is not None and (before.severity == severity or severity == "warning"):
                return
            alarm = opened(name, detail, severity) if before is None else replace(before, severity=severity, detail=detail)
            self._raised[name] = alarm
            self._cleared.discard(name)
            self._unwritten.append(alarm)
        ALARM.labels(name).set(1)
        log.warning("alarm %s (%s): %s", name, severity, detail)
        self._wake.set()

    def clear(self, name: str) -> None:
        """Close the alarm. Never raises.

        The first call closes also what a process before this one left open, so call it once when all is well at the start.
        """
        with self._lock:
            if name in self._cleared:
                return
            self._cleared.add(name)
            was_open = self._raised.pop(name, None) is not None
            self._unwritten.append(_Closing(name, datetime.now(UTC)))
        ALARM.labels(name).set(0)
        if was_open:
            log.warning("alarm %s is over", name)
        self._wake.set()

    def open(self) -> list[dict[str, Any]]:
        """Every open alarm, the latest first: those on record, and this process's that are not yet. Blocks: call it from a
        thread. With the database away, this process's alone."""
        with self._lock:
            raised = dict(self._raised)
            closing = {change.name for change in self._unwritten if isinstance(change, _Closing)}
        found: dict[str, Alarm] = {}
        if self._engine is not None:
            try:
                found = {alarm.name: alarm for alarm in page(self._engine, only_open=True, limit=MAX_UNWRITTEN)}
            except (SenkaError, SQLAlchemyError):
                self._note_failure()
        known = {name: alarm for name, alarm in found.items() if name in raised or name not in closing}
        shown = {**raised, **known}
        return [alarm.to_json() for alarm in sorted(shown.values(), key=lambda alarm: alarm.since, reverse=True)]

    def flush(self) -> bool:
        """Write what waits, and open again what others closed; whether all of it is on record now. Never raises."""
        with self._flushing:
            with self._lock:
                changes = list(self._unwritten)
                waiting = {change.name for change in changes}
                others = [alarm for name, alarm in self._raised.items() if name not in waiting]
            try:
                if self._engine is not None:
                    self._write(self._engine, changes, others)
            except (SenkaError, SQLAlchemyError):
                self._note_failure()
                return False
            self._database_failed = False
            with self._lock:
                written = {id(change) for change in changes}
                kept = [change for change in self._unwritten if id(change) not in written]
                self._unwritten = deque(kept, maxlen=MAX_UNWRITTEN)
                return not kept

    def start(self) -> None:
        """Write in a thread from now on."""
        self._thread = threading.Thread(target=self._keep_writing, name="alarms", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Write what waits, once, and stop; the alarms of this process stay open, for the next one to close."""
        self._closed.set()
        self._wake.set()
        if self._thread:
            self._thread.join()
        self.flush()
        for name in self._raised:
            ALARM.labels(name).set(0)

    def _write(self, engine: Engine, changes: list[Alarm | _Closing], others: list[Alarm]) -> None:
        on_record = open_names(engine) if others else set()
        again = [alarm for alarm in others if alarm.name not in on_record]
        if not changes and not again:
            return
        with writing(engine) as connection:
            for change in changes:
                if isinstance(change, Alarm):
                    put_open(connection, change)
                else:
                    put_closed(connection, change.name, change.at)
            for alarm in again:
                # under an id of its own: the one it had is closed, where somebody closed it
                put_open(connection, opened(alarm.name, alarm.detail, alarm.severity))

    def _note_failure(self) -> None:
        if not self._database_failed:
            self._database_failed = True
            log.warning("alarms cannot be put on record and are held in memory for now")

    def _keep_writing(self) -> None:
        while not self._closed.is_set():
            self._wake.wait(REASSERT_S)
            self._wake.clear()
            if not self.flush():
                self._closed.wait(1.0)
                self._wake.set()
