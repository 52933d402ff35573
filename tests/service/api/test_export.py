"""`GET /v1/export` over HTTP."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from pyarrow import parquet
from sqlalchemy.exc import OperationalError

from service.api import export
from service.records.export import COLUMNS
from service.records.repository import Entry
from tests.service.gradings import grading
from tests.service.running import Running, until

pytestmark = pytest.mark.anyio

Service = Callable[..., AbstractAsyncContextManager[Running]]


@pytest.fixture
async def running(service: Service) -> AsyncIterator[Running]:
    """A service without a model and 2,500 gradings on record."""
    async with service() as running:
        assert running.context.records is not None
        running.context.records.add(
            [Entry(grading(n, "M" if n % 2 else "C", line="1", lot="A" if n < 10 else "B")) for n in range(2_500)]
        )
        yield running


def checked_out(running: Running) -> int:
    assert running.context.records is not None
    return running.context.records.engine.pool.checkedout()  # type: ignore[attr-defined, no-any-return]


async def test_a_csv_to_save(running: Running) -> None:
    response = await running.client.get("/v1/export")
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/csv; charset=utf-8; header=present"
    assert response.headers["content-disposition"] == 'attachment; filename="senka-all.csv"'
    assert "content-length" not in response.headers
    rows = list(csv.DictReader(io.StringIO(response.text, newline="")))
    assert len(rows) == 2_500
    await until(lambda: checked_out(running) == 0)


async def test_the_same_filters_as_pages(running: Running) -> None:
    page = (await running.client.get("/v1/gradings?lot=A&grade=C")).json()["gradings"]
    response = await running.client.get("/v1/export?lot=A&grade=C&since=2026-11-01T00:00:00Z&until=2026-12-01T00:00:00Z")
    assert 'filename="senka-2026-11-01-to-2026-12-01.csv"' in response.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(response.text, newline="")))
    assert [row["id"] for row in rows] == [one["id"] for one in reversed(page)]


async def test_parquet(running: Running) -> None:
    response = await running.client.get("/v1/export?format=parquet&grade=C")
    assert response.headers["content-type"] == "application/vnd.apache.parquet"
    assert parquet.read_table(io.BytesIO(response.content)).num_rows == 1_250


@pytest.mark.parametrize("query", ["format=xlsx", "limit=5", "grade=XL", "since=yesterday"])
async def test_a_wrong_parameter_is_named(running: Running, query: str) -> None:
    response = await running.client.get(f"/v1/export?{query}")
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")
    assert query.partition("=")[0] in response.json()["detail"]


@pytest.mark.parametrize("form", ["csv", "parquet"])
async def test_without_records_it_is_empty(service: Service, form: str) -> None:
    async with service(records="off") as running:
        response = await running.client.get(f"/v1/export?format={form}")
    assert response.status_code == 200
    if form == "csv":
        assert response.text == ",".join(column.name for column in COLUMNS) + "\r\n"
    else:
        assert parquet.read_table(io.BytesIO(response.content)).num_rows == 0


async def test_a_database_that_is_away_is_503_and_the_next_export_has_its_place(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert running.context.records is not None
    with monkeypatch.context() as patch:

        def away() -> Any:
            raise OperationalError("SELECT", {}, Exception("connection refused"))

        patch.setattr(running.context.records.engine, "connect", away)
        for _ in range(export.AT_ONCE + 1):
            response = await running.client.get("/v1/export")
            assert (response.status_code, response.json()["code"]) == (503, "records_unavailable")
            await until(lambda: _free() == export.AT_ONCE)
    assert (await running.client.get("/v1/export")).status_code == 200


def _free() -> int:
    return export._open._value


async def begun(running: Running, messages: list[dict[str, Any]], receive: Any, send: Any = None) -> None:
    """One request at the application itself, as a server makes it."""

    async def kept(message: Any) -> None:
        messages.append(message)
        if send:
            await send(message)

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": "/v1/export", "raw_path": b"/v1/export", "query_string": b"", "root_path": "",
        "headers": [(b"host", b"127.0.0.1")],
        "client": ("127.0.0.1", 1234), "server": ("127.0.0.1", 8000), "state": {},
    }  # fmt: skip
    await running.app(scope, receive, kept)


async def test_more_than_two_at_once_are_refused_and_a_client_that_leaves_gives_its_place_back(running: Running) -> None:
    leave, messages = asyncio.Event(), [[], []]  # type: ignore[var-annotated]

    async def receive() -> dict[str, Any]:
        await leave.wait()
        return {"type": "http.disconnect"}

    async def stuck(message: dict[str, Any]) -> None:
        if message.get("body"):
            await leave.wait()

    exports = [asyncio.ensure_future(begun(running, seen, receive, stuck)) for seen in messages]
    await until(lambda: all(seen[-1:] and seen[-1].get("body") for seen in messages))
    refused = await running.client.get("/v1/export")
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_exports")
    assert refused.headers["retry-after"]
    leave.set()
    await asyncio.gather(*exports)
    assert all(seen[-1].get("more_body") for seen in messages)  # they were not made to the end
    await until(lambda: checked_out(running) == 0 and _free() == export.AT_ONCE)
    assert (await running.client.get("/v1/export")).status_code == 200


async def test_a_client_that_takes_nothing_is_hung_up_on(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "STALLED_S", 0.1)
    messages: list[dict[str, Any]] = []

    async def forever(_: Any = None) -> Any:
        await asyncio.Event().wait()

    async def stuck(message: dict[str, Any]) -> None:
        if message.get("body"):
            await forever()

    await begun(running, messages, forever, stuck)
    assert messages[-1]["more_body"] is True  # no end: the server cuts the connection
    await until(lambda: checked_out(running) == 0 and _free() == export.AT_ONCE)
