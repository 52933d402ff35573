"""Who looks at which fruit just now, so that no two people are shown the same one; kept in the database for all workers."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, Engine, delete, func, insert, or_, select

from service.records.filters import Filters
from service.records.review import Candidate, Why, corrected_of, still_open
from service.records.tables import corrections, review_claims
from service.records.transactions import reading, writing

CLAIM: Final = timedelta(seconds=60)
"""A fruit is somebody's for so long after that page asked last."""
REVIEW_LOCK: Final = 0x5E9CC
SPARE: Final = 20
"""So many more than asked for are looked at again: of some of them the photograph may just have been deleted."""


@dataclass(frozen=True, slots=True)
class Reviewer:
    """A page that somebody has open."""

    id: str
    by: str
    """Who is logged in on it."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """What one reviewer holds now."""

    candidates: Sequence[Candidate]
    """Those held before first, in the order they had."""
    waiting: int
    """Of the queue, without what is corrected or held by others; with what this reviewer holds."""
    until: datetime


def claim(
    engine: Engine,
    who: Reviewer,
    queue: Sequence[str],
    limit: int,
    filters: Filters,
    why: Why | None,
    now: datetime,
    back: Sequence[str] = (),
) -> Claimed:
    """Renew what `who` holds and still fits, and add of the `queue`, ids in their order, up to `limit`.

    Of `back`, what `who` looks at again after an undo, comes first what nobody else holds. What does not fit any more, or is
    beyond `limit`, is given back. Raises RecordsUnavailable.
    """
    c = review_claims.c
    with writing(engine) as connection:
        _one_at_a_time(connection)
        # One that lasts much longer than a claim is of a clock that was ahead. Not much longer may one that was made after `now`
        connection.execute(delete(review_claims).where(or_(c.until <= now, c.until > now + 2 * CLAIM)))
        held = {row.grading_id: row.reviewer for row in connection.execute(select(c.grading_id, c.reviewer).order_by(c.place))}
        again = [one for one in dict.fromkeys(back) if held.get(one, who.id) == who.id]
        mine = [*again, *(one for one, reviewer in held.items() if reviewer == who.id and one not in again)]
        others = [one for one in queue if one not in held and one not in again]
        corrected = corrected_of(connection, others) if others else set()
        free = [one for one in others if one not in corrected]
        wanted = [*mine, *free[: limit + SPARE]]
        fitting = still_open(connection, wanted, filters, why) if wanted else {}
        chosen = [one for one in wanted if one in fitting][:limit]
        connection.execute(delete(review_claims).where(c.reviewer == who.id))
        until = now + CLAIM
        rows = [
            {"grading_id": one, "reviewer": who.id, "by": who.by, "until": until, "place": place}
            for place, one in enumerate(chosen)
        ]
        if rows:
            connection.execute(insert(review_claims), rows)
    renewed = len(set(mine) & fitting.keys())
    return Claimed([fitting[one] for one in chosen], renewed + len(free), until)


def release(engine: Engine, reviewer: str) -> None:
    """Give back all that a reviewer holds. Raises RecordsUnavailable."""
    with writing(engine) as connection:
        connection.execute(delete(review_claims).where(review_claims.c.reviewer == reviewer))


def corrected_since(engine: Engine, since: datetime) -> int:
    """Gradings with a correction in effect that was made at this time or later. Raises RecordsUnavailable."""
    c = corrections.c
    with reading(engine) as connection:
        query = select(func.count(c.grading_id.distinct())).where(c.at >= since, c.undone_at.is_(None))
        return int(connection.execute(query).scalar_one())


def _one_at_a_time(connection: Connection) -> None:
    """SQLite has one writer at a time anyway."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(REVIEW_LOCK)))
