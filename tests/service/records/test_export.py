"""Exports: every grading once, as it is on record, readable by others' tools and harmless in a spreadsheet."""

import csv
import io
import tracemalloc
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pyarrow as arrow
import pytest
from pyarrow import parquet
from sqlalchemy import Engine, insert

from models.grades import GRADES
from service.grading import Grading, rfc3339
from service.records.database import migrate, open_database
from service.records.export import COLUMNS, Format, export, safe_cell
from service.records.filters import Filters
from service.records.rows import to_row
from service.records.tables import corrections, gradings
from service.records.tallies import tally
from tests.service.gradings import NOON, grading
from tests.service.season import Season, fill

MEASURED = {"length_px": 200.5, "length_mm": None, "width_px": 30.0, "bend_ratio": 0.04, "area_px": 6e3}


@pytest.fixture
def engine(any_database: str) -> Iterator[Engine]:
    made = open_database(any_database)
    migrate(made)
    yield made
    made.dispose()


@pytest.fixture
def kept(engine: Engine) -> list[Grading]:
    made = [
        grading(1, line="1", lot="=cmd|' /C calc'!A0", camera='top, "left"', captured_at=NOON),
        grading(2, "BL", 0.3, measurement=MEASURED),
        grading(3, None, lot="線路\r\nB"),
        grading(0, "C", photograph="ab.jpg"),
    ]
    keep(engine, made)
    with engine.begin() as connection:
        connection.execute(
            insert(corrections),
            [
                correction("1", made[0], "L", NOON),
                correction("2", made[0], "not_a_cucumber", NOON + timedelta(seconds=5)),
                correction("3", made[0], "S", NOON + timedelta(seconds=9), undone=True),
                correction("4", made[1], "S", NOON, undone=True),
            ],
        )
    return made


def keep(engine: Engine, made: list[Grading]) -> None:
    with engine.begin() as connection:
        connection.execute(insert(gradings), [to_row(one) for one in made])
        tally(connection, made)


def correction(number: str, one: Grading, grade: str, at: datetime, undone: bool = False) -> dict[str, object]:
    end = {"undone_by": "-me", "undone_at": at} if undone else {"undone_by": None, "undone_at": None}
    return {"id": number, "grading_id": one.id, "grade": grade, "note": None, "by": "-me", "at": at, **end}


def exported(engine: Engine, form: Format, filters: Filters | None = None) -> bytes:
    return b"".join(export(engine, filters or Filters(), form))


def rows_of(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline=""), strict=True))


def test_the_csv_is_what_is_on_record_oldest_first(engine: Engine, kept: list[Grading]) -> None:
    rows = rows_of(exported(engine, "csv"))
    assert list(rows[0]) == [column.name for column in COLUMNS]
    assert [row["id"] for row in rows] == [kept[place].id for place in (3, 0, 1, 2)]
    first, second, third = rows[1], rows[2], rows[3]
    assert first["received_at"] == rfc3339(kept[0].received_at)
    assert (first["camera"], first["line"], first["captured_at"]) == ('top, "left"', "1", "2026-11-23T12:00:00.000Z")
    assert (float(first["confidence"]), float(first["probability_M"])) == (0.75, 0.75)
    assert (second["lane"], second["reasons"], second["length_px"], second["length_mm"]) == (
        "manual",
        "low_confidence",
        "200.5",
        "",
    )
    assert (third["grade"], third["confidence"], third["probability_2L"], third["lot"]) == ("", "", "", "線路\r\nB")
    assert rows[0]["photograph"] == "ab.jpg"


def test_the_correction_in_effect_is_the_last_that_was_not_undone(engine: Engine, kept: list[Grading]) -> None:
    found = {
        row["id"]: (row["corrected_grade"], row["corrected_by"], row["corrected_at"]) for row in rows_of(exported(engine, "csv"))
    }
    assert found[kept[0].id] == ("not_a_cucumber", "'-me", "2026-11-23T12:00:05.000Z")
    assert [found[one.id] for one in kept[1:]] == [("", "", "")] * 3


def test_no_text_is_a_formula(engine: Engine, kept: list[Grading]) -> None:
    content = exported(engine, "csv")
    assert not content.startswith(b"\xef\xbb\xbf")
    for row in rows_of(content):
        for column in COLUMNS:
            if column.kind == "text":
                assert not row[column.name].startswith(("=", "+", "-", "@", "\t", "\r"))
    assert {row["lot"] for row in rows_of(content)} >= {"'=cmd|' /C calc'!A0"}


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1"])
def test_a_cell_that_a_spreadsheet_would_run_gets_an_apostrophe(text: str) -> None:
    assert safe_cell(text) == f"'{text}"


@pytest.mark.parametrize("value", ["lot A", "", "2026-11-23-A", "a=b", -1.5, 0, None])
def test_other_cells_stay_as_they_are(value: str | float | None) -> None:
    assert safe_cell(value) == value


def test_lines_end_as_rfc_4180_says(engine: Engine, kept: list[Grading]) -> None:
    lines = exported(engine, "csv").decode().replace('"線路\r\nB"', "B").split("\r\n")
    assert len(lines) == 1 + len(kept) + 1
    assert lines[-1] == ""
    assert not any("\n" in line for line in lines)


def test_parquet_has_types_and_the_texts_as_they_were_sent(engine: Engine, kept: list[Grading]) -> None:
    table = parquet.read_table(io.BytesIO(exported(engine, "parquet")))
    assert table.column_names == [column.name for column in COLUMNS]
    assert table.schema.field("received_at").type == arrow.timestamp("us", tz="UTC")
    assert table.schema.field("confidence").type == arrow.float64()
    assert table.schema.field("model_version").type == arrow.int64()
    assert table.schema.field("lot").metadata[b"description"]
    rows = table.to_pylist()
    assert [row["id"] for row in rows] == [kept[place].id for place in (3, 0, 1, 2)]
    assert rows[1]["lot"] == "=cmd|' /C calc'!A0"
    assert rows[1]["received_at"] == kept[0].received_at
    assert (rows[1]["corrected_grade"], rows[1]["corrected_at"]) == ("not_a_cucumber", NOON + timedelta(seconds=5))
    assert (rows[3]["grade"], rows[3]["confidence"], rows[2]["area_px"]) == (None, None, 6e3)


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_filters_choose_and_nothing_is_a_file_of_no_rows(engine: Engine, kept: list[Grading], form: Format) -> None:
    def ids(filters: Filters) -> list[str]:
        content = exported(engine, form, filters)
        if form == "csv":
            return [row["id"] for row in rows_of(content)]
        return [str(found) for found in parquet.read_table(io.BytesIO(content)).column("id").to_pylist()]

    assert ids(Filters(lane="manual")) == [kept[1].id, kept[2].id]
    assert ids(Filters(max_confidence=0.5)) == [kept[1].id]
    assert ids(Filters(lot="nothing")) == []


def test_what_is_graded_meanwhile_is_not_in_it(engine: Engine) -> None:
    keep(engine, [grading(n) for n in range(3_500)])
    pieces = export(engine, Filters(), "csv")
    content = next(pieces)
    keep(engine, [grading(n, "C") for n in range(5_000, 5_500)])
    content += b"".join(pieces)
    rows = rows_of(content)
    assert len(rows) == 3_500
    assert {row["grade"] for row in rows} == {"M"}


def test_an_export_that_is_left_gives_its_connection_back(engine: Engine) -> None:
    keep(engine, [grading(n) for n in range(2_500)])
    pieces = export(engine, Filters(), "csv")
    next(pieces)
    assert engine.pool.checkedout() == 1  # type: ignore[attr-defined]
    pieces.close()
    assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]


def test_parquet_comes_in_row_groups(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.records.export.GROUP_ROWS", 2_000)
    keep(engine, [grading(n, GRADES[n % 9]) for n in range(5_000)])
    pieces = list(export(engine, Filters(), "parquet"))
    file = parquet.ParquetFile(io.BytesIO(b"".join(pieces)))
    assert [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)] == [2_000, 2_000, 1_000]
    assert len([piece for piece in pieces if piece]) == 4


def test_five_times_the_rows_take_no_more_memory(tmp_path: Path) -> None:
    engine = open_database(f"sqlite:///{tmp_path / 'senka.db'}")
    migrate(engine)
    season = Season(10_000)
    fill(engine, season)
    peaks = []
    for filters in (Filters(since=season.end - timedelta(days=12)), Filters()):
        tracemalloc.start()
        size = sum(len(piece) for piece in export(engine, filters, "csv"))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    engine.dispose()
    assert size > 3e6
    assert peaks[1] < 1.5 * peaks[0]
