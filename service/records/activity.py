"""What every line and camera does just now, and how many fruit a minute came in the last hour."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, Final

from sqlalchemy import ColumnElement, CompoundSelect, Connection, bindparam, func, literal, literal_column, select, union_all

from service.farm import Farm
from service.grading import rfc3339
from service.records.tables import UtcDateTime, cameras, gradings, lines, lots, tallies
from service.records.tallies import hour_of
from service.shifts import shift_at

MINUTE: Final = timedelta(minutes=1)
MINUTES: Final = 60
SEEN: Final = timedelta(hours=24)
"""What nobody entered is shown for so long after its last photograph."""
REMEMBERED: Final = timedelta(days=31)
"""How far back the last photograph of what is entered is looked for."""
MAX_PLACES: Final = 500
"""Of lines with their cameras, those that were heard of last: whoever may post a photograph may name anything."""

_Place = tuple[str | None, str | None]
"""(line, camera); None is none, also where a line is meant without a camera."""


@dataclass(slots=True)
class _Seen:
    last: datetime | None = None
    per_minute: int = 0

    def add(self, last: datetime | None, per_minute: int = 0) -> None:
        self.last = max((at for at in (self.last, last) if at), default=None)
        self.per_minute += per_minute


@dataclass(slots=True)
class _Line(_Seen):
    lot: str | None = None
    grower: str | None = None
    cameras: dict[str | None, _Seen] = field(default_factory=dict)


def activity(connection: Connection, farm: Farm, line: str | None, now: datetime) -> dict[str, Any]:
    """The answer of `GET /v1/activity`: minutes of one line or of all, and every line there is. Raises TimeZoneMissing."""
    found = _lines(connection, now)
    return {**idle(farm, now), "minutes": _minutes(connection, line, now), **found}


def idle(farm: Farm, now: datetime) -> dict[str, Any]:
    """The same where nothing is on record. Raises TimeZoneMissing."""
    minutes = [{"at": rfc3339(at), "count": 0} for at in _starts(now)]
    shift = shift_at(now, farm.starts, farm.zone)
    return {"now": rfc3339(now), "shift": shift.to_json(), "minutes": minutes, "lines": [], "truncated": False}


def _starts(now: datetime) -> list[datetime]:
    """Of the last MINUTES minutes, the one that is running among them; oldest first."""
    running = now.astimezone(UTC).replace(second=0, microsecond=0)
    return [running - place * MINUTE for place in reversed(range(MINUTES))]


def _minutes(connection: Connection, line: str | None, now: datetime) -> list[dict[str, Any]]:
    starts = _starts(now)
    given: dict[str, Any] = {f"at_{place}": at for place, at in enumerate([*starts, starts[-1] + MINUTE])}
    if line is not None:
        given["line"] = line
    counts = {row.place: row.n for row in connection.execute(_counts(line is not None), given)}
    return [{"at": rfc3339(at), "count": counts[place]} for place, at in enumerate(starts)]


@cache
def _counts(of_line: bool) -> CompoundSelect[Any]:
    """A count of each minute: ranges of an index, which is several times as fast as grouping an hour by its minutes."""
    c = gradings.c
    clauses = [c.line == bindparam("line")] if of_line else []
    at = [bindparam(f"at_{place}", type_=UtcDateTime()) for place in range(MINUTES + 1)]
    return union_all(
        *(
            select(literal(place).label("place"), func.count().label("n")).where(
                *clauses, c.received_at >= at[place], c.received_at < at[place + 1]
            )
            for place in range(MINUTES)
        )
    )


def _lines(connection: Connection, now: datetime) -> dict[str, Any]:
    recent = _recent(connection, now)
    last = _last(connection, now)
    places: dict[_Place, _Seen] = {place: _Seen() for place in _entered(connection)}
    for place in {**last, **recent}:
        seen_at = last.get(place)
        if place in places or place in recent or (seen_at and seen_at >= now - SEEN):
            places.setdefault(place, _Seen()).add(seen_at, recent.get(place, 0))
    running = _running(connection)
    # a line that is entered is there without any camera too
    shown: dict[str | None, _Line] = {name: _Line(lot=lot, grower=grower) for name, (lot, grower) in running.items()}
    never = datetime.min.replace(tzinfo=UTC)
    newest = sorted(places.items(), key=lambda one: one[1].last or never, reverse=True)[:MAX_PLACES]
    for (name, camera), seen in newest:
        one = shown.setdefault(name, _Line())
        one.add(seen.last, seen.per_minute)
        one.cameras[camera] = seen
    for (name, _), seen_at in last.items():  # cameras that are not shown any more too
        if name in shown:
            shown[name].add(seen_at)
    chosen = sorted(shown.items(), key=lambda item: item[1].last or never, reverse=True)[:MAX_PLACES]
    cut = len(places) > MAX_PLACES or len(shown) > MAX_PLACES
    return {"lines": [_line(name, one) for name, one in sorted(chosen, key=_by_name)], "truncated": cut}


def _entered(connection: Connection) -> list[_Place]:
    """Every camera that is entered, at its line."""
    return [(row.line or None, row.name) for row in connection.execute(select(cameras.c.line, cameras.c.name))]


def _running(connection: Connection) -> dict[str, tuple[str | None, str | None]]:
    """Every line that is entered, with the lot that runs on it and the grower of that."""
    query = select(lines.c.name, lines.c.lot, lots.c.grower).select_from(lines.outerjoin(lots, lots.c.name == lines.c.lot))
    return {row.name: (row.lot, row.grower) for row in connection.execute(query)}


def _recent(connection: Connection, now: datetime) -> Mapping[_Place, int]:
    """Photographs of the last minute."""
    c = gradings.c
    nothing: ColumnElement[str] = literal_column("''")
    # not the columns themselves: an index by line would be read from end to end for the sake of their order
    line, camera = func.coalesce(c.line, nothing), func.coalesce(c.camera, nothing)
    query = select(line.label("line"), camera.label("camera"), func.count().label("n")).where(c.received_at >= now - MINUTE)
    return {(row.line or None, row.camera or None): row.n for row in connection.execute(query.group_by(line, camera))}


def _last(connection: Connection, now: datetime) -> Mapping[_Place, datetime]:
    """When each was heard of last."""
    c = tallies.c
    query = select(c.line, c.camera, func.max(c.last_received_at).label("last")).where(c.hour >= hour_of(now - REMEMBERED))
    return {(row.line or None, row.camera or None): row.last for row in connection.execute(query.group_by(c.line, c.camera))}


def _by_name(item: tuple[str | None, Any]) -> tuple[bool, str]:
    """In the order of names, none last."""
    return item[0] is None, item[0] or ""


def _line(name: str | None, one: _Line) -> dict[str, Any]:
    seen = [{"name": camera, **_seen(each)} for camera, each in sorted(one.cameras.items(), key=_by_name)]
    return {"name": name, "lot": one.lot, "grower": one.grower, **_seen(one), "cameras": seen}


def _seen(one: _Seen) -> dict[str, Any]:
    return {"last_received_at": one.last and rfc3339(one.last), "per_minute": one.per_minute}
