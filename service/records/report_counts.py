"""Gradings counted for a report: by a name that they carry, or by the shift or day that they came in.

Whole hours come from the tallies. What begins or ends within an hour is counted from the gradings themselves: both ends of the
time asked for always, starts of shifts and days for as many gradings as READ_AT_MOST allows, newest first. Beyond it an hour
counts as a whole where most of it lies, and what it counts for is not exact.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta, tzinfo
from itertools import pairwise
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, func, literal_column, select

from models.grades import GRADES
from service.records.figures import MANUAL
from service.records.tables import corrections, gradings, lots, tallies
from service.records.tallies import hour_of
from service.shifts import starts_around

READ_AT_MOST: Final = 10_000
"""Gradings of hours in which a shift starts, where an index has all that is counted."""
READ_AT_MOST_OF_PLACES: Final = 5_000
"""The same where only gradings of a line, a lot or a grower count: each is looked at."""
HOUR: Final = timedelta(hours=1)
_CLOCKS_AGREE: Final = timedelta(days=1)
_Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True)
class Which:
    """Which gradings are counted; None is any. `since` is included, `until` is not. No name is empty."""

    since: datetime | None = None
    until: datetime | None = None
    line: str | None = None
    lot: str | None = None
    grower: str | None = None

    @property
    def anywhere(self) -> bool:
        return self.line is None and self.lot is None and self.grower is None

    def clauses(self, line: ColumnElement[Any], lot: ColumnElement[Any]) -> list[ColumnElement[bool]]:
        """What the columns of a row must fulfil, but for its time."""
        of_grower = lot.in_(select(lots.c.name).where(lots.c.grower == self.grower))
        given = ((self.line, line == self.line), (self.lot, lot == self.lot), (self.grower, of_grower))
        return [clause for value, clause in given if value is not None]


@dataclass(slots=True)
class Counted:
    """Of one row of a report."""

    total: int = 0
    grades: list[int] = field(default_factory=lambda: [0] * len(GRADES))
    """In the order of GRADES."""
    manual: int = 0
    confidence_sum: float = 0.0
    first: datetime | None = None
    last: datetime | None = None
    models: set[int] = field(default_factory=set)
    corrected: set[str] = field(default_factory=set)
    """Gradings with a correction in effect, by id."""
    exact: bool = True

    def add(self, other: "Counted") -> None:
        self.total += other.total
        self.grades = [mine + more for mine, more in zip(self.grades, other.grades, strict=True)]
        self.manual += other.manual
        self.confidence_sum += other.confidence_sum
        self.first = min((at for at in (self.first, other.first) if at), default=None)
        self.last = max((at for at in (self.last, other.last) if at), default=None)
        self.models |= other.models
        self.corrected |= other.corrected
        self.exact &= other.exact


def by_name(connection: Connection, name: str, which: Which) -> dict[str, Counted]:
    """By `lot`, `line` or `camera`; '' is none."""
    found: dict[str, Counted] = {}
    whole, edges = _whole_hours(which)
    queries = [_tallied(tallies.c[name], which, whole)] if whole else []
    column: ColumnElement[str] = func.coalesce(gradings.c[name], literal_column("''"))
    queries += [_read(column, which, edge) for edge in edges]
    for counts, versions in queries:
        for key, one in _found(connection, counts, versions).items():
            found.setdefault(key, Counted()).add(one)
    for key, grading_id in connection.execute(_corrections(column, which)):
        found[key].corrected.add(grading_id)
    return found


@dataclass(frozen=True, slots=True)
class Period:
    """A shift or a day: from `since` to before `until`."""

    since: datetime
    until: datetime


def by_period(connection: Connection, starts: Sequence[time], zone: tzinfo, which: Which) -> dict[Period, Counted]:
    """By what starts at these times of the day and ends where the next one starts; only those with gradings in them."""
    hours = _hours(connection, which)
    # an hour of the tallies may reach into the next day, where the zone is not whole hours off
    days = {moment.astimezone(zone).date() for at in hours for moment in (at, at + HOUR)}
    bounds = [at for at, _ in starts_around(days, starts, zone)]
    found: dict[datetime, Counted] = {}
    left = READ_AT_MOST if which.anywhere else READ_AT_MOST_OF_PLACES
    moved: dict[datetime, datetime] = {}
    """Hours that count as a whole for what starts there."""
    unsure: set[datetime] = set()
    for hour, counted in sorted(hours.items(), reverse=True):
        pieces = _pieces(hour, which, bounds)
        if not pieces:
            continue
        whole = pieces == [(hour, hour + HOUR)]
        clipped = pieces[0][0] != hour or pieces[-1][1] != hour + HOUR
        if not whole and (clipped or counted.total <= left):
            left -= 0 if clipped else counted.total
            for piece in pieces:
                found.setdefault(_start(piece[0], bounds), Counted()).add(_piece(connection, which, piece, counted.models))
            continue
        start = _start(max(pieces, key=lambda piece: piece[1] - piece[0])[0], bounds)
        found.setdefault(start, Counted()).add(counted)
        if not whole:
            moved[hour] = start
            unsure |= {_start(piece[0], bounds) for piece in pieces}
    for at, grading_id in connection.execute(_corrections(gradings.c.received_at, which)):
        found[moved.get(hour_of(at)) or _start(at, bounds)].corrected.add(grading_id)
    for start, one in found.items():
        one.exact = start not in unsure
    return {Period(at, bounds[bisect_right(bounds, at)]): one for at, one in found.items() if one.total}


def _hours(connection: Connection, which: Which) -> dict[datetime, Counted]:
    """Every hour that the time asked for touches, with all its gradings."""
    since = which.since and hour_of(which.since)
    return _found(connection, *_tallied(tallies.c.hour, which, (since, which.until)))


def _start(at: datetime, bounds: Sequence[datetime]) -> datetime:
    return bounds[bisect_right(bounds, at) - 1]


def _pieces(hour: datetime, which: Which, bounds: Sequence[datetime]) -> list[_Span]:
    """What of an hour was asked for, cut where something starts; nothing where the time asked for is empty."""
    since = max(hour, which.since or hour)
    until = min(hour + HOUR, which.until or hour + HOUR)
    if since >= until:
        return []
    cuts = [since, *bounds[bisect_right(bounds, since) : bisect_left(bounds, until)], until]
    return list(pairwise(cuts))


def _piece(connection: Connection, which: Which, span: _Span, models: set[int]) -> Counted:
    """A part of an hour in which these models graded."""
    c, one = gradings.c, Counted()
    clauses = _between(which, span)
    # what an index has, in few groups: several times as fast as a sum for each grade
    query = select(c.grade, c.lane, func.count(), func.sum(c.confidence), func.min(c.received_at), func.max(c.received_at))
    for grade, lane, count, confidence_sum, first, last in connection.execute(query.where(*clauses).group_by(c.grade, c.lane)):
        grades = [count if grade == each else 0 for each in GRADES]
        one.add(Counted(count, grades, count if lane == MANUAL else 0, confidence_sum or 0.0, first, last))
    if one.total:
        # nearly always one model graded all of an hour: the gradings need not be looked at for it
        of_many = select(c.model_version).where(*clauses).distinct()
        one.models = set(models) if len(models) == 1 else set(connection.execute(of_many).scalars())
    return one


def _whole_hours(which: Which) -> tuple[tuple[datetime | None, datetime | None] | None, list[_Span]]:
    """The whole hours of the time asked for, None where there are none, and what comes before and after them."""
    since, until = which.since, which.until
    first, last = since and hour_of(since), until and hour_of(until)
    if since and first and first != since:
        if until and until - first <= HOUR:
            return None, [(since, until)] if since < until else []
        try:
            first += HOUR
        except OverflowError:  # in the last hour of the calendar
            return None, [(since, until or datetime.max.replace(tzinfo=UTC))]
    if since and until and since >= until:
        return None, []
    edges = [(since, first)] if since and first and first != since else []
    edges += [(last, until)] if until and last and last != until and not (first and last < first) else []
    return (None if first and last and first >= last else (first, last)), edges


def _tallied(
    key: ColumnElement[Any], which: Which, span: tuple[datetime | None, datetime | None]
) -> tuple[Select[Any], Select[Any]]:
    """Figures by a column of the tallies, and the versions of models by it."""
    c = tallies.c
    clauses = which.clauses(c.line, c.lot)
    clauses += [c.hour >= span[0]] if span[0] else []
    clauses += [c.hour < span[1]] if span[1] else []
    columns = (
        *(func.sum(c.count).filter(c.grade == grade) for grade in GRADES),
        *(func.sum(c.count), func.sum(c.count).filter(c.lane == MANUAL), func.sum(c.confidence_sum)),
        *(func.min(c.first_received_at), func.max(c.last_received_at)),
        *(func.min(c.model_version), func.max(c.model_version)),
    )
    return select(key, *columns).where(*clauses).group_by(key), select(key, c.model_version).where(*clauses).distinct()


def _read(key: ColumnElement[Any], which: Which, span: _Span) -> tuple[Select[Any], Select[Any]]:
    """The same of the gradings themselves."""
    c = gradings.c
    clauses = _between(which, span)
    columns = (
        *(func.count().filter(c.grade == grade) for grade in GRADES),
        *(func.count(), func.count().filter(c.lane == MANUAL), func.sum(c.confidence)),
        *(func.min(c.received_at), func.max(c.received_at)),
        *(func.min(c.model_version), func.max(c.model_version)),
    )
    return select(key, *columns).where(*clauses).group_by(key), select(key, c.model_version).where(*clauses).distinct()


def _between(which: Which, span: _Span) -> list[ColumnElement[bool]]:
    c = gradings.c
    return [*which.clauses(c.line, c.lot), c.received_at >= span[0], c.received_at < span[1]]


def _found(connection: Connection, counts: Select[Any], versions: Select[Any]) -> dict[Any, Counted]:
    """What the two queries of `_tallied` or `_read` find, by their key."""
    found: dict[Any, Counted] = {}
    several = False
    for key, *grades, total, manual, confidence_sum, first, last, oldest, newest in connection.execute(counts):
        # a sum of no rows is None, and a Decimal on PostgreSQL
        by_grade = [int(count or 0) for count in grades]
        found[key] = Counted(int(total), by_grade, int(manual or 0), float(confidence_sum or 0.0), first, last, {oldest, newest})
        several |= oldest != newest
    if several:  # perhaps more than two
        for key, version in connection.execute(versions):
            found[key].models.add(version)
    return found


def _corrections(key: ColumnElement[Any], which: Which) -> Select[Any]:
    """(key, id) of every grading with a correction in effect; one that was corrected twice comes twice.

    A correction leads to its grading, never the other way: there are few of them. So no index of the gradings' places or times
    may look useful.
    """
    c, g = corrections.c, gradings.c
    at = func.coalesce(g.received_at, g.received_at)
    clauses = which.clauses(func.coalesce(g.line, g.line), func.coalesce(g.lot, g.lot))
    if which.since is not None:
        # a grading comes before its correction, unless somebody set the clock back between the two
        clauses += [at >= which.since, c.at >= _earlier(which.since)]
    if which.until is not None:
        clauses.append(at < which.until)
    return select(key, c.grading_id).where(c.grading_id == g.id, c.undone_at.is_(None), *clauses)


def _earlier(at: datetime) -> datetime:
    return max(at, datetime.min.replace(tzinfo=at.tzinfo) + _CLOCKS_AGREE) - _CLOCKS_AGREE
