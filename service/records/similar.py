"""Gradings whose photographs can be compared with another one's: the newest that are kept, with their probabilities."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from sqlalchemy import select

from models.grades import GRADES
from service.records.filters import Filters
from service.records.repository import Records, page_query
from service.records.tables import gradings
from service.records.transactions import reading

LOOKED_AT: Final = 10_000
"""So many of the newest are looked at."""
COMPARED: Final = 1_000
"""So many of them are compared, the newest whose photograph is kept."""


@dataclass(frozen=True, slots=True)
class Comparable:
    """A grading with a grade, and the key of its photograph."""

    seq: int
    id: str
    photograph: str
    probabilities: dict[str, float]


def comparable(records: Records) -> list[Comparable]:
    """Newest first, COMPARED at most. Blocks. Raises RecordsUnavailable."""
    g = gradings.c
    columns = (g.seq, g.id, g.grade, g.photograph, g.photograph_deleted_at, g.received_at)
    with reading(records.engine) as connection:
        page = page_query(connection, Filters(), LOOKED_AT)
        if page is None:
            return []
        newest = page.with_only_columns(*columns).subquery("looked_at")
        n = newest.c
        kept = select(n.seq).where(n.grade.is_not(None), n.photograph.is_not(None), n.photograph_deleted_at.is_(None))
        chosen = kept.order_by(n.received_at.desc(), n.seq.desc()).limit(COMPARED).subquery("chosen")
        query = select(g.seq, g.id, g.photograph, g.probabilities).join_from(chosen, gradings, g.seq == chosen.c.seq)
        rows = connection.execute(query.order_by(g.received_at.desc(), g.seq.desc())).all()
    return [Comparable(*row) for row in rows]


def kept_photograph(records: Records, grading_id: str) -> str | None:
    """The key of a grading's photograph; None where none is kept any more. Blocks. Raises RecordsUnavailable."""
    g = gradings.c
    with reading(records.engine) as connection:
        query = select(g.photograph).where(g.id == grading_id, g.photograph_deleted_at.is_(None))
        return connection.execute(query).scalar_one_or_none()


def vector(probabilities: dict[str, float]) -> npt.NDArray[np.float32]:
    """(9,), in the order of GRADES; zeros where there are none."""
    return np.array([probabilities.get(grade, 0.0) for grade in GRADES], np.float32)
