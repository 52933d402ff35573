"""Counts, shares and throughput by grade: from the tallies where whole hours are asked for, from the rows at the edges."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, Select, Table, cast, func, literal, null, select, union_all

from models.grades import GRADES
from service.grading import rfc3339
from service.records.filters import PLACES, Filters
from service.records.tables import UtcDateTime, confidence_tallies, gradings, tallies, tally_marks
from service.records.tallies import BANDS, band_of, day_of, hour_of

MINUTE: Final = timedelta(minutes=1)
MANUAL: Final = "manual"
_FIRST: Final = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class _Counted:
    """Of one grade."""

    count: int = 0
    confidence_sum: float = 0.0
    manual: int = 0
    recent: int = 0
    first: datetime | None = None
    last: datetime | None = None


def figures(connection: Connection, filters: Filters, now: datetime) -> dict[str, Any]:
    """The answer of `GET /v1/stats`: of all gradings that fit, and of those of the minute before `now`."""
    # one statement, so that no grading comes between its parts
    by_grade = _merged(connection.execute(union_all(*parts(filters, now))))
    total = sum(one.count for one in by_grade.values())
    graded = [one for grade, one in by_grade.items() if grade]
    firsts = [one.first for one in by_grade.values() if one.first]
    lasts = [one.last for one in by_grade.values() if one.last]
    return {
        "total": total,
        "manual": sum(one.manual for one in by_grade.values()),
        "mean_confidence": _mean(graded),
        "per_minute": sum(one.recent for one in by_grade.values()),
        "first_received_at": rfc3339(min(firsts)) if firsts else None,
        "last_received_at": rfc3339(max(lasts)) if lasts else None,
        "grades": {
            grade: {
                "count": one.count,
                "share": one.count / total if total else 0.0,
                "mean_confidence": _mean([one]),
                "per_minute": one.recent,
            }
            for grade in GRADES
            for one in [by_grade.get(grade, _Counted())]
        },
    }


def _mean(counted: Iterable[_Counted]) -> float | None:
    found = list(counted)
    count = sum(one.count for one in found)
    return sum(one.confidence_sum for one in found) / count if count else None


def _merged(rows: Iterable[Row[Any]]) -> dict[str, _Counted]:
    by_grade: dict[str, _Counted] = {}
    for row in rows:
        one = by_grade.setdefault(row.grade or "", _Counted())
        one.count += int(row.n or 0)  # a sum is None of no rows, and a Decimal on PostgreSQL
        one.confidence_sum += float(row.confidence_sum or 0.0)
        one.manual += int(row.manual or 0)
        one.recent += int(row.recent or 0)
        one.first = min((at for at in (one.first, row.first) if at), default=None)
        one.last = max((at for at in (one.last, row.last) if at), default=None)
    return by_grade


def parts(filters: Filters, now: datetime) -> list[Select[Any]]:
    """Queries whose rows add up to the figures; no grading is counted by two of them."""
    found = [_recent(filters, now)]
    if "" in filters.places.values():  # the tallies write '' for none, and nothing is named so
        return [*found, _rows(filters)]
    if filters.model_version is not None and filters.max_confidence is not None:  # the API refuses it: of no tallies
        return [*found, _rows(filters)]
    if filters.max_confidence is None:
        whole = _whole(filters, timedelta(hours=1))
        return [*found, *_edges(filters, whole), *([_tallied(tallies, tallies.c.hour, filters, whole)] if whole else [])]
    whole = _whole(filters, timedelta(days=1))
    found += _edges(filters, whole)
    return [*found, *_by_confidence(filters, filters.max_confidence, whole)] if whole else found


_Range = tuple[datetime | None, datetime | None]


def _whole(filters: Filters, unit: timedelta) -> _Range | None:
    """The whole hours or days between `since` and `until`; None where there are none."""
    start = day_of if unit > timedelta(hours=1) else hour_of
    since = filters.since and start(filters.since)
    until = filters.until and start(filters.until)
    if since and since != filters.since:
        try:
            since += unit
        except OverflowError:  # in the last hour of the calendar
            return None
    return None if since and until and since >= until else (since, until)


def _edges(filters: Filters, whole: _Range | None) -> list[Select[Any]]:
    """The rows before and after the whole hours or days."""
    if whole is None:
        return [_rows(filters)]
    since, until = whole
    before = [_rows(replace(filters, until=since))] if since and since != filters.since else []
    after = [_rows(replace(filters, since=until))] if until and until != filters.until else []
    return before + after


def _by_confidence(filters: Filters, limit: float, whole: _Range) -> list[Select[Any]]:
    """Whole days of gradings that are at most so sure."""
    c = gradings.c
    band = band_of(limit)
    band -= limit < band / BANDS
    counted = _tallied(confidence_tallies, confidence_tallies.c.day, filters, whole)
    marked = func.coalesce(select(tally_marks.c.seq).scalar_subquery(), 0)
    inside = replace(filters, since=whole[0], until=whole[1])
    newer = _rows(inside, opaque=(*PLACES, "received_at", "confidence")).where(c.seq > marked)
    parts = [counted.where(confidence_tallies.c.band <= band), newer]
    if band / BANDS < limit:  # a limit with more than two decimals goes through a band
        seq = func.coalesce(c.seq, c.seq)  # not by number: that would be the whole table
        through = _rows(replace(inside, since=inside.since or _FIRST), opaque=("line", "camera", "grade", "lane"))
        parts.append(through.where(c.confidence > band / BANDS, seq <= marked))
    return parts


def _tallied(table: Table, start: ColumnElement[Any], filters: Filters, whole: _Range) -> Select[Any]:
    c, (since, until) = table.c, whole
    query = _columns(
        c.grade,
        func.sum(c.count),
        func.sum(c.confidence_sum),
        func.sum(c.count).filter(c.lane == MANUAL),
        func.min(c.first_received_at),
        func.max(c.last_received_at),
    ).where(*filters.place_clauses(table))
    if table is confidence_tallies and (since or until):
        query = query.where(c.grade.in_(["", *GRADES]))  # its key begins with the grade: a range of days for each
    if since:
        query = query.where(start >= since)
    if until:
        query = query.where(start < until)
    return query.group_by(c.grade)


def _rows(filters: Filters, opaque: Sequence[str] = ()) -> Select[Any]:
    c = gradings.c
    manual = func.count().filter(c.lane == MANUAL)
    at = (func.min(c.received_at), func.max(c.received_at))
    query = _columns(c.grade, func.count(), func.sum(c.confidence), manual, *at)
    return query.where(*filters.clauses(opaque)).group_by(c.grade)


def _recent(filters: Filters, now: datetime) -> Select[Any]:
    c, since = gradings.c, now - MINUTE
    newer = replace(filters, since=max(since, filters.since) if filters.since else since)
    never = cast(null(), UtcDateTime)
    query = _columns(c.grade, literal(0), literal(0.0), literal(0), never, never, recent=func.count())
    return query.where(*newer.clauses()).group_by(c.grade)


def _columns(
    grade: ColumnElement[Any], count: Any, confidence_sum: Any, manual: Any, first: Any, last: Any, recent: Any = None
) -> Select[Any]:
    return select(
        grade.label("grade"),
        count.label("n"),
        confidence_sum.label("confidence_sum"),
        manual.label("manual"),
        first.label("first"),
        last.label("last"),
        (literal(0) if recent is None else recent).label("recent"),
    )
