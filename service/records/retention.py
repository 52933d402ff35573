"""Photographs deleted by age, by size and to make room: the least interesting first, the oldest of those first."""

import fcntl
import json
import logging
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from heapq import merge
from itertools import islice
from pathlib import Path
from typing import IO, Any, Final

from sqlalchemy import ColumnElement, Connection, Engine, delete, func, select, union, update
from sqlalchemy.exc import SQLAlchemyError

from models.durable import replace
from models.errors import SenkaError
from service.records import shadow
from service.records.clock import ClockGuard
from service.records.disk import AlarmSink
from service.records.folder import GRACE_S
from service.records.journal import SUFFIX
from service.records.keeping import Interest
from service.records.photographs import PhotographStore
from service.records.tables import batch_photographs, gradings, photograph_shares
from service.settings import Settings

log = logging.getLogger(__name__)

CLOCK_JUMPED: Final = "clock_jumped"
LOOKS_EVERY_S: Final = 1.0
RUNS_EVERY_S: Final = 600.0
ROOM_EVERY_S: Final = 60.0
"""While the disk is low, it is tried to make room so often."""
BATCH: Final = 500
UNKNOWN_BYTES: Final = 32 * 1024
"""What a photograph counts for whose size was not recorded."""

Class = Interest | None
"""None: recorded before photographs had an interest; like an ordinary one."""
TIERS: Final[tuple[tuple[Class, ...], ...]] = (
    (None, Interest.ORDINARY),
    (Interest.UNSURE, Interest.DISAGREEMENT),
    (Interest.SAMPLE, Interest.CORRECTED),
)
"""In this order they go; one that is labelled never does."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A grading whose photograph is kept."""

    received_at: datetime
    id: str
    photograph: str
    size_bytes: int
    interest: Class


class Retention:
    """One process of those that share SENKA_HOME deletes for all. `run_once` blocks: call it from a thread."""

    def __init__(
        self,
        engine: Engine,
        store: PhotographStore,
        settings: Settings,
        alarms: AlarmSink | None = None,
        clock: ClockGuard | None = None,
    ) -> None:
        self._engine, self._store, self._settings, self._alarms = engine, store, settings, alarms
        self._clock = clock or ClockGuard()
        self._doubted: bool | None = None
        self._leading: IO[str] | None = None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="retention", daemon=True)

    def start(self) -> None:
        """Look after the photographs from now on, in one process of all."""
        self._lead()  # at once: the lock also tells `senka restore` that a service is running
        self._thread.start()

    def stop(self) -> None:
        """Stop after the batch at hand."""
        self._closed.set()
        if self._thread.is_alive():
            self._thread.join()

    def run_once(self, now: datetime | None = None) -> dict[str, int]:
        """Delete what may go; return how many photographs went by `age`, by `size`, for `room`, and 1 where age is `held`.

        Raises SQLAlchemyError and OSError; what was begun is finished by the next run.
        """
        now = now or datetime.now(UTC)
        counts = {"age": 0, "size": 0, "room": 0, "held": 0}
        self._store.folder.root.mkdir(0o700, parents=True, exist_ok=True)
        self._store.folder.recover()
        if self._journal_waits():
            return counts | {"held": 1}  # what it holds may name a photograph again
        self._finish_last_run()
        counts["age"], counts["held"] = self._by_age(now)
        counts["size"] = self._by_size(now)
        counts["room"] = self._for_room(now)
        self._forget_shadows(now)
        return counts

    # --- what goes ---

    def _by_age(self, now: datetime) -> tuple[int, int]:
        ages = [(kind, self._days(kind)) for tier in TIERS for kind in tier if self._days(kind)]
        doubt = self._clock.doubt(now, self._newest()) if ages else None
        self._tell(doubt)
        if doubt:
            return 0, 1
        gone = 0
        for kind, days in ages:
            before = now - timedelta(days=days)
            while not self._closed.is_set() and (batch := list(islice(self._oldest([kind], before), BATCH))):
                gone += len(self._delete(batch, now))
        return gone, 0

    def _by_size(self, now: datetime) -> int:
        limit = self._settings.keep_bytes
        too_much = self._total_bytes() - limit if limit else 0
        return self._free(too_much, TIERS, now) if too_much > 0 else 0

    def _for_room(self, now: datetime) -> int:
        """While the disk is low. Only what does not have to be kept for ever: a promise to keep is not broken for newer ones."""
        watermark = self._store.watermark
        if watermark is None or not watermark.low or not self._store.is_local:
            return 0
        may_go = [tuple(kind for kind in tier if self._days(kind) or self._settings.keep_bytes) for tier in TIERS]
        gone = self._free(watermark.missing_bytes(), may_go, now)
        watermark.check()
        return gone

    def _forget_shadows(self, now: datetime) -> None:
        """What a challenger said long ago."""
        if self._clock.doubt(now, self._newest()):
            return
        while not self._closed.is_set() and shadow.forget(self._engine, now - shadow.KEPT):
            pass

    def _free(self, wanted_bytes: int, tiers: Sequence[Sequence[Class]], now: datetime) -> int:
        freed = gone = 0
        before = now - timedelta(seconds=GRACE_S)  # younger ones the store would not delete
        for tier in tiers:
            while freed < wanted_bytes and not self._closed.is_set():
                batch = list(_up_to(wanted_bytes - freed, islice(self._oldest(tier, before), BATCH)))
                if not batch:
                    break
                deleted = self._delete(batch, now)
                gone += len(deleted)
                freed += sum(kept.size_bytes for kept in deleted)
        return gone

    def _days(self, kind: Class) -> float:
        return self._settings.keep_interesting_days if kind else self._settings.keep_days

    def _oldest(self, kinds: Sequence[Class], before: datetime) -> Iterator[Kept]:
        """Up to a batch of each kind, all of them oldest first."""
        c = gradings.c
        columns = (c.received_at, c.id, c.photograph, c.photograph_bytes, c.photograph_interest)
        found = []
        with self._engine.connect() as connection:
            for kind in kinds:  # one query for each: every one is a range of an index
                query = select(*columns).where(*_live(), _of(kind), c.received_at < before)
                rows = connection.execute(query.order_by(c.received_at).limit(BATCH))
                found.append([Kept(row[0], row[1], row[2], row[3] or UNKNOWN_BYTES, kind) for row in rows])
        return merge(*found, key=lambda kept: kept.received_at)

    def _total_bytes(self) -> int:
        """About: a photograph of several gradings counts once, as far as the store could tell."""
        size = func.coalesce(gradings.c.photograph_bytes, UNKNOWN_BYTES)
        shared = select(func.sum(size)).where(*_live(), gradings.c.id.in_(select(photograph_shares.c.grading_id)))
        with self._engine.connect() as connection:
            total = connection.execute(select(func.sum(size)).where(*_live())).scalar() or 0
            return int(total) - int(connection.execute(shared).scalar() or 0)

    def _newest(self) -> datetime | None:
        with self._engine.connect() as connection:
            return connection.execute(select(func.max(gradings.c.received_at))).scalar()

    # --- how it goes ---

    def _delete(self, batch: Sequence[Kept], now: datetime) -> list[Kept]:
        """Mark the gradings first, then delete the files that none of the others names; return those that were marked.

        Whoever labels or corrects one of them meanwhile waits for its row, or has changed it already: then it is not marked.
        """
        late = self._listed()
        self._note(late | {kept.photograph for kept in batch})
        c, s = gradings.c, photograph_shares.c
        ids, keys = [kept.id for kept in batch], {kept.photograph for kept in batch}
        labelled = c.photograph.in_(select(batch_photographs.c.photograph))
        with self._engine.begin() as connection:
            # A change is the first statement: a transaction of SQLite that has read cannot always be made one that writes
            connection.execute(update(gradings).where(c.id.in_(ids), labelled).values(photograph_interest=int(Interest.LABELLED)))
            marked: set[str] = set()
            for kind in {kept.interest for kept in batch}:
                own = [kept.id for kept in batch if kept.interest == kind]
                mark = update(gradings).where(c.id.in_(own), *_live(), _of(kind))
                marked.update(connection.scalars(mark.values(photograph_deleted_at=now).returning(c.id)))
            shared = set(connection.scalars(select(s.photograph).where(s.photograph.in_(keys))))
            connection.execute(delete(photograph_shares).where(s.photograph.in_(shared), s.grading_id.in_(marked)))
        gone = [kept for kept in batch if kept.id in marked]
        unnamed = {kept.photograph for kept in gone}
        with self._engine.connect() as connection:
            unnamed -= _named(connection, unnamed & shared if self._store.is_local else unnamed, unnamed)
        self._note(late | unnamed.difference(self._store.delete(sorted(unnamed))))
        return gone

    def _finish_last_run(self) -> None:
        """Delete what the last run had marked when it was cut off, and what had been put too lately for it."""
        keys = self._listed()
        if keys:
            with self._engine.connect() as connection:
                keys -= _named(connection, keys, keys)
        self._note(keys.difference(self._store.delete(sorted(keys))))

    def _listed(self) -> set[str]:
        try:
            return set(json.loads(self._list.read_bytes()))
        except FileNotFoundError:
            return set()

    def _note(self, keys: set[str]) -> None:
        if keys:
            replace(self._list, json.dumps(sorted(keys)).encode(), self._list.with_suffix(".new"))
        else:
            self._list.unlink(missing_ok=True)

    @property
    def _list(self) -> Path:
        """The photographs that are being deleted, now or by a later run."""
        return self._store.folder.root / ".deleting"

    def _journal_waits(self) -> bool:
        for file in (self._settings.home / "journal").glob(f"*{SUFFIX}"):
            try:
                if file.stat().st_size:
                    return True
            except FileNotFoundError:
                continue  # put on record just now
        return False

    def _tell(self, doubt: str | None) -> None:
        if self._alarms is None or self._doubted == bool(doubt):
            return
        self._doubted = bool(doubt)
        if doubt:
            self._alarms.raise_(CLOCK_JUMPED, f"No photograph is deleted for its age: {doubt}.")
        else:
            self._alarms.clear(CLOCK_JUMPED)

    # --- when ---

    def _run(self) -> None:
        next_run = next_room = 0.0
        while not self._closed.wait(LOOKS_EVERY_S):
            now_s = time.monotonic()
            # asked whether there is room, the store keeps an eye on the disk
            low = not self._store.has_room() and self._store.watermark is not None and self._store.watermark.low
            if (now_s < next_run and not (low and now_s >= next_room)) or not self._lead():
                continue
            next_run, next_room = now_s + RUNS_EVERY_S, now_s + ROOM_EVERY_S
            try:
                counts = self.run_once()
            except (SQLAlchemyError, OSError, SenkaError) as error:
                log.warning("photographs could not be deleted, tried again in a while: %s", getattr(error, "orig", None) or error)
                continue
            if any(counts[reason] for reason in ("age", "size", "room")):
                log.info("photographs deleted: %(age)d by age, %(size)d by size, %(room)d to make room", counts)
        if self._leading:
            self._leading.close()

    def _lead(self) -> bool:
        """Whether this process deletes: the first one does, and when it dies another takes over."""
        if self._leading:
            return True
        try:
            file = (self._settings.home / "maintenance.lock").open("w")
        except OSError as error:
            log.warning("photographs are not deleted, %s cannot be written: %s", self._settings.home, error)
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return False
        self._leading = file
        return True


def _of(kind: Class) -> ColumnElement[bool]:
    column = gradings.c.photograph_interest
    return column.is_(None) if kind is None else column == int(kind)


def _live() -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return gradings.c.photograph.is_not(None), gradings.c.photograph_deleted_at.is_(None)


def _named(connection: Connection, by_gradings: set[str], by_batches: set[str]) -> set[str]:
    """Those of the photographs that a grading still names, or a labelled batch."""
    live = select(gradings.c.photograph).where(*_live(), gradings.c.photograph.in_(by_gradings))
    labelled = select(batch_photographs.c.photograph).where(batch_photographs.c.photograph.in_(by_batches))
    queries: list[Any] = [live, labelled] if by_gradings else [labelled]
    return set(connection.scalars(union(*queries)))


def _up_to(wanted_bytes: int, kept: Iterator[Kept]) -> Iterator[Kept]:
    """As many as it takes to free so much."""
    for one in kept:
        if wanted_bytes <= 0:
            return
        wanted_bytes -= one.size_bytes
        yield one
