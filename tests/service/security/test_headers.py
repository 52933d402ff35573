"""What every answer tells a browser."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import httpx2
import pytest

from service.security.headers import ALWAYS
from tests.service.pictures import picture
from tests.service.running import Running

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("champion")]

Service = Callable[..., AbstractAsyncContextManager[Running]]


async def test_every_answer_has_them_once(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    async with service() as running:
        made = (await running.client.post("/v1/grade", content=picture(1))).json()

        def broken(*_: Any) -> None:
            raise ZeroDivisionError

        monkeypatch.setattr(running.context.champion.repository, "describe", broken)
        transport = httpx2.ASGITransport(running.app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            for path, status, store in (
                ("/", 200, "no-cache"),
                ("/login", 200, "no-store"),
                ("/static/senka.css", 200, "no-cache"),
                ("/v1/gradings", 200, "no-store"),
                (f"/v1/gradings/{made['id']}/image", 200, "private, max-age=31536000, immutable"),
                ("/nothing", 404, "no-store"),
                ("/v1/models", 500, "no-store"),
                ("/metrics", 200, None),
            ):
                answer = await client.get(path)
                assert answer.status_code == status, path
                for name, _ in ALWAYS:
                    assert len(answer.headers.get_list(name.decode())) == 1, (path, name)
                assert answer.headers.get("cache-control") == store, path
                assert answer.headers["x-content-type-options"] == "nosniff"
                assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
                assert "strict-transport-security" not in answer.headers
            refused = await client.get("/v1/gradings", headers={"Host": "evil.example"})
            assert (refused.status_code, refused.headers["x-frame-options"]) == (401, "DENY")


async def test_a_page_keeps_its_own_policy(service: Service) -> None:
    async with service() as running:
        policy = (await running.client.get("/login")).headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
