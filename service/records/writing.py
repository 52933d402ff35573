"""Gradings into the database, in the caller's transaction: each once, whatever was sent twice."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from sqlalchemy import Connection, bindparam, select, text

from service.grading import Grading
from service.records.bulk import BulkInsert
from service.records.database import RECORDING_LOCK
from service.records.entry import Entry
from service.records.places import Places
from service.records.rows import from_row, to_row
from service.records.tables import grading_aliases, gradings, photograph_shares
from service.records.tallies import tally

_COLUMNS: Final = [column.name for column in gradings.columns if column.name not in ("seq", "photograph_deleted_at")]
_ROWS: Final = BulkInsert(gradings, _COLUMNS, "DO NOTHING")
_SHARES: Final = BulkInsert(photograph_shares, photograph_shares.c.keys(), "DO NOTHING")
_ALIASES: Final = BulkInsert(grading_aliases, grading_aliases.c.keys(), "DO NOTHING")
_LOCK: Final = text("SELECT pg_advisory_xact_lock(:key)").bindparams(key=RECORDING_LOCK)
_IDS: Final = select(gradings.c.id).where(gradings.c.id.in_(bindparam("ids", expanding=True)))
_OF_KEYS: Final = select(gradings).where(gradings.c.idempotency_key.in_(bindparam("keys", expanding=True)))


class Writer:
    """Writes for one process. Thread-safe."""

    def __init__(self, places: Places | None = None) -> None:
        """`places` are the names that are known to be entered."""
        self._places = places or Places()

    def write(self, connection: Connection, entries: Sequence[Entry]) -> list[Grading]:
        """Put new gradings on record; return, for each, the one that counts: itself, or who had its idempotency key first."""
        order(connection)
        rows = [to_row(entry.grading) for entry in entries]
        inserted = _ROWS.execute(connection, rows)
        if inserted == len(rows):
            self._count(connection, entries)
            return [entry.grading for entry in entries]
        ids = {"ids": sorted({entry.grading.id for entry in entries})}
        # `seq` only grows: the last so many are those of this transaction, the others were there
        added = set(connection.execute(_IDS.order_by(gradings.c.seq.desc()).limit(inserted), ids).scalars())
        self._count(connection, [entry for entry in entries if entry.grading.id in added])
        first = of_keys(connection, [e.grading.idempotency_key or "" for e in entries if e.grading.id not in added])
        # an id that was on record already without a key is itself
        return [e.grading if e.grading.id in added else first.get(e.grading.idempotency_key or "", e.grading) for e in entries]

    def write_again(self, connection: Connection, entries: Sequence[Entry]) -> None:
        """Put gradings on record that were acknowledged without; some of them may be on record already.

        Who comes second with an idempotency key leaves an alias, so that the id that was answered still names a grading. If it
        was of another photograph, nobody could say so then: it is a grading of its own, and goes on record without the key.
        """
        order(connection)
        added = self._add_again(connection, entries)
        rest = [entry for entry in entries if entry.grading.id not in added]
        if not rest:
            return
        there = set(connection.execute(_IDS, {"ids": [entry.grading.id for entry in rest]}).scalars())
        rest = [entry for entry in rest if entry.grading.id not in there]
        first = of_keys(connection, [entry.grading.idempotency_key or "" for entry in rest])
        repeats = {e.grading.id: first[e.grading.idempotency_key or ""] for e in rest}
        aliases = [
            {"id": e.grading.id, "grading_id": repeats[e.grading.id].id}
            for e in rest
            if repeats[e.grading.id].body_sha256 == e.grading.body_sha256
        ]
        _ALIASES.execute(connection, aliases)
        others = [e for e in rest if repeats[e.grading.id].body_sha256 != e.grading.body_sha256]
        self._add_again(connection, [replace(e, grading=replace(e.grading, idempotency_key=None)) for e in others])

    def _count(self, connection: Connection, entries: Sequence[Entry]) -> None:
        """What goes with rows that were really inserted."""
        if not entries:
            return
        added = [entry.grading for entry in entries]
        tally(connection, added)
        self._places.seen(connection, added)
        shares = [{"photograph": e.grading.photograph, "grading_id": e.grading.id} for e in entries if e.shared]
        if shares:
            _SHARES.execute(connection, shares)

    def _add_again(self, connection: Connection, entries: Sequence[Entry]) -> set[str]:
        """Insert what is not there yet, and return the ids of what was inserted."""
        added: set[str] = _ROWS.returning(connection, [to_row(entry.grading) for entry in entries], "id")
        self._count(connection, [entry for entry in entries if entry.grading.id in added])
        return added


def of_keys(connection: Connection, keys: Sequence[str]) -> dict[str, Grading]:
    """The gradings on record with these idempotency keys, by key."""
    found = [from_row(row) for row in connection.execute(_OF_KEYS, {"keys": sorted(set(keys))})]
    return {one.idempotency_key or "": one for one in found}


def order(connection: Connection) -> None:
    """Nobody else puts gradings on record until the transaction ends, so that `seq` is in the order of commits.

    On SQLite there is one writer at a time anyway.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(_LOCK)
