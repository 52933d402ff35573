"""What was graded, added up by lot, grower, line, camera, shift or day: counts, estimated weight and yen, corrections, models."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal

from sqlalchemy import Connection, Engine, select

from models.grades import GRADES
from service.farm import Farm
from service.grading import rfc3339
from service.records.farm import farm_of
from service.records.report_counts import Counted, Which, by_name, by_period
from service.records.tables import lots
from service.records.transactions import reading
from service.shifts import MIDNIGHT

By = Literal["lot", "grower", "line", "camera", "shift", "day"]
_NEVER: Final = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Row:
    """One of a report, with the names or moments that say what it is about."""

    counted: Counted
    key: str | None
    until: str | None = None
    grower: str | None = None


def report(engine: Engine, by: By, which: Which, limit: int) -> dict[str, Any]:
    """The answer of `GET /v1/report`, newest first and at most `limit` rows.

    `total` is of everything asked for, also of rows beyond the limit. Raises TimeZoneMissing, RecordsUnavailable.
    """
    with reading(engine) as connection:
        # PostgreSQL needs telling to keep one snapshot for all that follows; a SQLite transaction always does
        if connection.dialect.name == "postgresql":
            connection.execution_options(isolation_level="REPEATABLE READ")
        farm = farm_of(connection)
        rows = _rows(connection, farm, by, which)
    return answer(farm, by, which, rows, limit)


def answer(farm: Farm, by: By, which: Which, rows: list[_Row], limit: int) -> dict[str, Any]:
    """The JSON of rows that are in their order."""
    total = Counted()
    for row in rows:
        total.add(row.counted)
    shown = rows[:limit]
    return {
        "by": by,
        "since": which.since and rfc3339(which.since),
        "until": which.until and rfc3339(which.until),
        "time_zone": farm.time_zone,
        "rows": [{"key": row.key, "until": row.until, "grower": row.grower, **_figures(row.counted, farm)} for row in shown],
        "total": {**_figures(total, farm), "exact": True},
        "truncated": len(rows) > limit,
        "estimates": farm.estimates(),
    }


def _rows(connection: Connection, farm: Farm, by: By, which: Which) -> list[_Row]:
    """Newest first."""
    if by == "day" or by == "shift":
        zone = farm.zone
        periods = by_period(connection, farm.starts if by == "shift" else MIDNIGHT, zone, which)
        ordered = sorted(periods.items(), key=lambda item: item[0].since, reverse=True)
        return [_Row(one, *(at.astimezone(zone).isoformat() for at in (of.since, of.until))) for of, one in ordered]
    counted = by_name(connection, "lot" if by == "grower" else by, which)
    growers = _growers(connection) if by in ("lot", "grower") else {}
    if by == "grower":
        counted = _by_grower(counted, growers)
    rows = [_Row(one, key or None, grower=growers.get(key) if by == "lot" else None) for key, one in counted.items()]
    rows.sort(key=lambda row: row.key or "")
    return sorted(rows, key=lambda row: row.counted.last or _NEVER, reverse=True)


def _growers(connection: Connection) -> dict[str, str]:
    """Of every lot that has one."""
    query = select(lots.c.name, lots.c.grower).where(lots.c.grower.is_not(None))
    return {row.name: row.grower for row in connection.execute(query)}


def _by_grower(counted: Mapping[str, Counted], growers: Mapping[str, str]) -> dict[str, Counted]:
    found: dict[str, Counted] = {}
    for lot, one in counted.items():
        found.setdefault(growers.get(lot, ""), Counted()).add(one)
    return found


def _figures(one: Counted, farm: Farm) -> dict[str, Any]:
    """Shares are of all gradings of the row, 0 of none; weight and yen are of all fruit with a grade, by that grade."""
    counts = dict(zip(GRADES, one.grades, strict=True))
    graded = sum(one.grades)
    corrected = len(one.corrected)
    return {
        "total": one.total,
        "grades": {grade: {"count": count, "share": _share(count, one.total)} for grade, count in counts.items()},
        "ungraded": one.total - graded,
        "manual": one.manual,
        "manual_share": _share(one.manual, one.total),
        "mean_confidence": one.confidence_sum / graded if graded else None,
        "kg": round(sum(count * farm.grams_per_fruit[grade] for grade, count in counts.items()) / 1000, 3),
        "yen": round(sum(count * farm.yen_per_fruit[grade] for grade, count in counts.items()), 2),
        "corrections": corrected,
        "corrected_share": _share(corrected, one.total),
        "models": sorted(one.models),
        "first_received_at": one.first and rfc3339(one.first),
        "last_received_at": one.last and rfc3339(one.last),
        "exact": one.exact,
    }


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0
