"""What people say a fruit really was. The newest correction of a grading that was not undone counts; none is ever deleted."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection, Engine, insert, or_, select, tuple_, update

from models.grades import GRADES
from service.errors import GradingNotFound, NotFound
from service.grading import new_id, rfc3339
from service.records.audit import note as note_in_audit
from service.records.keeping import Interest
from service.records.tables import corrections, grading_aliases, gradings
from service.records.transactions import reading, writing

NOT_A_CUCUMBER: Final = "not_a_cucumber"
CORRECT_GRADES: Final = (*GRADES, NOT_A_CUCUMBER)


@dataclass(frozen=True, slots=True)
class Correction:
    """One person's word on one grading; undone where `undone_at` is there."""

    id: str
    grading_id: str
    grade: str
    """One of CORRECT_GRADES."""
    note: str | None
    by: str
    at: datetime
    undone_by: str | None = None
    undone_at: datetime | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "grading_id": self.grading_id,
            "grade": self.grade,
            "note": self.note,
            "by": self.by,
            "at": rfc3339(self.at),
            "undone_by": self.undone_by,
            "undone_at": self.undone_at and rfc3339(self.undone_at),
        }


@dataclass(frozen=True, slots=True)
class CorrectionFilters:
    """Which corrections; None is any. `since` is included, `until` is not."""

    since: datetime | None = None
    until: datetime | None = None
    grading_id: str | None = None


def correct(engine: Engine, grading_id: str, grade: str, note: str | None, *, by: str, address: str | None = None) -> Correction:
    """Say what a grading should have been, one of CORRECT_GRADES; its photograph outlives ordinary ones from now on.

    `grading_id` may be the id that a repeated post was answered with. Raises GradingNotFound, RecordsUnavailable.
    """
    with writing(engine) as connection:
        found = _resolved(connection, grading_id)
        made = Correction(new_id(), found, grade, note, by, datetime.now(UTC))
        connection.execute(insert(corrections).values(asdict(made)))
        c = gradings.c
        lesser = or_(c.photograph_interest.is_(None), c.photograph_interest < Interest.CORRECTED)
        keeps = update(gradings).where(c.id == found, c.photograph.is_not(None), lesser)
        connection.execute(keeps.values(photograph_interest=int(Interest.CORRECTED)))
        detail = {"correction": made.id, "grade": grade, "note": note}
        note_in_audit(connection, by, "correction.made", found, detail, address)
    return made


def undo(engine: Engine, correction_id: str, *, by: str, address: str | None = None) -> Correction:
    """Take it back: the one before it counts again, if any. A second time changes nothing.

    Raises NotFound, RecordsUnavailable.
    """
    one = corrections.c.id == correction_id
    with writing(engine) as connection:
        undone = update(corrections).where(one, corrections.c.undone_at.is_(None))
        changed = connection.execute(undone.values(undone_by=by, undone_at=datetime.now(UTC))).rowcount
        found = _one(connection, correction_id)
        if changed:
            detail = {"correction": found.id, "grade": found.grade, "by": found.by}
            note_in_audit(connection, by, "correction.undone", found.grading_id, detail, address)
    return found


def get(engine: Engine, correction_id: str) -> Correction:
    """Raises NotFound, RecordsUnavailable."""
    with reading(engine) as connection:
        return _one(connection, correction_id)


def page(
    engine: Engine, filters: CorrectionFilters, limit: int, before: tuple[datetime, str] | None = None
) -> Sequence[Correction]:
    """Newest first, undone ones too, at most `limit`, all older than the (`at`, `id`) of `before`. Raises RecordsUnavailable."""
    c = corrections.c
    query = select(corrections).order_by(c.at.desc(), c.id.desc()).limit(limit)
    if filters.since is not None:
        query = query.where(c.at >= filters.since)
    if filters.until is not None:
        query = query.where(c.at < filters.until)
    if before is not None:
        query = query.where(tuple_(c.at, c.id) < before)
    with reading(engine) as connection:
        if filters.grading_id is not None:
            query = query.where(c.grading_id == (_alias(connection, filters.grading_id) or filters.grading_id))
        return [Correction(*row) for row in connection.execute(query)]


def _one(connection: Connection, correction_id: str) -> Correction:
    row = connection.execute(select(corrections).where(corrections.c.id == correction_id)).first()
    if row is None:
        raise NotFound("correction", correction_id)
    return Correction(*row)


def _resolved(connection: Connection, grading_id: str) -> str:
    """The id that counts. Raises GradingNotFound."""
    wanted = _alias(connection, grading_id) or grading_id
    if connection.execute(select(gradings.c.id).where(gradings.c.id == wanted)).first() is None:
        raise GradingNotFound(grading_id)
    return wanted


def _alias(connection: Connection, grading_id: str) -> str | None:
    query = select(grading_aliases.c.grading_id).where(grading_aliases.c.id == grading_id)
    return connection.execute(query).scalar_one_or_none()
