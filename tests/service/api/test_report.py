"""`GET /v1/report` over HTTP, and as a file for a spreadsheet."""

import csv
import io
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any

import pytest

from service.api import report as api
from service.api.report import ReportOut
from service.report_file import columns
from tests.service.gradings import NOON, grading
from tests.service.records.opened import put_gradings
from tests.service.running import Running

pytestmark = pytest.mark.anyio

Service = Callable[..., AbstractAsyncContextManager[Running]]
KINDS = ("lot", "grower", "line", "camera", "shift", "day")


@pytest.fixture
async def running(service: Service) -> AsyncIterator[Running]:
    """A service with three days of gradings: 30 of lot A, 20 of a lot that looks like a formula, 10 of none."""
    async with service() as running:
        assert running.context.records is not None
        lots = ["A"] * 30 + ['=cmd|"x"'] * 20 + [None] * 10
        made = [
            grading(number, "M" if number % 2 else "C", line="1", lot=lot, received_at=NOON + timedelta(days=number // 20))
            for number, lot in enumerate(lots)
        ]
        put_gradings(running.context.records.engine, made)
        assert (await running.client.patch("/v1/farm", json={"time_zone": "Asia/Tokyo"})).status_code == 200
        assert (await running.client.post("/v1/lots", json={"name": "A", "grower": "山田"})).status_code == 201
        yield running


async def test_by_lot(running: Running) -> None:
    response = await running.client.get("/v1/report?by=lot")
    answer = response.json()
    assert set(answer) == set(ReportOut.model_fields)
    found = ReportOut.model_validate(answer)
    assert [(row.key, row.grower, row.total) for row in found.rows] == [
        (None, None, 10),
        ('=cmd|"x"', None, 20),
        ("A", "山田", 30),
    ]
    assert (found.total.total, found.total.grades["M"].count, found.total.grades["M"].share) == (60, 30, 0.5)
    assert (found.total.kg, found.total.yen) == (30 * 0.1 + 30 * 0.08, 30 * 16.0 + 30 * 2.0)
    assert (found.by, found.since, found.until, found.time_zone, found.truncated) == ("lot", None, None, "Asia/Tokyo", False)
    assert found.rows[0].models == [3]


@pytest.mark.parametrize("by", KINDS)
async def test_every_kind_keeps_its_schema(running: Running, by: str) -> None:
    query = f"by={by}&line=1&since=2026-11-01T00:00:00Z&until=2026-12-01T00:00:00%2B09:00"
    answer = (await running.client.get(f"/v1/report?{query}")).json()
    found = ReportOut.model_validate(answer)
    assert sum(row.total for row in found.rows) == found.total.total == 60
    assert (answer["since"], answer["until"]) == ("2026-11-01T00:00:00.000Z", "2026-11-30T15:00:00.000Z")


async def test_days_are_the_farm_s(running: Running) -> None:
    rows = (await running.client.get("/v1/report?by=day")).json()["rows"]
    assert [(row["key"], row["until"], row["total"]) for row in rows] == [
        ("2026-11-25T00:00:00+09:00", "2026-11-26T00:00:00+09:00", 20),
        ("2026-11-24T00:00:00+09:00", "2026-11-25T00:00:00+09:00", 20),
        ("2026-11-23T00:00:00+09:00", "2026-11-24T00:00:00+09:00", 20),
    ]


async def test_a_file_that_excel_opens(running: Running) -> None:
    response = await running.client.get("/v1/report?by=lot&format=csv")
    assert response.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert response.headers["content-disposition"] == 'attachment; filename="senka-lot-all.csv"'
    assert response.content.startswith(b"\xef\xbb\xbflot,until,")
    rows = list(csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"), newline="")))
    assert [row["lot"] for row in rows] == ["", '\'=cmd|"x"', "A"]
    assert [row["grower"] for row in rows] == ["", "", "山田"]
    assert (rows[2]["total"], rows[2]["count_M"], rows[2]["share_C"], rows[2]["kg_estimated"]) == ("30", "15", "0.5", "2.7")
    assert (rows[2]["models"], rows[2]["exact"], rows[2]["until"]) == ("3", "yes", "")
    assert list(rows[0]) == columns("lot")


async def test_a_file_of_days_has_local_times(running: Running) -> None:
    query = "by=day&format=csv&since=2026-11-24T00:00:00Z&until=2026-12-01T00:00:00Z"
    response = await running.client.get(f"/v1/report?{query}")
    assert 'filename="senka-day-2026-11-24-to-2026-12-01.csv"' in response.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"), newline="")))
    assert [(row["day"], row["until"], row["time_zone"]) for row in rows] == [
        ("2026-11-25 00:00:00", "2026-11-26 00:00:00", "Asia/Tokyo"),
        ("2026-11-24 00:00:00", "2026-11-25 00:00:00", "Asia/Tokyo"),
    ]


async def test_more_rows_than_are_shown(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "MAX_ROWS", 1)
    answer = (await running.client.get("/v1/report?by=day")).json()
    assert (len(answer["rows"]), answer["total"]["total"], answer["truncated"]) == (1, 60, True)
    lines = (await running.client.get("/v1/report?by=day&format=csv")).text.splitlines()
    assert len(lines) == 4


async def test_corrections_in_effect_are_counted(running: Running) -> None:
    page = (await running.client.get("/v1/gradings?lot=A&limit=2")).json()["gradings"]
    made: list[Any] = [
        (await running.client.post("/v1/corrections", json={"grading_id": one["id"], "grade": "L"})).json() for one in page
    ]
    assert (await running.client.delete(f"/v1/corrections/{made[0]['id']}")).status_code == 200
    answer = (await running.client.get("/v1/report?by=grower&grower=山田")).json()
    (row,) = answer["rows"]
    assert (row["key"], row["corrections"], row["corrected_share"]) == ("山田", 1, 1 / 30)
    assert row["grades"]["L"]["count"] == 0  # grades are as they were graded


@pytest.mark.parametrize(
    "query",
    ["by=", "by=week", "since=yesterday&by=day", "format=xlsx&by=lot", "lot=&by=lot", "camera=x&by=lot", "grower=%00&by=lot"],
)
async def test_a_wrong_parameter_is_named(running: Running, query: str) -> None:
    response = await running.client.get(f"/v1/report?{query}")
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")
    assert query.partition("=")[0] in response.json()["detail"]


async def test_a_report_is_by_something(running: Running) -> None:
    assert (await running.client.get("/v1/report")).status_code == 422


@pytest.mark.parametrize("by", KINDS)
async def test_without_records_it_is_empty(service: Service, by: str) -> None:
    async with service(records="off") as running:
        answer = (await running.client.get(f"/v1/report?by={by}")).json()
        file = await running.client.get(f"/v1/report?by={by}&format=csv")
    found = ReportOut.model_validate(answer)
    assert (found.rows, found.total.total, found.truncated) == ([], 0, False)
    assert file.content.decode("utf-8-sig") == ",".join(columns(by)) + "\r\n"
