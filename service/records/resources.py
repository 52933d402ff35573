"""Growers, lots, lines and cameras as people enter them: one repository for the four, every change in the audit trail.

What a change names that is not entered yet is entered with it: whoever puts a lot on a line need not have made the lot before.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Connection, Engine, Row, Table, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from service.errors import AlreadyExists, InUse, InvalidRequest, NotFound
from service.grading import rfc3339
from service.records.audit import note
from service.records.cameras import seen_and_keys
from service.records.tables import cameras, gradings, growers, lines, lots, tallies
from service.records.transactions import reading, writing
from service.records.writing import order

_Users = tuple[tuple[Callable[[str], Any], str], ...]


@dataclass(frozen=True, slots=True)
class Kind:
    """One of the four: its table, the column that names a thing of another kind, and what may name it."""

    word: str
    table: Table
    names: str | None
    """The column, and the word of the kind that it names."""
    used_by: _Users
    """A query for any row that names it, and how that is said."""
    known: Callable[[Connection, Sequence[str]], Mapping[str, dict[str, Any]]] | None = None
    """What the records know of things of these names, beside their rows."""


def _any(column: Any) -> Callable[[str], Any]:
    return lambda name: select(column).where(column == name).limit(1)


GROWER: Final = Kind("grower", growers, None, ((_any(lots.c.grower), "a lot is of this grower"),))
LOT: Final = Kind(
    "lot",
    lots,
    "grower",
    ((_any(gradings.c.lot), "gradings are of this lot"), (_any(lines.c.lot), "it runs on a line")),
)
LINE: Final = Kind(
    "line",
    lines,
    "lot",
    ((_any(gradings.c.line), "gradings were made on this line"), (_any(cameras.c.line), "a camera stands at this line")),
)
CAMERA: Final = Kind("camera", cameras, "line", ((_any(tallies.c.camera), "gradings came from this camera"),), seen_and_keys)
KINDS: Final = {kind.word: kind for kind in (GROWER, LOT, LINE, CAMERA)}


@dataclass(frozen=True, slots=True)
class Signature:
    """Who changes something, and from where, for the audit trail."""

    by: str
    address: str | None = None


def page(engine: Engine, kind: Kind, limit: int, after: str | None = None) -> Sequence[dict[str, Any]]:
    """By name, at most `limit`, all behind the name `after`. Raises RecordsUnavailable."""
    query = select(kind.table).order_by(kind.table.c.name).limit(limit)
    if after is not None:
        query = query.where(kind.table.c.name > after)
    with reading(engine) as connection:
        return _shown(connection, kind, connection.execute(query).all())


def get(engine: Engine, kind: Kind, name: str) -> dict[str, Any]:
    """Raises NotFound, RecordsUnavailable."""
    with reading(engine) as connection:
        return _shown(connection, kind, [_one(connection, kind, name)])[0]


def add(engine: Engine, kind: Kind, name: str, fields: Mapping[str, Any], signed: Signature) -> dict[str, Any]:
    """Enter one with what is known about it. Raises AlreadyExists, InvalidRequest, RecordsUnavailable."""
    try:
        with writing(engine) as connection:
            connection.execute(insert(kind.table).values(name=name, created_at=datetime.now(UTC), **fields))
            note(connection, signed.by, f"{kind.word}.added", name, dict(fields), signed.address)
            _enter_named(connection, kind, fields, signed)
            return _shown(connection, kind, [_one(connection, kind, name)])[0]
    except IntegrityError as error:
        raise AlreadyExists(kind.word, name) from error


def change(engine: Engine, kind: Kind, name: str, fields: Mapping[str, Any], signed: Signature) -> dict[str, Any]:
    """Set what is given, all of it or nothing. A lot that is closed leaves its lines.

    Raises NotFound; InvalidRequest where a closed lot is to run on a line; RecordsUnavailable.
    """
    with writing(engine) as connection:
        before = _one(connection, kind, name, for_update=True)
        differing = {field: value for field, value in fields.items() if _differs(getattr(before, field), value)}
        if differing:
            connection.execute(update(kind.table).where(kind.table.c.name == name).values(differing))
            _note_change(connection, kind, before, differing, signed)
            _enter_named(connection, kind, differing, signed)
            if kind is LOT and differing.get("closed_at") is not None:
                _clear_lines(connection, name, signed)
        return _shown(connection, kind, [_one(connection, kind, name)])[0]


def remove(engine: Engine, kind: Kind, name: str, signed: Signature) -> None:
    """Delete one that nothing names. Raises NotFound, InUse, RecordsUnavailable."""
    with writing(engine) as connection:
        order(connection)  # nobody records a grading of it meanwhile
        gone = _one(connection, kind, name, for_update=True)
        for query, words in kind.used_by:
            if connection.execute(query(name)).first() is not None:
                raise InUse(kind.word, name, words)
        connection.execute(delete(kind.table).where(kind.table.c.name == name))
        note(connection, signed.by, f"{kind.word}.deleted", name, _json(gone), signed.address)


def enter(connection: Connection, kind: Kind, name: str, signed: Signature) -> None:
    """Enter one, in the caller's transaction; nothing happens where it is there already."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    row = {"name": name, "created_at": datetime.now(UTC)}
    added = dialect.insert(kind.table).values(row).on_conflict_do_nothing().returning(kind.table.c.name)
    if connection.execute(added).first() is not None:
        note(connection, signed.by, f"{kind.word}.added", name, {}, signed.address)


def _enter_named(connection: Connection, kind: Kind, fields: Mapping[str, Any], signed: Signature) -> None:
    named = fields.get(kind.names) if kind.names else None
    if not kind.names or named is None:
        return
    enter(connection, KINDS[kind.names], named, signed)
    if kind is LINE and _one(connection, LOT, named).closed_at is not None:
        raise InvalidRequest(f"The lot {named!r} is closed: open it first, or run another.", lot=named)


def _clear_lines(connection: Connection, lot: str, signed: Signature) -> None:
    for row in connection.execute(select(lines).where(lines.c.lot == lot).with_for_update()).all():
        connection.execute(update(lines).where(lines.c.name == row.name).values(lot=None))
        _note_change(connection, LINE, row, {"lot": None}, signed)


def _note_change(connection: Connection, kind: Kind, before: Row[Any], fields: Mapping[str, Any], signed: Signature) -> None:
    detail = {field: {"from": _plain(getattr(before, field)), "to": _plain(value)} for field, value in fields.items()}
    note(connection, signed.by, f"{kind.word}.changed", before.name, detail, signed.address)


def _one(connection: Connection, kind: Kind, name: str, *, for_update: bool = False) -> Row[Any]:
    query = select(kind.table).where(kind.table.c.name == name)
    row = connection.execute(query.with_for_update() if for_update else query).first()
    if row is None:
        raise NotFound(kind.word, name)
    return row


def _shown(connection: Connection, kind: Kind, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    """Rows as they are answered."""
    found = [_json(row) for row in rows]
    if kind.known is None or not found:
        return found
    known = kind.known(connection, [one["name"] for one in found])
    return [{**one, **known[one["name"]]} for one in found]


def _differs(before: Any, value: Any) -> bool:
    if isinstance(value, datetime):  # closing what is closed already changes nothing
        return before is None
    return bool(before != value)


def _plain(value: Any) -> Any:
    return rfc3339(value) if isinstance(value, datetime) else value


def _json(row: Row[Any]) -> dict[str, Any]:
    return {str(name): _plain(value) for name, value in row._mapping.items()}
