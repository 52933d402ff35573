"""What an admin said of the farm, on record: a row for each thing said."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection, Engine, select
from sqlalchemy.dialects import postgresql, sqlite

from service.farm import GRAMS_PER_FRUIT, YEN_PER_FRUIT, Farm
from service.records.audit import note
from service.records.resources import Signature
from service.records.tables import farm_settings
from service.records.transactions import reading, writing

BY_GRADE: Final[Mapping[str, Mapping[str, float]]] = {"grams_per_fruit": GRAMS_PER_FRUIT, "yen_per_fruit": YEN_PER_FRUIT}
"""What has a value for each grade, and the defaults; on record are those that somebody gave."""
SUBJECT: Final = "farm"


def read(engine: Engine) -> Farm:
    """Raises RecordsUnavailable."""
    with reading(engine) as connection:
        return farm_of(connection)


def farm_of(connection: Connection) -> Farm:
    """What is on record, with the defaults where there is nothing."""
    rows = connection.execute(select(farm_settings)).all()
    said: dict[str, Any] = {row.name: row.value for row in rows if row.value is not None}
    if "shift_starts" in said:
        said["shift_starts"] = tuple(said["shift_starts"])
    for name, defaults in BY_GRADE.items():
        said[name] = {**defaults, **said.get(name, {})}
    newest = max(rows, key=lambda row: row.changed_at, default=None)
    if newest is not None:
        said |= {"changed_by": newest.changed_by, "changed_at": newest.changed_at}
    return Farm(**said)


def change(engine: Engine, wanted: Mapping[str, Any], signed: Signature) -> Farm:
    """Set what is given; None puts a value, or that of one grade, back to its default. Says what differs in the audit trail.

    `wanted` has names and values as `Farm` does, checked by the caller; of BY_GRADE any of the grades. Raises RecordsUnavailable.
    """
    with writing(engine) as connection:
        if connection.dialect.name == "postgresql":  # of two admins at once the second sees what the first one said
            connection.exec_driver_sql("LOCK TABLE farm_settings IN SHARE ROW EXCLUSIVE MODE")
        before = farm_of(connection)
        there = {row.name: row.value for row in connection.execute(select(farm_settings)).all()}
        now = datetime.now(UTC)
        for name, value in wanted.items():
            kept = _merged(there.get(name), value) if name in BY_GRADE else value
            if kept != there.get(name):
                _keep(connection, {"name": name, "value": kept, "changed_by": signed.by, "changed_at": now})
        after = farm_of(connection)
        old, new = before.to_json(), after.to_json()
        detail = {name: {"from": old[name], "to": new[name]} for name in wanted if old[name] != new[name]}
        if detail:
            note(connection, signed.by, "farm.changed", SUBJECT, detail, signed.address)
    return after


def _merged(there: Mapping[str, float] | None, value: Mapping[str, float | None] | None) -> dict[str, float] | None:
    """The grades that have a value of their own, after a change; None where no grade has."""
    if value is None:
        return None
    merged = {**(there or {}), **value}
    return {grade: number for grade, number in merged.items() if number is not None} or None


def _keep(connection: Connection, row: Mapping[str, Any]) -> None:
    insert: Any = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
    rest = {name: value for name, value in row.items() if name != "name"}
    connection.execute(insert(farm_settings).values(row).on_conflict_do_update(index_elements=["name"], set_=rest))
