"""Labelled batches on record: the photographs that one names are never deleted."""

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, insert, or_, select, update

from service.records.audit import note
from service.records.keeping import Interest
from service.records.tables import batch_photographs, batches, gradings


def protect(
    connection: Connection,
    batch_id: str,
    name: str,
    photographs: Collection[str],
    by: str,
    report: dict[str, Any],
    address: str | None = None,
) -> int:
    """Put a batch on record, in the caller's transaction, with the keys of its photographs in the image store, each counted
    once; return how many gradings' photographs are kept for ever from now on.

    That is fewer than `photographs` where some are no longer kept. One scan of the gradings, whatever the size of the batch.
    """
    keys = sorted(set(photographs))
    row = {"id": batch_id, "name": name, "images": len(keys), "report": report, "created_by": by, "created_at": datetime.now(UTC)}
    connection.execute(insert(batches).values(row))
    if keys:
        connection.execute(insert(batch_photographs), [{"batch_id": batch_id, "photograph": key} for key in keys])
    c = gradings.c
    named = c.photograph.in_(select(batch_photographs.c.photograph).where(batch_photographs.c.batch_id == batch_id))
    lesser = or_(c.photograph_interest.is_(None), c.photograph_interest < Interest.LABELLED)
    kept = update(gradings).where(named, c.photograph_deleted_at.is_(None), lesser)
    changed = connection.execute(kept.values(photograph_interest=int(Interest.LABELLED))).rowcount
    note(connection, by, "batch.added", batch_id, {"name": name, "photographs": len(keys), "gradings": changed}, address)
    return changed
