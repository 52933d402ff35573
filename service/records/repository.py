"""Gradings in and out of the database. No HTTP, no domain rules."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Engine, Row, Select, func, insert, select
from sqlalchemy.exc import OperationalError

from models.grades import GRADES
from service.errors import RecordsUnavailable
from service.grading import Grading, ModelRef, Origin, rfc3339
from service.records.photographs import PhotographStore
from service.records.tables import gradings


@dataclass(frozen=True, slots=True)
class Entry:
    """A grading to be kept, with its photograph's bytes where those are kept too."""

    grading: Grading
    photograph: bytes | None = None


@dataclass(frozen=True, slots=True)
class Filters:
    """Which gradings; None is any. `since` is included, `until` is not."""

    since: datetime | None = None
    until: datetime | None = None
    line: str | None = None
    lot: str | None = None
    grade: str | None = None
    lane: str | None = None
    max_confidence: float | None = None

    def clauses(self) -> list[ColumnElement[bool]]:
        c = gradings.c
        clauses: dict[str, Callable[[Any], ColumnElement[bool]]] = {
            "since": lambda value: c.received_at >= value,
            "until": lambda value: c.received_at < value,
            "line": lambda value: c.line == value,
            "lot": lambda value: c.lot == value,
            "grade": lambda value: c.grade == value,
            "lane": lambda value: c.lane == value,
            "max_confidence": lambda value: c.confidence <= value,
        }
        given = ((clause, getattr(self, name)) for name, clause in clauses.items())
        return [clause(value) for clause, value in given if value is not None]


@dataclass(frozen=True, slots=True)
class Recorded:
    """A grading with its place in the order of commits."""

    seq: int
    grading: Grading


def sequence_number(text: str) -> int | None:
    """What a client sent, if it can be a number in the order of commits; the database refuses larger ones."""
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else None


class Records:
    """The gradings of one database and their photographs. Every method blocks: call it from a thread."""

    def __init__(self, engine: Engine, photographs: PhotographStore) -> None:
        self.engine = engine
        self.photographs = photographs

    def add(self, entries: Sequence[Entry]) -> list[None]:
        """Keep all of them, in one commit: when this returns they survive a power cut.

        A photograph is handed over before the row that names it, so that no row names one that never was.
        """
        for entry in entries:
            if entry.photograph is not None and entry.grading.photograph is not None:
                self.photographs.put(entry.grading.photograph, entry.photograph)
        try:
            with self.engine.begin() as connection:
                connection.execute(insert(gradings), [_to_row(entry.grading) for entry in entries])
        except OperationalError as error:  # locked for too long, full, or gone
            raise RecordsUnavailable(str(error.orig)) from error
        return [None] * len(entries)

    def get(self, grading_id: str) -> Grading | None:
        with self.engine.connect() as connection:
            row = connection.execute(select(gradings).where(gradings.c.id == grading_id)).first()
        return _from_row(row) if row else None

    def page(self, filters: Filters, limit: int, before: int | None = None) -> list[Recorded]:
        """Newest first, at most `limit`, all older than the sequence number `before`."""
        query = select(gradings).where(*filters.clauses()).order_by(gradings.c.seq.desc()).limit(limit)
        if before is not None:
            query = query.where(gradings.c.seq < before)
        return self._recorded(query)

    def after(self, seq: int, limit: int) -> list[Recorded]:
        """Oldest first, at most `limit`, all newer than the sequence number."""
        return self._recorded(select(gradings).where(gradings.c.seq > seq).order_by(gradings.c.seq).limit(limit))

    def last_seq(self) -> int:
        with self.engine.connect() as connection:
            return connection.execute(select(func.max(gradings.c.seq))).scalar() or 0

    def stats(self, filters: Filters, now: datetime | None = None) -> dict[str, Any]:
        """Counts, shares, confidence and the last minute's throughput by grade: the answer of `GET /v1/stats`."""
        c, minute_ago = gradings.c, (now or datetime.now(UTC)) - timedelta(minutes=1)
        recent = func.count().filter(c.received_at >= minute_ago)
        manual = func.count().filter(c.lane == "manual")
        columns = (func.count(), func.avg(c.confidence), recent, manual, func.min(c.received_at), func.max(c.received_at))
        query = select(c.grade, *columns).where(*filters.clauses()).group_by(c.grade)
        with self.engine.connect() as connection:
            rows = {row[0]: row[1:] for row in connection.execute(query)}
        total = sum(row[0] for row in rows.values())
        graded = [row for grade, row in rows.items() if grade is not None]
        seen = sum(row[0] for row in graded)
        blank = (0, None, 0, 0, None, None)
        return {
            "total": total,
            "manual": sum(row[3] for row in rows.values()),
            "mean_confidence": sum(row[0] * row[1] for row in graded) / seen if seen else None,
            "per_minute": sum(row[2] for row in rows.values()),
            "first_received_at": rfc3339(min(row[4] for row in rows.values())) if rows else None,
            "last_received_at": rfc3339(max(row[5] for row in rows.values())) if rows else None,
            "grades": {
                grade: {
                    "count": row[0],
                    "share": row[0] / total if total else 0.0,
                    "mean_confidence": row[1],
                    "per_minute": row[2],
                }
                for grade in GRADES
                for row in [rows.get(grade, blank)]
            },
        }

    def _recorded(self, query: Select[Any]) -> list[Recorded]:
        with self.engine.connect() as connection:
            return [Recorded(row.seq, _from_row(row)) for row in connection.execute(query)]


def _to_row(grading: Grading) -> dict[str, Any]:
    origin, model = grading.origin, grading.model
    second = grading.runner_up or (None, None)
    return {
        "id": grading.id,
        "received_at": grading.received_at,
        "captured_at": origin.captured_at,
        "camera": origin.camera,
        "line": origin.line,
        "lot": origin.lot,
        "grade": grading.grade,
        "confidence": grading.confidence,
        "runner_up_grade": second[0],
        "runner_up_probability": second[1],
        "probabilities": grading.probabilities,
        "lane": grading.lane,
        "reasons": list(grading.reasons),
        "measurement": grading.measurement,
        "model_name": model.name,
        "model_version": model.version,
        "model_sha256": model.sha256,
        "timing_ms": grading.timing_ms,
        "batch_size": grading.batch_size,
        "photograph": grading.photograph,
    }


def _from_row(row: Row[Any]) -> Grading:
    return Grading(
        id=row.id,
        received_at=row.received_at,
        origin=Origin(row.camera, row.line, row.lot, row.captured_at),
        model=ModelRef(row.model_name, row.model_version, row.model_sha256),
        grade=row.grade,
        confidence=row.confidence,
        runner_up=(row.runner_up_grade, row.runner_up_probability) if row.runner_up_grade else None,
        probabilities=row.probabilities,
        lane=row.lane,
        reasons=tuple(row.reasons),
        timing_ms=row.timing_ms,
        batch_size=row.batch_size,
        measurement=row.measurement,
        photograph=row.photograph,
    )
