"""`/v1/keys`: a key is shown once, works at once, and no longer once it is revoked."""

from typing import Any

import pytest

pytestmark = pytest.mark.anyio


async def test_a_key_is_shown_once_and_works_until_it_is_revoked(service: Any) -> None:
    async with service() as running:
        made = await running.client.post("/v1/keys", json={"name": "line 1", "camera": "line1-top"})
        assert made.status_code == 201
        assert made.headers["Cache-Control"] == "no-store"
        key = made.json()
        bearer = key.pop("key")
        assert bearer.startswith(f"senka_{key['prefix']}_")
        assert (key["name"], key["camera"], key["scope"], key["created_by"]) == ("line 1", "line1-top", "grade", "local")
        listed = await running.client.get("/v1/keys")
        assert listed.json() == {"keys": [key]}
        assert (await running.client.get(f"/v1/keys/{key['prefix']}")).json() == key
        headers = {"Authorization": f"Bearer {bearer}"}
        assert (await running.client.get("/v2", headers=headers)).status_code == 200
        revoked = await running.client.delete(f"/v1/keys/{key['prefix']}")
        assert revoked.status_code == 200
        assert revoked.json()["revoked_at"] is not None
        assert (await running.client.get("/v2", headers=headers)).status_code == 401
        assert (await running.client.delete(f"/v1/keys/{key['prefix']}")).json() == revoked.json() | {
            "last_used_at": (await running.client.get(f"/v1/keys/{key['prefix']}")).json()["last_used_at"]
        }
        for answer in (listed, revoked):
            assert bearer[15:] not in answer.text


@pytest.mark.parametrize(
    "body", [{}, {"name": ""}, {"name": "x" * 101}, {"name": "a/b"}, {"name": "x", "camera": ""}, {"name": 7}]
)
async def test_a_key_needs_a_name_that_can_be(service: Any, body: dict[str, Any]) -> None:
    async with service() as running:
        refused = await running.client.post("/v1/keys", json=body)
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")
        assert (await running.client.get("/v1/keys")).json() == {"keys": []}


@pytest.mark.parametrize("prefix", ["00000000", "%00", "%ED%A0%80", "x" * 1000])
async def test_a_key_that_is_not_there(service: Any, prefix: str) -> None:
    async with service() as running:
        for method in ("GET", "DELETE"):
            missing = await running.client.request(method, f"/v1/keys/{prefix}")
            assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
