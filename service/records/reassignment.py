"""Gradings that were made under the wrong lot: moved to the right one, with their tallies."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Engine, func, select, update

from service.errors import InvalidRequest, NotFound
from service.grading import rfc3339
from service.records.audit import note
from service.records.resources import LOT, Signature, enter
from service.records.tables import gradings, lots
from service.records.tallies import rebuild
from service.records.transactions import take_time, writing
from service.records.writing import order


@dataclass(frozen=True, slots=True)
class Reassignment:
    """Which gradings of a lot belong to another: of one line or any, received from `since` to before `until`; None is any."""

    to: str
    line: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def reassign(engine: Engine, lot: str, wanted: Reassignment, signed: Signature) -> dict[str, Any]:
    """Move them in one transaction, in which nothing else is recorded; tell from which lot to which and how many.

    Raises NotFound for a lot that nobody entered and no grading names, InvalidRequest for a move to itself, RecordsUnavailable.
    """
    if wanted.to == lot:
        raise InvalidRequest(f"The gradings are of the lot {lot[:100]!r} already.")
    c = gradings.c
    these = [c.lot == lot]
    if wanted.line is not None:
        these.append(c.line == wanted.line)
    if wanted.since is not None:
        these.append(c.received_at >= wanted.since)
    if wanted.until is not None:
        these.append(c.received_at < wanted.until)
    with writing(engine) as connection:
        take_time(connection)
        order(connection)
        first, last = connection.execute(select(func.min(c.received_at), func.max(c.received_at)).where(*these)).one()
        _require_known(connection, lot)
        moved = 0
        if first is not None:
            moved = connection.execute(update(gradings).where(*these).values(lot=wanted.to)).rowcount
            rebuild(connection, first, last + timedelta(microseconds=1))
        enter(connection, LOT, wanted.to, signed)
        detail = {
            "to": wanted.to,
            "line": wanted.line,
            "since": wanted.since and rfc3339(wanted.since),
            "until": wanted.until and rfc3339(wanted.until),
            "gradings": moved,
        }
        note(connection, signed.by, "lot.reassigned", lot, detail, signed.address)
    return {"lot": lot, "to": wanted.to, "gradings": moved}


def _require_known(connection: Connection, lot: str) -> None:
    for column in (lots.c.name, gradings.c.lot):
        if connection.execute(select(column).where(column == lot).limit(1)).first() is not None:
            return
    raise NotFound("lot", lot)
