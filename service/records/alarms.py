"""Alarms on record: opened, closed, acknowledged. One alarm of a name is open at a time, however many workers raise it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Engine, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from service.errors import NotFound
from service.grading import new_id, rfc3339
from service.records.audit import note
from service.records.tables import alarms
from service.records.transactions import reading, writing


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that a person should know of; open while `until` is None."""

    id: str
    name: str
    severity: str
    """warning, or critical"""
    detail: str
    since: datetime
    until: datetime | None = None
    acknowledged_by: str | None = None
    acknowledged_at: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "name": self.name,
            "severity": self.severity,
            "detail": self.detail,
            "since": rfc3339(self.since),
            "until": self.until and rfc3339(self.until),
            "acknowledged_by": self.acknowledged_by,
            "acknowledged_at": self.acknowledged_at and rfc3339(self.acknowledged_at),
        }


def put_open(connection: Connection, alarm: Alarm) -> None:
    """Open an alarm, in the caller's transaction; nothing happens where one of its name is open. A graver one takes its place."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    # without a target: neither a second open one of the name nor the same one sent again after a lost answer is an error
    connection.execute(dialect.insert(alarms).values(asdict(alarm)).on_conflict_do_nothing())
    if alarm.severity == "critical":
        graver = alarms.c.name == alarm.name, alarms.c.until.is_(None), alarms.c.severity != "critical"
        connection.execute(update(alarms).where(*graver).values(severity=alarm.severity, detail=alarm.detail))


def put_closed(connection: Connection, name: str, at: datetime) -> None:
    """Close the open alarm of a name, if any, in the caller's transaction."""
    is_open = alarms.c.name == name, alarms.c.until.is_(None)
    connection.execute(update(alarms).where(*is_open).values(until=at))


def page(
    engine: Engine, *, only_open: bool = False, limit: int = 50, before: tuple[datetime, str] | None = None
) -> Sequence[Alarm]:
    """Latest first, at most `limit`, all older than the (`since`, `id`) of `before`. Raises RecordsUnavailable."""
    query = select(alarms).order_by(alarms.c.since.desc(), alarms.c.id.desc()).limit(limit)
    if only_open:
        query = query.where(alarms.c.until.is_(None))
    if before is not None:
        query = query.where(tuple_(alarms.c.since, alarms.c.id) < before)
    with reading(engine) as connection:
        return [Alarm(*row) for row in connection.execute(query)]


def open_names(engine: Engine) -> set[str]:
    """What is open now. Raises RecordsUnavailable."""
    with reading(engine) as connection:
        return set(connection.execute(select(alarms.c.name).where(alarms.c.until.is_(None))).scalars())


def find(engine: Engine, ids: Sequence[str]) -> Sequence[Alarm]:
    """The alarms of these ids that there are. Raises RecordsUnavailable."""
    with reading(engine) as connection:
        return [Alarm(*row) for row in connection.execute(select(alarms).where(alarms.c.id.in_(ids)))]


def acknowledge(engine: Engine, alarm_id: str, by: str, address: str | None = None) -> Alarm:
    """Somebody has seen it; who said so first stays. Raises NotFound, RecordsUnavailable."""
    one = alarms.c.id == alarm_id
    with writing(engine) as connection:
        values = {"acknowledged_by": by, "acknowledged_at": datetime.now(UTC)}
        first = connection.execute(update(alarms).where(one, alarms.c.acknowledged_at.is_(None)).values(values)).rowcount
        row = connection.execute(select(alarms).where(one)).first()
        if row is None:
            raise NotFound("alarm", alarm_id)
        if first:
            note(connection, by, "alarm.acknowledged", alarm_id, {"name": row.name}, address)
    return Alarm(*row)


def opened(name: str, detail: str, severity: str) -> Alarm:
    """An alarm that begins now."""
    return Alarm(new_id(), name, severity, detail, datetime.now(UTC))
