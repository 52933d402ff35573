"""`GET /v1/activity` over HTTP."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta

import pytest

from service import farm as farm_module
from service.api.activity import ActivityOut
from tests.service.gradings import grading
from tests.service.records.opened import put_gradings
from tests.service.running import Running

pytestmark = pytest.mark.anyio

Service = Callable[..., AbstractAsyncContextManager[Running]]


async def test_what_the_lines_do(service: Service) -> None:
    async with service() as running:
        assert running.context.records is not None
        await running.client.patch("/v1/farm", json={"time_zone": "Asia/Tokyo", "shift_starts": ["06:00"]})
        await running.client.post("/v1/lots", json={"name": "A", "grower": "山田"})
        await running.client.post("/v1/lines", json={"name": "1", "lot": "A"})
        now = datetime.now(UTC)
        made = [
            grading(received_at=now - timedelta(seconds=number), line="1" if number % 2 else "2", camera="top")
            for number in range(20)
        ]
        put_gradings(running.context.records.engine, made)
        answer = (await running.client.get("/v1/activity")).json()
        of_one = (await running.client.get("/v1/activity?line=1")).json()
    found = ActivityOut.model_validate(answer)
    assert set(answer) == set(ActivityOut.model_fields)
    assert found.shift.since <= found.now < found.shift.until
    assert (found.shift.start, found.shift.since.utcoffset()) == ("06:00", timedelta(hours=9))
    assert sum(minute.count for minute in found.minutes) == 20
    assert len(found.minutes) == 60
    assert [(line.name, line.lot, line.grower, line.per_minute) for line in found.lines] == [
        ("1", "A", "山田", 10),
        ("2", None, None, 10),
    ]
    assert [(camera.name, camera.per_minute) for camera in found.lines[0].cameras] == [("top", 10)]
    assert sum(minute["count"] for minute in of_one["minutes"]) == 10
    assert len(of_one["lines"]) == 2


async def test_an_empty_service_and_one_without_records(service: Service) -> None:
    for records in ("on", "off"):
        async with service(records=records) as running:
            response = await running.client.get("/v1/activity?line=1")
        assert response.status_code == 200, response.text
        found = ActivityOut.model_validate(response.json())
        assert (found.lines, sum(minute.count for minute in found.minutes)) == ([], 0)
        assert found.shift.start == "00:00"


@pytest.mark.parametrize("query", ["line=", "lines=1", f"line={'x' * 101}", "line=%00"])
async def test_a_wrong_parameter_is_named(service: Service, query: str) -> None:
    async with service() as running:
        response = await running.client.get(f"/v1/activity?{query}")
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")
    assert query.partition("=")[0] in response.json()["detail"]


async def test_a_time_zone_that_this_machine_lost_says_what_to_install(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    async with service() as running:
        assert (await running.client.patch("/v1/farm", json={"time_zone": "Asia/Tokyo"})).status_code == 200
        missing = farm_module.ZoneInfoNotFoundError("gone")

        def gone(_: str) -> None:
            raise missing

        monkeypatch.setattr(farm_module, "ZoneInfo", gone)
        for path in ("activity", "report?by=day"):
            response = await running.client.get(f"/v1/{path}")
            assert (response.status_code, response.json()["code"]) == (503, "time_zone_missing")
            assert "tzdata" in response.json()["detail"]
        assert (await running.client.get("/v1/report?by=lot")).status_code == 200
        assert (await running.client.get("/v1/farm")).json()["time_zone"] == "Asia/Tokyo"
