"""Many rows in few statements.

A driver that runs a statement for each row lets go of Python's lock and fights for it again as often, and the event loop is
what it fights with. So rows go in together: a few in one statement of just their number, more in statements of a power of two,
so that few are ever prepared.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, Final

from sqlalchemy import Connection, Dialect, Table

EXACT_ROWS: Final = 32
MAX_ROWS: Final = 128
"""In one statement. SQLite and PostgreSQL take some ten thousand values in one; a grading has 27."""

Convert = Callable[[Any], Any] | None


class BulkInsert:
    """`INSERT ... ON CONFLICT ...` of many rows into a table. Safe to share among threads."""

    def __init__(self, table: Table, columns: Sequence[str], on_conflict: str) -> None:
        """`on_conflict` is SQL: what follows ON CONFLICT, such as `DO NOTHING`."""
        self._table, self._columns, self._on_conflict = table, tuple(columns), on_conflict
        self._converters = lru_cache(4)(self._converters_of)
        self._statement = lru_cache(64)(self._statement_for)

    def execute(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> int:
        """Insert in the caller's transaction; return how many rows were inserted or changed."""
        return sum(connection.exec_driver_sql(*parts).rowcount for parts in self._parts(connection, rows, ""))

    def returning(self, connection: Connection, rows: Sequence[Mapping[str, Any]], column: str) -> set[Any]:
        """The same, but return a column of the rows that were inserted or changed."""
        parts = self._parts(connection, rows, f" RETURNING {column}")
        return set(chain.from_iterable(connection.exec_driver_sql(*part).scalars() for part in parts))

    def _parts(self, connection: Connection, rows: Sequence[Mapping[str, Any]], suffix: str) -> list[tuple[str, tuple[Any, ...]]]:
        converters = self._converters(connection.dialect)
        parts, start = [], 0
        while start < len(rows):
            left = len(rows) - start
            count = left if left <= EXACT_ROWS else min(MAX_ROWS, 1 << left.bit_length() - 1)
            values = tuple(
                convert(row[name]) if convert else row[name]
                for row in rows[start : start + count]
                for name, convert in converters
            )
            parts.append((self._statement(connection.dialect.name, count, suffix), values))
            start += count
        return parts

    def _converters_of(self, dialect: Dialect) -> tuple[tuple[str, Convert], ...]:
        """What turns the values of each column into what the driver takes."""
        types = {name: self._table.c[name].type.dialect_impl(dialect) for name in self._columns}
        return tuple((name, kind.bind_processor(dialect)) for name, kind in types.items())

    def _statement_for(self, dialect: str, count: int, suffix: str) -> str:
        mark = "?" if dialect == "sqlite" else "%s"
        row = f"({', '.join([mark] * len(self._columns))})"
        columns = ", ".join(f'"{name}"' for name in self._columns)
        return (
            f'INSERT INTO "{self._table.name}" ({columns}) VALUES {", ".join([row] * count)} '  # noqa: S608 - our own names
            f"ON CONFLICT {self._on_conflict}{suffix}"
        )
