"""Bodies of requests that are no photographs: bounded in size and time for every route, whether it looks at them or not."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager

import anyio
import pytest

from service import bodies
from service.bodies import MAX_SMALL_BODY_BYTES, MAX_STRANGERS_BODY_BYTES, STREAMED
from tests.service.running import Running

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("champion")]

Service = Callable[..., AbstractAsyncContextManager[Running]]
JSON = {"Content-Type": "application/json"}


async def pieces() -> AsyncIterator[bytes]:
    for _ in range(40):
        yield bytes(MAX_SMALL_BODY_BYTES // 20)


async def slowly() -> AsyncIterator[bytes]:
    while True:
        yield b" "
        await anyio.sleep(0.05)


async def test_a_small_body_is_read_as_before(service: Service) -> None:
    async with service() as running:
        answer = await running.client.post("/v1/corrections", json={"grading_id": "none", "grade": "L", "note": ""})
        assert (answer.status_code, answer.json()["code"]) == (404, "grading_not_found")


@pytest.mark.parametrize("path", ["/v1/corrections", "/login", "/v1/lots", "/nowhere"])
async def test_one_too_large_is_refused_declared_or_not(service: Service, path: str) -> None:
    async with service() as running:
        for body in (bytes(MAX_SMALL_BODY_BYTES + 1), pieces()):
            answer = await running.client.post(path, content=body, headers=JSON)
            assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


@pytest.mark.parametrize("path", ["/v1/corrections", "/login"])
async def test_one_that_does_not_end_is_refused(service: Service, path: str) -> None:
    async with service(body_timeout_ms=300) as running:
        answer = await running.client.post(path, content=slowly(), headers=JSON)
        assert (answer.status_code, answer.json()["code"]) == (408, "body_timeout")


@pytest.mark.parametrize("body", [b"[" * 100_000, b'{"grade": "\xff"}', b'{"grade": "\\ud800"}', b"\0", b'{"a": 1e999999}'])
async def test_json_that_is_none_is_unprocessable(service: Service, body: bytes) -> None:
    async with service() as running:
        answer = await running.client.post("/v1/corrections", content=body, headers=JSON)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")


async def test_uploads_have_limits_of_their_own(service: Service) -> None:
    async with service() as running:
        for path in STREAMED:
            answer = await running.client.post(path, content=bytes(MAX_SMALL_BODY_BYTES + 1))
            assert answer.status_code == 422, path


async def test_strangers_send_little(service: Service) -> None:
    async with service() as running:
        for path in ("/login", "/logout"):
            answer = await running.client.post(path, content=bytes(MAX_STRANGERS_BODY_BYTES + 1), headers=JSON)
            assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")


async def test_all_together_are_held_within_a_budget(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "MAX_HELD_BYTES", 1000)
    async with service() as running:
        for _ in range(3):  # what was refused or answered is held no longer
            answer = await running.client.post("/v1/corrections", content=bytes(1001), headers=JSON)
            assert (answer.status_code, answer.json()["code"]) == (503, "overloaded")
            answer = await running.client.post("/v1/corrections", content=b" " * 900, headers=JSON)
            assert answer.status_code == 422
