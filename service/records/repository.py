"""Gradings in and out of the database. No HTTP, no domain rules."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, Select, func, or_, select

from service.grading import Grading, rfc3339
from service.records.activity import activity
from service.records.entry import Entry
from service.records.farm import farm_of
from service.records.figures import figures
from service.records.filters import Filters
from service.records.photographs import PhotographStore
from service.records.recorder import Recorder
from service.records.rows import from_row
from service.records.shown import Shown
from service.records.tables import corrections, grading_aliases, gradings, tallies
from service.records.tallies import hour_of
from service.records.transactions import reading

__all__ = [
    "Entry",
    "Filters",
    "Position",
    "Recorded",
    "Records",
    "bounded",
    "current_corrections",
    "page_query",
    "sequence_number",
]


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the order of pages: when a grading was received, and its number where several were at once."""

    received_at: datetime
    seq: int


@dataclass(frozen=True, slots=True)
class Recorded:
    """A grading with its place in the order of commits."""

    seq: int
    grading: Grading

    @property
    def position(self) -> Position:
        return Position(self.grading.received_at, self.seq)


def sequence_number(text: str) -> int | None:
    """What a client sent, if it can be a number in the order of commits; the database refuses larger ones."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


class Records:
    """The gradings of one database and their photographs. Every method blocks: call it from a thread."""

    def __init__(self, engine: Engine, photographs: PhotographStore, recorder: Recorder | None = None) -> None:
        """With no `recorder`, one without a journal writes."""
        self.engine = engine
        self.photographs = photographs
        self.recorder = recorder or Recorder(engine, photographs)
        self.shown = Shown()

    def add(self, entries: Sequence[Entry]) -> list[Grading]:
        """Put gradings on record: see Recorder.add."""
        return self.recorder.add(entries)

    def get(self, grading_id: str) -> Grading | None:
        """A grading by its id, or by an id that a repeated post of it was answered with."""
        if "\0" in grading_id:  # PostgreSQL does not even look for such a text
            return None
        alias = select(grading_aliases.c.grading_id).where(grading_aliases.c.id == grading_id).scalar_subquery()
        with reading(self.engine) as connection:
            row = connection.execute(select(gradings).where(gradings.c.id == grading_id)).first()
            if row is None:
                row = connection.execute(select(gradings).where(gradings.c.id == alias)).first()
        return from_row(row) if row else None

    def page(self, filters: Filters, limit: int, before: Position | None = None) -> list[Recorded]:
        """Newest first by the time of reception, at most `limit`, all older than `before`."""
        with reading(self.engine) as connection:
            query = page_query(connection, filters, limit, before)
            return [] if query is None else [Recorded(row.seq, from_row(row)) for row in connection.execute(query)]

    def after(self, seq: int, limit: int) -> list[Recorded]:
        """In the order of commits, at most `limit`, all newer than the sequence number."""
        query = select(gradings).where(gradings.c.seq > seq).order_by(gradings.c.seq).limit(limit)
        with reading(self.engine) as connection:
            return [Recorded(row.seq, from_row(row)) for row in connection.execute(query)]

    def newest_after(self, seq: int, limit: int) -> list[Recorded]:
        """As `after`, but of more than `limit` the newest."""
        query = select(gradings).where(gradings.c.seq > seq).order_by(gradings.c.seq.desc()).limit(limit)
        with reading(self.engine) as connection:
            return [Recorded(row.seq, from_row(row)) for row in connection.execute(query)][::-1]

    def last_seq(self) -> int:
        """The number of the newest commit's last grading; 0 of none."""
        with reading(self.engine) as connection:
            return connection.execute(select(func.max(gradings.c.seq))).scalar() or 0

    def stats(self, filters: Filters, now: datetime | None = None) -> dict[str, Any]:
        """Counts, shares, confidence and the last minute's throughput by grade: the answer of `GET /v1/stats`."""
        with reading(self.engine) as connection:
            return figures(connection, filters, now or datetime.now(UTC))

    def activity(self, line: str | None, now: datetime | None = None) -> dict[str, Any]:
        """What every line and camera does: the answer of `GET /v1/activity`. Raises TimeZoneMissing."""
        with reading(self.engine) as connection:
            return activity(connection, farm_of(connection), line, now or datetime.now(UTC))

    def corrections(self, grading_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
        """The correction in effect of each grading that has one, as the HTTP contract has it: one query for a whole page."""
        with reading(self.engine) as connection:
            found = current_corrections(connection, grading_ids)
        return {
            grading_id: {"id": row.id, "grade": row.grade, "note": row.note, "by": row.by, "at": rfc3339(row.at)}
            for grading_id, row in found.items()
        }


def page_query(connection: Connection, filters: Filters, limit: int, before: Position | None = None) -> Select[Any] | None:
    """The statement of a page; None where the tallies say that nothing fits."""
    c = gradings.c
    narrowed = filters
    if _needs_bounds(filters):
        hours = _hours(connection, filters, limit, before)
        if hours is None:
            return None
        narrowed = replace(filters, since=hours[0], until=hours[1])
    # the index of (received_at, ...) passes over other grades and lanes without reading their rows; that of lines cannot. What
    # a model graded lies within some hours of either
    inside = filters.grade or filters.lane or filters.reason or filters.model_version or filters.max_confidence is not None
    query = select(gradings).where(*narrowed.clauses(opaque=("line", "camera") if inside else ()))
    if before is not None:
        older = or_(c.received_at < before.received_at, c.seq < before.seq)
        query = query.where(c.received_at <= before.received_at, older)
    return query.order_by(c.received_at.desc(), c.seq.desc()).limit(limit)


def bounded(connection: Connection, filters: Filters) -> Filters | None:
    """The same within the hours that hold what fits, where no index alone leads to it; None: nothing fits."""
    if not _needs_bounds(filters):
        return filters
    hours = _hours(connection, filters, sys.maxsize, None)
    return hours and replace(filters, since=hours[0], until=hours[1])


def _needs_bounds(filters: Filters) -> bool:
    """Whether no index alone leads to what fits. A line's or a lot's gradings are the range of an index, and so is everything."""
    places = filters.places
    several = len(places.keys() - {"line", "lot"}) + len(places) > 1
    return (several or filters.reason is not None) and "" not in places.values()


def _hours(connection: Connection, filters: Filters, limit: int, before: Position | None) -> tuple[datetime, datetime] | None:
    """From which hour to which a page of what fits lies, so that no scan passes over weeks without any of it; None: nothing."""
    c = tallies.c
    until = min((at for at in (filters.until, before and before.received_at) if at), default=None)
    query = select(c.hour, func.sum(c.count).label("n")).where(*filters.place_clauses(tallies))
    if filters.since:
        query = query.where(c.hour >= hour_of(filters.since))
    if until:
        query = query.where(c.hour <= until)
    newest = oldest = None
    found = 0
    for row in connection.execute(query.group_by(c.hour).order_by(c.hour.desc())):
        newest, oldest = newest or row.hour, row.hour
        # what an hour that the page begins in holds is not all on the page; nor is what is surer than asked for
        if filters.max_confidence is None and not (until and row.hour == hour_of(until)):
            found += int(row.n)
        if found >= limit:
            break
    if newest is None or oldest is None:
        return None
    since, end = oldest, newest + timedelta(hours=1)
    return max(since, filters.since or since), min(end, filters.until or end)


def current_corrections(connection: Connection, grading_ids: Sequence[str]) -> dict[str, Any]:
    """By grading: the row of its newest correction that was not undone, with id, grade, note, by and at."""
    if not grading_ids:
        return {}
    c = corrections.c
    query = select(c.id, c.grading_id, c.grade, c.note, c.by, c.at).where(c.grading_id.in_(grading_ids), c.undone_at.is_(None))
    return {row.grading_id: row for row in connection.execute(query.order_by(c.at, c.id))}  # of several the last one stays
