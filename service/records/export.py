"""Gradings with their corrections as a table, for spreadsheets (CSV) and for analysis (Parquet), in bounded memory.

The rows are read in one snapshot of the database, a chunk at a time, oldest first: what is graded meanwhile is not in it, and a
season needs no more memory than a day.
"""

import csv
import io
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import Connection, Engine, Row, Select, select

from models.grades import GRADES
from service.grading import rfc3339
from service.records.filters import Filters
from service.records.repository import bounded, current_corrections
from service.records.tables import gradings
from service.records.transactions import reading

Format = Literal["csv", "parquet"]
MEDIA_TYPES: Final[dict[Format, str]] = {
    "csv": "text/csv; charset=utf-8; header=present",
    "parquet": "application/vnd.apache.parquet",
}
CHUNK_ROWS: Final = 1_000
GROUP_ROWS: Final = 20_000
"""Of a Parquet row group: some megabytes in memory, and large enough to compress well."""
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")

_Value = str | int | float | datetime | None


@dataclass(frozen=True, slots=True)
class Exported:
    """A column: its name, its Parquet type, what it says, and how to find it in a row and the row's correction."""

    name: str
    kind: Literal["text", "int", "float", "moment"]
    words: str
    value: Callable[[Row[Any], Row[Any] | None], _Value]


def _kept(name: str, kind: Literal["text", "int", "float", "moment"], words: str) -> Exported:
    return Exported(name, kind, words, lambda row, _: getattr(row, name))


def _inside(column: str, key: str, name: str, words: str) -> Exported:
    return Exported(name, "float", words, lambda row, _: (getattr(row, column) or {}).get(key))


COLUMNS: Final = (
    _kept("id", "text", "of the grading"),
    _kept("received_at", "moment", "when the photograph arrived, UTC"),
    _kept("captured_at", "moment", "when it was taken, as the camera says, UTC"),
    _kept("camera", "text", "as the camera says"),
    _kept("line", "text", "as the camera says"),
    _kept("lot", "text", "as the camera says, or what ran on the line"),
    _kept("grade", "text", "one of nine; empty where the deadline was missed"),
    _kept("confidence", "float", "0 to 1"),
    _kept("runner_up_grade", "text", "the second choice"),
    _kept("runner_up_probability", "float", "0 to 1"),
    *(_inside("probabilities", grade, f"probability_{grade}", "calibrated, 0 to 1") for grade in GRADES),
    _kept("lane", "text", "the grade, or manual"),
    Exported("reasons", "text", "why the lane is manual, joined by ;", lambda row, _: ";".join(row.reasons)),
    _inside("measurement", "length_px", "length_px", "pixels"),
    _inside("measurement", "length_mm", "length_mm", "millimetres, where the camera is calibrated"),
    _inside("measurement", "width_px", "width_px", "pixels"),
    _inside("measurement", "bend_ratio", "bend_ratio", "arc height over chord"),
    _inside("measurement", "area_px", "area_px", "pixels"),
    _kept("model_name", "text", "of the model that graded"),
    _kept("model_version", "int", "of the model that graded"),
    _kept("model_sha256", "text", "of the model that graded"),
    _kept("profile_version", "int", "of the rules that chose the lane"),
    *(_inside("timing_ms", stage, f"{stage}_ms", "milliseconds") for stage in ("decode", "queue", "infer", "total")),
    _kept("batch_size", "int", "photographs in the same run of the network; 0 where none saw it"),
    _kept("photograph", "text", "its key in the image store; empty where none was kept"),
    Exported("corrected_grade", "text", "what somebody says it is: one of nine, or not_a_cucumber", lambda _, c: c and c.grade),
    Exported("corrected_by", "text", "who says so", lambda _, c: c and c.by),
    Exported("corrected_at", "moment", "since when, UTC", lambda _, c: c and c.at),
)


def export(engine: Engine, filters: Filters, form: Format) -> Generator[bytes]:
    """The file, piece by piece. Blocks, and holds a connection until it is exhausted or closed. Raises RecordsUnavailable."""
    with reading(engine) as connection:
        # PostgreSQL needs telling to keep one snapshot; a SQLite transaction always does
        if connection.dialect.name == "postgresql":
            connection.execution_options(isolation_level="REPEATABLE READ")
        with closing(_chunks(connection, filters)) as chunks:
            yield from write(form, chunks)


def write(form: Format, chunks: Iterator[list[list[_Value]]]) -> Iterator[bytes]:
    """Rows of COLUMNS as a file."""
    return _csv(chunks) if form == "csv" else _parquet(chunks)


def export_query(filters: Filters) -> Select[Any]:
    """The rows of an export, oldest first."""
    c = gradings.c
    return select(gradings).where(*filters.clauses()).order_by(c.received_at, c.seq)


def _chunks(connection: Connection, filters: Filters) -> Generator[list[list[_Value]]]:
    """Rows of COLUMNS."""
    narrowed = bounded(connection, filters)
    if narrowed is None:
        return
    query = export_query(narrowed).execution_options(stream_results=True, max_row_buffer=CHUNK_ROWS)
    with closing(connection.execute(query)) as result:
        for rows in result.partitions(CHUNK_ROWS):
            current = current_corrections(connection, [row.id for row in rows])
            yield [[column.value(row, current.get(row.id)) for column in COLUMNS] for row in rows]


def safe_cell(value: _Value) -> _Value:
    """A text that a spreadsheet would run as a formula gets an apostrophe in front, which it shows as text."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _csv(chunks: Iterator[list[list[_Value]]]) -> Iterator[bytes]:
    """RFC 4180: UTF-8 without a mark in front, lines that end in CR LF, quotes where they are needed."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow([column.name for column in COLUMNS])
    for rows in chunks:
        writer.writerows([_cell(value) for value in row] for row in rows)
        yield _taken(text)
    if text.tell():
        yield _taken(text)


def _cell(value: _Value) -> _Value:
    return rfc3339(value) if isinstance(value, datetime) else safe_cell(value)


def _taken(text: io.StringIO) -> bytes:
    piece = text.getvalue().encode()
    text.seek(0)
    text.truncate()
    return piece


class _Pieces(io.RawIOBase):
    """What pyarrow writes to: keeps the bytes until they are taken."""

    def __init__(self) -> None:
        super().__init__()
        self._held: list[bytes] = []
        self._written = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._held.append(bytes(data))
        self._written += len(self._held[-1])
        return len(self._held[-1])

    def tell(self) -> int:
        return self._written

    def take(self) -> bytes:
        piece = b"".join(self._held)
        self._held.clear()
        return piece


def _parquet(chunks: Iterator[list[list[_Value]]]) -> Iterator[bytes]:
    """A file of row groups; moments are timestamps in UTC, texts are as they were sent."""
    import pyarrow as arrow  # here: 30 MB that a service without exports need not load
    from pyarrow import parquet

    kinds = {"text": arrow.string(), "int": arrow.int64(), "float": arrow.float64(), "moment": arrow.timestamp("us", tz="UTC")}
    schema = arrow.schema(
        [arrow.field(column.name, kinds[column.kind], metadata={"description": column.words}) for column in COLUMNS]
    )
    pieces = _Pieces()
    with parquet.ParquetWriter(pieces, schema, compression="zstd") as writer:
        for rows in _grouped(chunks, GROUP_ROWS):
            columns = zip(*rows, strict=True)
            arrays = [arrow.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
            writer.write_table(arrow.Table.from_arrays(arrays, schema=schema), row_group_size=GROUP_ROWS)
            yield pieces.take()
    yield pieces.take()


def _grouped(chunks: Iterator[list[list[_Value]]], size: int) -> Iterator[list[list[_Value]]]:
    group: list[list[_Value]] = []
    for rows in chunks:
        group += rows
        if len(group) >= size:
            yield group
            group = []
    if group:
        yield group
