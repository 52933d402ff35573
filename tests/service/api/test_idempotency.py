"""`Idempotency-Key` over HTTP: the first answer again, whatever happened since."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from models.repository import ModelRepository
from service.errors import ModelNotReady
from tests.service.models import make_model
from tests.service.pictures import picture
from tests.service.running import Running

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("champion")]

Service = Callable[..., AbstractAsyncContextManager[Running]]


async def post(running: Running, key: str | list[tuple[str, str]], photograph: bytes, query: str = "") -> httpx2.Response:
    headers: Any = [("Idempotency-Key", key)] if isinstance(key, str) else key
    return await running.client.post(f"/v1/grade?{query}", content=photograph, headers=headers)


async def total(running: Running) -> int:
    answer = (await running.client.get("/v1/stats")).json()
    assert isinstance(answer["total"], int)
    return answer["total"]


async def test_the_same_photograph_again_is_the_first_answer_again(service: Service) -> None:
    async with service() as running:
        first = await post(running, "k", picture(1), "line=1")
        again = await post(running, "k", picture(1), "line=2")
        assert first.status_code == again.status_code == 200
        assert "idempotency-replayed" not in first.headers
        assert again.headers["idempotency-replayed"] == "true"
        assert again.json() == first.json()
        assert await total(running) == 1
    async with service() as running:  # nothing of it is in memory
        later = await post(running, "k", picture(1))
        assert later.json() == first.json()
        assert later.headers["idempotency-replayed"] == "true"
        assert await total(running) == 1


async def test_another_photograph_under_the_key_is_409(service: Service) -> None:
    async with service() as running:
        await post(running, "k", picture(1))
        response = await post(running, "k", picture(2))
        assert response.status_code == 409
        problem = response.json()
        assert (problem["code"], problem["idempotency_key"]) == ("idempotency_conflict", "k")
        assert await total(running) == 1


@pytest.mark.parametrize("key", ["", "x" * 201, "two words", [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]])
async def test_what_is_no_key_is_422(service: Service, key: Any) -> None:
    async with service() as running:
        response = await post(running, key, picture(1))
        assert (response.status_code, response.json()["code"]) == (422, "invalid_idempotency_key")
        assert await total(running) == 0


async def test_posts_at_the_same_time_are_one_grading(service: Service) -> None:
    async with service() as running:
        answers = await asyncio.gather(*(post(running, f"k{n % 5}", picture(n % 5)) for n in range(50)))
        assert {answer.status_code for answer in answers} == {200}
        assert len({answer.json()["id"] for answer in answers}) == 5
        assert sum("idempotency-replayed" not in answer.headers for answer in answers) == 5
        assert await total(running) == 5


async def test_a_repeat_needs_no_model_and_nothing_is_decoded(
    service: Service, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with service() as running:
        first = await post(running, "k", picture(1))

    def refuse(*_: Any) -> Any:
        raise AssertionError("decoded")

    async with service() as running:
        monkeypatch.setattr("service.pipeline.decode", refuse)
        monkeypatch.setattr("service.pipeline.read_header", refuse)

        def not_ready(_: object) -> Any:
            raise ModelNotReady("cucumber")

        monkeypatch.setattr(type(running.context.champion), "current", property(not_ready))
        again = await post(running, "k", picture(1))
        assert (again.status_code, again.json()) == (200, first.json())
        assert (await post(running, "new", picture(1))).json()["code"] == "model_not_ready"


async def test_a_post_that_failed_can_be_sent_again(service: Service) -> None:
    async with service() as running:
        assert (await post(running, "k", b"no photograph")).status_code == 422
        good = await post(running, "k", picture(1))  # nothing was graded under the key yet
        assert (good.status_code, "idempotency-replayed" in good.headers) == (200, False)


async def test_a_dry_run_ignores_the_key(service: Service) -> None:
    async with service() as running:
        first, second = [await post(running, "k", picture(1), "dry_run=true") for _ in range(2)]
        assert first.json()["id"] != second.json()["id"]
        assert "idempotency-replayed" not in (await post(running, "k", picture(2))).headers
        assert await total(running) == 1


async def test_without_records_the_key_changes_nothing(service: Service) -> None:
    async with service(records="off") as running:
        for _ in range(2):
            answer = await post(running, "k", picture(1))
            assert (answer.status_code, "idempotency-replayed" in answer.headers) == (200, False)


async def test_a_repeat_says_that_its_maps_are_not_kept(service: Service, champion: ModelRepository, tmp_path: Path) -> None:
    champion.publish(make_model(tmp_path / "next.onnx", seed=4), promote=True)
    async with service() as running:
        first = (await post(running, "k", picture(1), "explain=cam&deadline_ms=60000")).json()
        again = (await post(running, "k", picture(1), "explain=cam")).json()
        plain = (await post(running, "k", picture(1))).json()
    assert first.pop("explanation")
    explained = again.pop("explanation")
    assert (explained["method"], explained["maps"]) == ("cam", None)
    assert "first answer again" in explained["detail"]
    assert first == again == plain


async def test_multipart_and_raw_are_the_same_photograph(service: Service) -> None:
    async with service() as running:
        raw = await post(running, "k", picture(1))
        headers = {"Idempotency-Key": "k"}
        form = await running.client.post("/v1/grade", files={"image": picture(1)}, headers=headers)
    assert form.json() == raw.json()


@pytest.mark.parametrize("name", ["camera", "line", "lot"])
async def test_a_name_with_a_nul_is_422(service: Service, name: str) -> None:
    """PostgreSQL could not keep it, and would say so only when the fruit has passed."""
    async with service() as running:
        response = await running.client.post(f"/v1/grade?{name}=a%00b", content=picture(1))
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")


async def test_a_key_is_documented(service: Service) -> None:
    async with service() as running:
        operation = running.app.openapi()["paths"]["/v1/grade"]["post"]
    assert "Idempotency-Key" in {parameter["name"] for parameter in operation["parameters"]}
    assert {"line", "dry_run"} <= {parameter["name"] for parameter in operation["parameters"]}
    assert "Idempotency-Replayed" in operation["responses"]["200"]["headers"]
