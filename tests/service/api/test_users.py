"""`/v1/users`: people are added and changed, and no secret comes back, not even to whoever sent it wrong."""

from typing import Any

import pytest

pytestmark = pytest.mark.anyio

SECRETS = ("cucumber sandwich", "4826", "hunter2", "12345", "argon2")
ADMIN = {"name": "boss", "role": "admin", "password": "cucumber sandwich"}
HANAKO = {"name": "hanako", "role": "operator", "pin": "4826"}


def clean(response: Any) -> Any:
    """The answer, once it is certain that it has no secret in it."""
    text = response.text + str(response.headers)
    assert not any(secret in text for secret in SECRETS), text
    return response


async def test_somebody_is_added_listed_changed_and_disabled(service: Any) -> None:
    async with service() as running:
        added = clean(await running.client.post("/v1/users", json=HANAKO))
        assert added.status_code == 201
        expected = {"name": "hanako", "role": "operator", "has_password": False, "has_pin": True, "disabled_at": None}
        assert added.json() == expected | {"created_at": added.json()["created_at"]}
        assert clean(await running.client.get("/v1/users")).json() == {"users": [added.json()]}
        assert clean(await running.client.get("/v1/users/hanako")).json() == added.json()
        change = {"password": "cucumber sandwich", "pin": None, "role": "admin"}
        changed = clean(await running.client.patch("/v1/users/hanako", json=change)).json()
        assert (changed["role"], changed["has_password"], changed["has_pin"]) == ("admin", True, False)
        await running.client.post("/v1/users", json=ADMIN)
        out = clean(await running.client.patch("/v1/users/hanako", json={"disabled": True}))
        assert out.json()["disabled_at"] is not None
        back = clean(await running.client.patch("/v1/users/hanako", json={"disabled": False}))
        assert back.json()["disabled_at"] is None
        users = running.context.door.credentials.users
        assert users.verify("hanako", password="cucumber sandwich") is not None


async def test_the_last_admin_stays(service: Any) -> None:
    async with service() as running:
        await running.client.post("/v1/users", json=ADMIN)
        for change in ({"disabled": True}, {"role": "viewer"}):
            refused = clean(await running.client.patch("/v1/users/boss", json=change))
            assert (refused.status_code, refused.json()["code"]) == (409, "last_admin")
        assert (await running.client.get("/v1/users/boss")).json()["role"] == "admin"


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (HANAKO | {"pin": 12345}, "pin"),
        (HANAKO | {"password": ["hunter2"]}, "password"),
        (HANAKO | {"password": {"text": "hunter2"}}, "password"),
        (HANAKO | {"password": "hunter2"}, "8 to 256"),
        (HANAKO | {"password": "hunter2" * 100}, "password"),
        (HANAKO | {"pin": "12345"}, "in a row"),
        (HANAKO | {"secret": "hunter2"}, "secret"),
        (HANAKO | {"role": "admin"}, "not with a PIN"),
        (HANAKO | {"role": "camera"}, "role"),
        (HANAKO | {"role": "hunter2"}, "role"),
        (HANAKO | {"name": ""}, "name"),
        ({"name": "x", "role": "viewer"}, "password or a PIN"),
        ({"password": "hunter2"}, "name"),
    ],
)
async def test_what_is_wrong_is_said_without_repeating_a_secret(service: Any, body: dict[str, Any], says: str) -> None:
    async with service() as running:
        refused = clean(await running.client.post("/v1/users", json=body))
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")
        assert says in refused.json()["detail"]
        assert (await running.client.get("/v1/users")).json() == {"users": []}


@pytest.mark.parametrize("body", [b'{"password": "hunter2"', b'"hunter2"', b'["hunter2"]', b"password=hunter2", b"\xff hunter2"])
async def test_a_body_that_is_no_json_is_not_repeated(service: Any, body: bytes) -> None:
    async with service() as running:
        headers = {"Content-Type": "application/json"}
        for method, path in (("POST", "/v1/users"), ("PATCH", "/v1/users/hanako")):
            refused = clean(await running.client.request(method, path, content=body, headers=headers))
            assert refused.status_code == 422


async def test_nobody_is_added_twice_or_changed_who_is_not_there(service: Any) -> None:
    async with service() as running:
        await running.client.post("/v1/users", json=HANAKO)
        again = clean(await running.client.post("/v1/users", json=HANAKO))
        assert (again.status_code, again.json()["code"]) == (409, "already_exists")
        for name in ("nobody", "%00", "%ED%A0%80", "a" * 1000):
            missing = clean(await running.client.patch(f"/v1/users/{name}", json={"pin": "4826"}))
            assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
            assert (await running.client.get(f"/v1/users/{name}")).status_code == 404


async def test_nothing_of_it_is_logged(service: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    async with service() as running:
        await running.client.post("/v1/users", json=ADMIN)
        await running.client.post("/v1/users", json=HANAKO | {"password": "hunter2"})
        await running.client.patch("/v1/users/boss", json={"password": "cucumber sandwich"})
    assert not any(secret in caplog.text for secret in SECRETS)


async def test_without_records_there_is_nobody(service: Any) -> None:
    async with service(records="off") as running:
        for method, path, body in (("GET", "/v1/users", None), ("POST", "/v1/users", ADMIN), ("GET", "/v1/keys", None)):
            refused = clean(await running.client.request(method, path, json=body))
            assert (refused.status_code, refused.json()["code"]) == (409, "records_off")
