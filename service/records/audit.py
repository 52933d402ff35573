"""Who changed what: appended in the transaction of the change itself, and read in pages. Nothing here is ever changed again; the
database refuses it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Engine, insert, select

from service.grading import rfc3339
from service.records.tables import audit
from service.records.transactions import reading

ACTOR_CHARACTERS: Final = 100
ADDRESS_CHARACTERS: Final = 64
SUBJECT_CHARACTERS: Final = 200


def note(
    connection: Connection, actor: str, action: str, subject: str, detail: dict[str, Any], address: str | None = None
) -> None:
    """Append one line, in the caller's transaction: it is there exactly when the change is.

    `action` is `thing.done`, such as `lot.changed`; `subject` names the thing; `detail` is anything JSON can hold, and never a
    secret; `address` is where the request came from. What is too long for its column is cut: a long name must not undo a change.
    """
    row = {
        "at": datetime.now(UTC),
        "actor": actor[:ACTOR_CHARACTERS],
        "address": address[:ADDRESS_CHARACTERS] if address else None,
        "action": action,
        "subject": subject[:SUBJECT_CHARACTERS],
        "detail": detail,
    }
    connection.execute(insert(audit), row)


@dataclass(frozen=True, slots=True)
class AuditFilters:
    """Which lines; None is any. `since` is included, `until` is not."""

    action: str | None = None
    """The whole of it, or with a dot at its end all that begin so: `lot.`"""
    subject: str | None = None
    actor: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def clauses(self) -> list[ColumnElement[bool]]:
        c = audit.c
        clauses: list[ColumnElement[bool]] = []
        if self.action is not None:
            starts = self.action.endswith(".")
            clauses.append(c.action.startswith(self.action, autoescape=True) if starts else c.action == self.action)
        clauses += [c[name] == value for name in ("subject", "actor") if (value := getattr(self, name)) is not None]
        if self.since is not None:
            clauses.append(c.at >= self.since)
        if self.until is not None:
            clauses.append(c.at < self.until)
        return clauses


@dataclass(frozen=True, slots=True)
class AuditLine:
    """One line of the trail with its place in it."""

    seq: int
    at: datetime
    actor: str
    address: str | None
    action: str
    subject: str
    detail: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        return {
            "seq": self.seq,
            "at": rfc3339(self.at),
            "actor": self.actor,
            "address": self.address,
            "action": self.action,
            "subject": self.subject,
            "detail": self.detail,
        }


def page(engine: Engine, filters: AuditFilters, limit: int, before: int | None = None) -> Sequence[AuditLine]:
    """Newest first, at most `limit`, all older than the number `before`. Raises RecordsUnavailable."""
    query = select(audit).where(*filters.clauses()).order_by(audit.c.seq.desc()).limit(limit)
    if before is not None:
        query = query.where(audit.c.seq < before)
    with reading(engine) as connection:
        return [AuditLine(*row) for row in connection.execute(query)]
