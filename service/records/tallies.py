"""Gradings counted by hour, in the very transaction that puts them on record; every few thousand, by confidence too.

A season has a million gradings and some ten thousand tallies: figures read those. Every commit writes here, so a batch is
added up first and costs one row for each hour, place, grade, lane and model in it.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from math import ceil
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    Float,
    Insert,
    Integer,
    Select,
    SmallInteger,
    Table,
    and_,
    case,
    cast,
    delete,
    func,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from service.grading import Grading
from service.records.bulk import BulkInsert
from service.records.tables import confidence_tallies, gradings, tallies, tally_marks

BANDS: Final = 100
"""Parts of the confidence from 0 to 1. A limit with two decimals falls between two of them, so no row need be looked at."""

FOLD: Final = 2_000
"""Gradings after which they are counted by confidence; figures count the rest one by one, which takes a few milliseconds."""
FOLD_AT_MOST: Final = 8_000
_WAITING: Final = "senka_gradings_not_folded"

_Key = tuple[Any, ...]


def hour_of(moment: datetime) -> datetime:
    """The hour of UTC that a moment lies in."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def day_of(moment: datetime) -> datetime:
    """The day of UTC that a moment lies in."""
    return hour_of(moment).replace(hour=0)


def band_of(confidence: float) -> int:
    """The smallest whole number of hundredths that is not below the confidence, as the comparison of floats sees it."""
    band = ceil(confidence * BANDS)
    if confidence <= (band - 1) / BANDS:  # 0.07 * 100 is a little more than 7
        return band - 1
    return band + 1 if confidence > band / BANDS else band


def tally(connection: Connection, gradings: Sequence[Grading]) -> None:
    """Count gradings, in the caller's transaction. Give only those whose rows were really inserted in it, each once.

    On PostgreSQL no other transaction may be recording at the same time: the numbers of gradings are in the order of commits.
    """
    counted: dict[_Key, list[Any]] = {}
    for one in gradings:
        origin, at = one.origin, one.received_at
        places = (origin.line or "", origin.lot or "", origin.camera or "")
        key = (hour_of(at), *places, one.grade or "", one.lane, one.model.version)
        _add(counted, key, one.confidence or 0.0, at)
    if not counted:
        return
    names = tallies.c.keys()
    # sorted, so that two commits that meet on PostgreSQL lock the same rows in the same order
    rows = [dict(zip(names, (*key, *values), strict=True)) for key, values in sorted(counted.items())]
    _bulk(connection.dialect.name).execute(connection, rows)
    waiting = connection.info.get(_WAITING, FOLD) + len(gradings)
    if waiting >= FOLD:
        fold(connection)
        waiting = 0
    connection.info[_WAITING] = waiting


def fold(connection: Connection) -> None:
    """Count what is new by confidence, if it is much, in the caller's transaction.

    Nearly every grading of a batch has a row of its own there, so doing it for thousands at once costs a commit a fifth.
    """
    _mark_made(connection)
    marked = connection.execute(select(tally_marks.c.seq).with_for_update()).scalar_one()
    last = connection.execute(select(func.max(gradings.c.seq))).scalar() or 0
    if last - marked < FOLD:
        return
    last = min(last, marked + FOLD_AT_MOST)  # one commit must not wait for all of a season
    dialect = connection.dialect.name
    new = _counted(confidence_tallies, dialect).where(gradings.c.seq > marked, gradings.c.seq <= last)
    connection.execute(_adding(confidence_tallies, dialect, new))
    connection.execute(update(tally_marks).values(seq=last))


def _mark_made(connection: Connection) -> None:
    insert: Any = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    row = {"name": confidence_tallies.name, "seq": 0}
    connection.execute(insert(tally_marks).on_conflict_do_nothing(), row)


def _add(counted: dict[_Key, list[Any]], key: _Key, confidence: float, at: datetime) -> None:
    found = counted.get(key)
    if found is None:
        counted[key] = [1, confidence, at, at]
        return
    found[0] += 1
    found[1] += confidence
    found[2] = min(found[2], at)
    found[3] = max(found[3], at)


@cache
def _bulk(dialect: str) -> BulkInsert:
    """Adds rows to what is there: `_adding` for many rows in one statement, as every commit does it."""
    least, greatest = ("min", "max") if dialect == "sqlite" else ("least", "greatest")
    key = ", ".join(column.name for column in tallies.primary_key.columns)
    return BulkInsert(
        tallies,
        tallies.c.keys(),
        f"({key}) DO UPDATE SET count = tallies.count + excluded.count, "
        "confidence_sum = tallies.confidence_sum + excluded.confidence_sum, "
        f"first_received_at = {least}(tallies.first_received_at, excluded.first_received_at), "
        f"last_received_at = {greatest}(tallies.last_received_at, excluded.last_received_at)",
    )


def _adding(table: Table, dialect: str, counted: Select[Any]) -> Insert:
    """INSERT of what a query counted, that adds to what is there."""
    # SQLite's min and max of two values are called least and greatest elsewhere
    least, greatest = (func.min, func.max) if dialect == "sqlite" else (func.least, func.greatest)
    statement: Any = (sqlite.insert if dialect == "sqlite" else postgresql.insert)(table).from_select(table.c.keys(), counted)
    c, new = table.c, statement.excluded
    made: Insert = statement.on_conflict_do_update(
        index_elements=list(table.primary_key.columns),
        set_={
            "count": c.count + new.count,
            "confidence_sum": c.confidence_sum + new.confidence_sum,
            "first_received_at": least(c.first_received_at, new.first_received_at),
            "last_received_at": greatest(c.last_received_at, new.last_received_at),
        },
    )
    return made


def rebuild(connection: Connection, since: datetime | None = None, until: datetime | None = None) -> None:
    """Count the gradings received from `since` to before `until` anew, in the caller's transaction.

    Both ends are widened to whole days of UTC; None is from the first or to the last. For whoever changed the lot or another
    part of gradings that were counted already.
    """
    first = day_of(since) if since else None
    last = day_of(until + timedelta(days=1) - timedelta(microseconds=1)) if until else None
    _mark_made(connection)
    marked = connection.execute(select(tally_marks.c.seq).with_for_update()).scalar_one()
    for table, start in ((tallies, tallies.c.hour), (confidence_tallies, confidence_tallies.c.day)):
        connection.execute(delete(table).where(*_between(start, first, last)))
        counted = _counted(table, connection.dialect.name).where(*_between(gradings.c.received_at, first, last))
        if table is confidence_tallies:
            counted = counted.where(gradings.c.seq <= marked)
        connection.execute(table.insert().from_select(table.c.keys(), counted))


def _between(column: ColumnElement[Any], since: datetime | None, until: datetime | None) -> list[ColumnElement[bool]]:
    return ([column >= since] if since else []) + ([column < until] if until else [])


def _counted(table: Table, dialect: str) -> Select[Any]:
    """The rows of a table of tallies, counted from the gradings."""
    c = gradings.c
    places = [func.coalesce(c[name], "") for name in ("line", "lot", "camera")]
    keys: list[ColumnElement[Any]]
    if table is tallies:
        keys = [_start("hour", dialect), *places, func.coalesce(c.grade, ""), c.lane, c.model_version]
    else:
        keys = [func.coalesce(c.grade, ""), _start("day", dialect), *places, c.lane, _band()]
    figures = (func.count(), func.coalesce(func.sum(c.confidence), 0.0), func.min(c.received_at), func.max(c.received_at))
    query = select(*(key.label(f"key_{place}") for place, key in enumerate(keys)), *figures)
    query = query.group_by(*(literal_column(str(place + 1)) for place in range(len(keys))))
    return query if table is tallies else query.where(c.confidence.is_not(None))


def _start(unit: str, dialect: str) -> ColumnElement[Any]:
    """The hour or day of UTC that a grading was received in."""
    at = gradings.c.received_at
    if dialect != "sqlite":
        return func.date_trunc(unit, at, "UTC")
    # kept as text: 2026-11-23 02:11:00.123000
    length, rest = (13, "':00:00.000000'") if unit == "hour" else (10, "' 00:00:00.000000'")
    return func.substr(at, 1, length).op("||")(literal_column(rest))


def _band() -> ColumnElement[Any]:
    """`band_of`, for the database."""
    hundredths = cast(gradings.c.confidence * BANDS, Integer)  # cut off on SQLite, rounded on PostgreSQL: both are near enough
    below, above = hundredths - 1, hundredths + 1
    fits = (
        (and_(gradings.c.confidence <= cast(band, Float) / literal_column("100.0")), band) for band in (below, hundredths, above)
    )
    return cast(case(*fits, else_=hundredths + 2), SmallInteger)
