"""Versions of the rules that decide lanes: each is kept, so that a grading's lane can be understood years later."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection, Engine, insert, select
from sqlalchemy.exc import IntegrityError

from service.errors import NotFound
from service.grading import rfc3339
from service.records.tables import profiles
from service.records.transactions import reading, writing

Rules = dict[str, Any]
SERVICE: Final = "senka"
"""Signs what the service does by itself."""


@dataclass(frozen=True, slots=True)
class Profile:
    """One version of the rules."""

    version: int
    rules: Rules
    created_by: str
    created_at: datetime

    def to_json(self) -> dict[str, Any]:
        return {
            "version": self.version,
            "rules": self.rules,
            "created_by": self.created_by,
            "created_at": rfc3339(self.created_at),
        }


def version_of(engine: Engine, rules: Rules) -> int:
    """The newest version with exactly these rules; where there is none, it is made. Raises RecordsUnavailable."""
    with reading(engine) as connection:
        found, _ = _with_rules(connection, rules)
    while found is None:
        try:
            with writing(engine) as connection:
                # Both of one query: had another worker made this version between two, it would be made twice
                found, newest = _with_rules(connection, rules)
                found = found or _make(connection, newest + 1, rules)
        except IntegrityError:  # another worker made a version at the same moment: perhaps this very one
            found = None
    return found


def page(engine: Engine) -> Sequence[Profile]:
    """Every version, newest first. Raises RecordsUnavailable."""
    with reading(engine) as connection:
        return [Profile(*row) for row in connection.execute(select(profiles).order_by(profiles.c.version.desc()))]


def get(engine: Engine, version: int) -> Profile:
    """Raises NotFound, RecordsUnavailable."""
    with reading(engine) as connection:
        row = connection.execute(select(profiles).where(profiles.c.version == version)).first()
    if row is None:
        raise NotFound("profile", str(version))
    return Profile(*row)


def _with_rules(connection: Connection, rules: Rules) -> tuple[int | None, int]:
    """The newest version with exactly these rules, and the newest of all, 0 where there is none."""
    rows = connection.execute(select(profiles.c.version, profiles.c.rules).order_by(profiles.c.version.desc())).all()
    return next((row.version for row in rows if row.rules == rules), None), max((row.version for row in rows), default=0)


def _make(connection: Connection, version: int, rules: Rules) -> int:
    made = {"version": version, "rules": rules, "created_by": SERVICE, "created_at": datetime.now(UTC)}
    connection.execute(insert(profiles).values(made))
    return version
