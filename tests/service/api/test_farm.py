"""`/v1/farm` over HTTP."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from models.grades import GRADES
from service.api.farm import FarmOut
from service.farm import GRAMS_PER_FRUIT, YEN_PER_FRUIT, machine_time_zone
from service.schemas import Problem
from tests.service.running import Running

pytestmark = pytest.mark.anyio

Service = Callable[..., AbstractAsyncContextManager[Running]]


async def ask(running: Running, method: str = "GET", status: int = 200, body: Any = None) -> Any:
    """The JSON of an answer of this status; a refusal must be a problem document."""
    response = await running.client.request(method, "/v1/farm", **({} if body is None else {"json": body}))
    assert response.status_code == status, response.text
    (Problem if status >= 400 else FarmOut).model_validate(response.json())
    return response.json()


async def test_the_farm_is_read_and_changed(service: Service) -> None:
    async with service() as running:
        before = await ask(running)
        assert set(before) == set(FarmOut.model_fields)
        assert (before["name"], before["time_zone"], before["shift_starts"]) == (None, machine_time_zone(), ["00:00"])
        assert (before["grams_per_fruit"], before["yen_per_fruit"]) == (GRAMS_PER_FRUIT, YEN_PER_FRUIT)
        assert list(before["grams_per_fruit"]) == list(GRADES)
        assert (before["changed_by"], before["changed_at"]) == (None, None)
        wanted = {
            "name": " 山田 / farm ",
            "time_zone": "Asia/Tokyo",
            "shift_starts": ["14:30", "06:00"],
            "yen_per_fruit": {"M": 18},
        }
        changed = await ask(running, "PATCH", 200, wanted)
        assert (changed["name"], changed["shift_starts"]) == ("山田 / farm", ["06:00", "14:30"])
        assert changed["yen_per_fruit"] == {**YEN_PER_FRUIT, "M": 18}
        assert (changed["changed_by"], changed["grams_per_fruit"]) == ("local", GRAMS_PER_FRUIT)
        assert await ask(running) == changed
        assert await ask(running, "PATCH", 200, {}) == changed
        back = await ask(running, "PATCH", 200, {"name": None, "yen_per_fruit": None, "shift_starts": None})
        assert (back["name"], back["yen_per_fruit"], back["time_zone"]) == (None, YEN_PER_FRUIT, "Asia/Tokyo")
        trail = (await running.client.get("/v1/audit?action=farm.changed")).json()["audit"]
        assert [line["detail"]["name"] for line in trail] == [
            {"from": "山田 / farm", "to": None}, {"from": None, "to": "山田 / farm"},
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"time_zone": "Tokyo"}, "time_zone"),
        ({"time_zone": "../../etc/passwd"}, "time_zone"),
        ({"time_zone": "Asia"}, "time_zone"),
        ({"time_zone": "a\0b"}, "time_zone"),
        ({"time_zone": 9}, "time_zone"),
        ({"shift_starts": []}, "shift_starts"),
        ({"shift_starts": ["24:00"]}, "shift_starts"),
        ({"shift_starts": ["6:00"]}, "shift_starts"),
        ({"shift_starts": ["06:00", "06:00"]}, "shift_starts"),
        ({"shift_starts": [f"0{hour}:00" for hour in range(7)]}, "shift_starts"),
        ({"shift_starts": "06:00"}, "shift_starts"),
        ({"shift_starts": ["06:00\n"]}, "shift_starts"),
        ({"grams_per_fruit": {"M": 0}}, "grams_per_fruit"),
        ({"grams_per_fruit": {"M": 5001}}, "grams_per_fruit"),
        ({"grams_per_fruit": {"M": "100"}}, "grams_per_fruit"),
        ({"grams_per_fruit": {"M": True}}, "grams_per_fruit"),
        ({"grams_per_fruit": {"XL": 100}}, "grams_per_fruit"),
        ({"yen_per_fruit": {"M": -1}}, "yen_per_fruit"),
        ({"yen_per_fruit": [1, 2]}, "yen_per_fruit"),
        ({"name": " "}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"colour": "green"}, "colour"),
    ],
)
async def test_what_cannot_be_says_which_and_changes_nothing(service: Service, body: dict[str, Any], named: str) -> None:
    async with service() as running:
        refused = await ask(running, "PATCH", 422, {"name": "good", **body} if named != "name" else body)
        assert refused["code"] == "invalid_request"
        assert named in refused["detail"]
        assert (await ask(running))["name"] is None


async def test_without_records_there_are_defaults_and_nothing_to_change(service: Service) -> None:
    async with service(records="off") as running:
        assert (await ask(running))["yen_per_fruit"] == YEN_PER_FRUIT
        assert (await ask(running, "PATCH", 409, {"name": "x"}))["code"] == "records_off"
