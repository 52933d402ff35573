"""The composition root: what a start opens, what a failed start says, and what a stop does first."""

import os
import signal
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from models.errors import ModelCorrupt
from models.repository import ModelRepository
from service.app import create_app
from service.settings import Settings
from tests.service.pictures import picture
from tests.service.running import Running, until

pytestmark = pytest.mark.anyio

Service = Callable[..., AbstractAsyncContextManager[Running]]


def test_making_an_application_opens_nothing(home: Path) -> None:
    create_app(Settings(home=home))
    assert not home.exists()


async def lifespan(app: Any) -> tuple[list[Any], BaseException | None]:
    """What an application answers a server that starts it, and what it raises."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None:
        sent.append(message)

    try:
        await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)
    except BaseException as error:
        return sent, error
    return sent, None


async def test_a_start_that_fails_for_a_known_reason_says_so_in_one_line(home: Path, champion: ModelRepository) -> None:
    champion.get("champion").path.write_bytes(b"cut off")
    sent, error = await lifespan(create_app(Settings(home=home, providers="cpu")))
    assert isinstance(error, ModelCorrupt)
    assert [message["type"] for message in sent] == ["lifespan.startup.failed"]
    assert sent[0]["message"] == f"senka: {error}"
    assert "\n" not in sent[0]["message"]


async def test_a_start_that_fails_by_a_bug_of_ours_keeps_its_traceback(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("service.app.migrate", broken)
    sent, error = await lifespan(create_app(Settings(home=home, providers="cpu")))
    assert isinstance(error, ZeroDivisionError)
    assert "Traceback" in sent[0]["message"]


@pytest.mark.usefixtures("champion")
async def test_a_signal_drains_and_then_reaches_the_server(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    try:
        async with service() as running:
            assert not running.context.pipeline.draining
            os.kill(os.getpid(), signal.SIGTERM)
            await until(lambda: running.context.pipeline.draining)
            assert heard == [signal.SIGTERM]
            response = await running.client.post("/v1/grade", content=picture(1))
            assert response.json()["code"] == "draining"
        os.kill(os.getpid(), signal.SIGTERM)  # put back as it was
        assert heard == [signal.SIGTERM] * 2
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("champion")
async def test_what_was_recorded_is_there_after_a_restart(service: Service) -> None:
    async with service() as running:
        made = [(await running.client.post("/v1/grade", content=picture(n))).json() for n in range(3)]
    async with service() as running:
        found = (await running.client.get("/v1/gradings")).json()["gradings"]
        assert found == made[::-1]


@pytest.mark.usefixtures("champion")
async def test_two_applications_live_beside_each_other(service: Service, tmp_path: Path) -> None:
    async with service() as first, service(database_url=f"sqlite:///{tmp_path / 'other.db'}") as second:
        await first.client.post("/v1/grade", content=picture(1))
        assert (await first.client.get("/v1/stats")).json()["total"] == 1
        assert (await second.client.get("/v1/stats")).json()["total"] == 0
