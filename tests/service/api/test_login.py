"""Logging in and out: by a form, by a program, by somebody who should not."""

import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx2
import pytest
from sqlalchemy import Engine, insert, select

from service.api.login import MAX_FORM_BYTES, local_path
from service.records.tables import audit, login_failures
from service.records.tables import sessions as table
from service.security import passwords
from service.security.cookies import CSRF, LOGIN, SESSION
from service.security.principal import Role
from service.security.throttle import FREE_BY_ADDRESS, FREE_BY_NAME, PIN_FAILURES, fingerprint
from service.security.users import Users
from tests.service.running import Running
from tests.service.security.conftest import QUICK

pytestmark = pytest.mark.anyio

Service = Callable[..., AbstractAsyncContextManager[Running]]
PASSWORD: Final = "green and straight"
PIN: Final = "4711"


def engine_of(running: Running) -> Engine:
    credentials = running.context.door.credentials
    assert credentials is not None
    return credentials.engine


def client(running: Running, base_url: str = "http://senka.example") -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(running.app, client=("198.51.100.7", 4711))
    return httpx2.AsyncClient(transport=transport, base_url=base_url)


@pytest.fixture
async def running(service: Service) -> AsyncIterator[Running]:
    async with service() as started:
        users = Users(engine_of(started), QUICK)
        users.add("Kenji", Role.OPERATOR, password=PASSWORD, pin=PIN, by="test")
        users.add("boss", Role.ADMIN, password=PASSWORD, by="test")
        yield started


async def form_token(remote: httpx2.AsyncClient) -> str:
    page = await remote.get("/login")
    found = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
    assert found
    return found[1]


async def send_form(remote: httpx2.AsyncClient, **fields: str) -> httpx2.Response:
    return await remote.post("/login", data={"csrf_token": await form_token(remote), **fields})


def audited(running: Running) -> list[tuple[str, str, str, str | None]]:
    with engine_of(running).connect() as connection:
        rows = connection.execute(select(audit).where(audit.c.action.startswith("login.")).order_by(audit.c.seq)).all()
    return [(row.actor, row.action, row.subject, row.address) for row in rows]


@pytest.mark.parametrize("secret", [{"pin": PIN, "password": ""}, {"password": PASSWORD, "pin": ""}])
async def test_a_form_that_is_right_leads_on(running: Running, secret: dict[str, str]) -> None:
    async with client(running) as remote:
        answer = await send_form(remote, name=" Kenji ", next="/explain?grading=1", **secret)
        assert (answer.status_code, answer.headers["location"]) == (303, "/explain?grading=1")
        assert (await remote.get("/v1/gradings")).status_code == 200
        told = (await remote.get("/v1/session")).json()
        assert (told["kind"], told["name"], told["role"]) == ("user", "Kenji", "operator")
        assert told["csrf_token"] == remote.cookies[CSRF]
    assert audited(running) == [("Kenji", "login.succeeded", "Kenji", "198.51.100.7")]


async def test_a_program_logs_in_with_json(running: Running) -> None:
    async with client(running) as remote:
        answer = await remote.post("/login", json={"name": "boss", "password": PASSWORD})
        assert answer.status_code == 200
        assert answer.json() == (await remote.get("/v1/session")).json()
        assert (await remote.get("/v1/users")).status_code == 200


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "Kenji", "password": "wrong password"},
        {"name": "Kenji", "pin": "4712"},
        {"name": "Kenji", "password": PIN},
        {"name": "boss", "pin": PASSWORD},
        {"name": "who is that", "password": PASSWORD},
    ],
)
async def test_what_does_not_belong_together_is_refused_and_noted(running: Running, fields: dict[str, str]) -> None:
    async with client(running) as remote:
        answer = await remote.post("/login", json=fields)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
        page = await send_form(remote, **fields)
        assert page.status_code == 401
        assert "do not belong together" in page.text
        assert f'value="{fields["name"]}"' in page.text
        assert (fields.get("password") or fields["pin"]) not in page.text
        assert SESSION not in remote.cookies
    known = fields["name"] if fields["name"] in ("Kenji", "boss") else "unknown"
    assert audited(running) == [("nobody", "login.failed", known, "198.51.100.7")] * 2


async def test_logging_out_ends_the_session_for_good(running: Running) -> None:
    async with client(running) as remote:
        token = (await remote.post("/login", json={"name": "Kenji", "pin": PIN})).json()["csrf_token"]
        kept = remote.cookies[SESSION]
        for given in ({}, {"X-CSRF-Token": "x"}):
            assert (await remote.post("/logout", headers=given)).status_code == 403
        assert (await remote.get("/v1/gradings")).status_code == 200
        answer = await remote.post("/logout", headers={"X-CSRF-Token": token})
        assert answer.status_code == 204
        assert SESSION not in remote.cookies
        assert CSRF not in remote.cookies
        assert (await remote.get("/v1/gradings", headers={"Cookie": f"{SESSION}={kept}"})).status_code == 401
        again = await remote.post("/logout")
        assert (again.status_code, again.headers.get_list("set-cookie")) == (204, [])


async def test_another_site_cannot_log_anybody_out(running: Running) -> None:
    async with client(running) as remote:
        token = (await remote.post("/login", json={"name": "Kenji", "pin": PIN})).json()["csrf_token"]
        for forged in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site", "X-CSRF-Token": token}):
            assert (await remote.post("/logout", headers=forged)).status_code == 403
        assert (await remote.get("/v1/gradings")).status_code == 200
    async with client(running) as stranger:  # whose cookie the browser kept back
        for forged in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {"Origin": "null"}):
            answer = await stranger.post("/logout", headers=forged)
            assert (answer.status_code, answer.headers.get_list("set-cookie")) == (403, [])


async def test_after_too_many_failures_the_password_works_and_the_pin_does_not(running: Running) -> None:
    old = datetime.now(UTC) - timedelta(hours=1)
    with engine_of(running).begin() as connection:
        row = {"name": fingerprint("Kenji"), "at": old}
        connection.execute(insert(login_failures), [row | {"address": f"203.0.113.{number}"} for number in range(PIN_FAILURES)])
    async with client(running) as remote:
        answer = await remote.post("/login", json={"name": "Kenji", "pin": PIN})
        assert (answer.status_code, answer.json()["code"]) == (429, "login_throttled")
        assert "password works" in answer.json()["detail"]
        assert (await remote.post("/login", json={"name": "Kenji", "password": PASSWORD})).status_code == 200
        changed = await running.client.patch("/v1/users/Kenji", json={"pin": "4826"})
        assert changed.status_code == 200, changed.text
        assert (await remote.post("/login", json={"name": "Kenji", "pin": "4826"})).status_code == 200


async def test_a_form_logs_out_without_scripts(running: Running) -> None:
    async with client(running) as remote:
        token = (await remote.post("/login", json={"name": "Kenji", "pin": PIN})).json()["csrf_token"]
        answer = await remote.post("/logout", data={"csrf_token": token}, headers={"Accept": "text/html"})
        assert (answer.status_code, answer.headers["location"]) == (303, "/login")
        assert (await remote.get("/v1/session")).json()["kind"] == "nobody"


async def test_a_login_is_worth_a_token_of_its_own(running: Running) -> None:
    async with client(running) as remote:
        remote.cookies.set(SESSION, "chosen-by-somebody-else", "senka.example")
        await remote.post("/login", json={"name": "Kenji", "pin": PIN})
        first = remote.cookies[SESSION]
        assert first != "chosen-by-somebody-else"
        await remote.post("/login", json={"name": "boss", "password": PASSWORD})
        assert remote.cookies[SESSION] != first
    with engine_of(running).connect() as connection:
        assert len(connection.execute(select(table.c.id)).all()) == 1  # the one before is ended


async def test_another_site_cannot_log_anybody_in(running: Running) -> None:
    fields = {"name": "Kenji", "pin": PIN}
    async with client(running) as remote:
        for token in ({}, {"csrf_token": ""}, {"csrf_token": "x"}):
            answer = await remote.post("/login", data=fields | token)
            assert answer.status_code == 403
            assert "too old" in answer.text
        own = await form_token(remote)
        async with client(running) as another:
            await another.get("/login")
            assert (await another.post("/login", data={**fields, "csrf_token": own})).status_code == 403
        cross = {"Sec-Fetch-Site": "cross-site"}
        assert (await remote.post("/login", json=fields, headers=cross)).status_code == 403
        assert (await remote.post("/login", data={**fields, "csrf_token": own}, headers=cross)).status_code == 403
        plain = await remote.post("/login", content=json.dumps(fields), headers={"Content-Type": "text/plain"})
        assert plain.status_code == 422
        assert SESSION not in remote.cookies


async def test_wrong_tries_have_to_wait_and_the_right_one_too(running: Running) -> None:
    async with client(running) as remote:
        for _ in range(FREE_BY_NAME):
            assert (await remote.post("/login", json={"name": "Kenji", "pin": "0000"})).status_code == 401
        answer = await remote.post("/login", json={"name": "Kenji", "pin": PIN})
        assert (answer.status_code, answer.json()["code"]) == (429, "login_throttled")
        assert int(answer.headers["retry-after"]) >= 1
        page = await send_form(remote, name="Kenji", pin=PIN)
        assert page.status_code == 429
        assert "data-seconds=" in page.text
        assert int(page.headers["retry-after"]) >= 1
        assert (await remote.post("/login", json={"name": "boss", "password": PASSWORD})).status_code == 200


async def test_unknown_names_wait_and_cost_a_hash_as_known_ones_do(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    verify = type(passwords.HASHER).verify

    def counted(hasher: Any, kept: Any, secret: Any) -> bool:
        asked.append(True)
        return verify(QUICK, kept, secret)

    monkeypatch.setattr(type(passwords.HASHER), "verify", counted)
    async with client(running) as remote:
        for number in range(FREE_BY_ADDRESS):
            await remote.post("/login", json={"name": f"guess {number}", "password": PASSWORD})
        assert len(asked) == FREE_BY_ADDRESS
        answer = await remote.post("/login", json={"name": "another", "password": PASSWORD})
        assert answer.status_code == 429
        assert len(asked) == FREE_BY_ADDRESS
    with engine_of(running).connect() as connection:
        assert len(connection.execute(select(login_failures)).all()) == FREE_BY_ADDRESS


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{", b"[]", b"7", b"null", b'{"name": "Kenji"}', b'{"name": "", "pin": "4711"}', b'{"pin": "4711"}',
        b'{"name": 7, "pin": "4711"}', b'{"name": "Kenji", "pin": 4711}', b'{"name": "Kenji", "password": ["hunter2"]}',
        b'{"name": "\\ud800", "pin": "4711"}', b'{"name": "a\\u0000b", "pin": "4711"}', b"[" * 5000,
    ],
)  # fmt: skip
async def test_what_is_no_login_is_422_and_repeats_nothing(running: Running, body: bytes) -> None:
    async with client(running) as remote:
        answer = await remote.post("/login", content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert "4711" not in answer.text
    assert "hunter2" not in answer.text


async def test_strange_forms_are_refused(running: Running) -> None:
    async with client(running) as remote:
        assert (await remote.post("/login", content=b"x" * (MAX_FORM_BYTES + 1))).status_code == 413
        assert (await send_form(remote, name="Kenji")).status_code == 422
        many = "&".join(f"a{n}=1" for n in range(100))
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        assert (await remote.post("/login", content=many, headers=kind)).status_code == 422
        assert (await remote.post("/login", files={"name": b"Kenji"})).status_code == 422


@pytest.mark.parametrize(
    ("wanted", "taken"),
    [
        ("/", "/"),
        ("/explain?grading=1#x", "/explain?grading=1#x"),
        ("/a//b", "/a//b"),
        ("", "/"),
        ("explain", "/"),
        ("//evil.example", "/"),
        ("///evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/x\\y", "/"),
        ("https://evil.example", "/"),
        ("javascript:alert(1)", "/"),
        ("/x\r\nSet-Cookie: a=b", "/"),
        ("/\t/evil.example", "/"),
        (" /x", "/"),
    ],
)
def test_after_the_login_nobody_is_led_away(wanted: str, taken: str) -> None:
    assert local_path(wanted) == taken


async def test_what_was_typed_is_text_on_the_page(running: Running) -> None:
    async with client(running) as remote:
        page = await send_form(remote, name='"><script>alert(1)</script>', password="wrong password", next='/"><b>')
    assert "<script>alert" not in page.text
    assert "<b>" not in page.text


async def test_under_https_the_cookies_stay_there(running: Running) -> None:
    async with client(running, "https://senka.example") as remote:
        answer = await send_form(remote, name="Kenji", pin=PIN)
        assert answer.status_code == 303
        for line in answer.headers.get_list("set-cookie"):
            assert line.startswith("__Host-senka_")
            assert {"Secure", "Path=/"} <= set(line.split("; "))
        assert (await remote.get("/v1/session")).json()["name"] == "Kenji"
        assert f"__Host-{LOGIN}" in remote.cookies


async def test_without_records_nobody_can_log_in(service: Service) -> None:
    async with service(records="off") as running, client(running) as remote:
        assert (await remote.post("/login", json={"name": "Kenji", "pin": PIN})).json()["code"] == "records_off"
        assert (await send_form(remote, name="Kenji", pin=PIN)).status_code == 409
        assert (await remote.post("/logout")).status_code == 204


async def test_the_page_is_kept_by_no_cache_and_speaks_both_languages(running: Running) -> None:
    async with client(running) as remote:
        page = await remote.get("/login?next=//evil.example")
        japanese = await remote.get("/login", headers={"Accept-Language": "ja"})
    assert page.headers["cache-control"] == "no-store"
    assert 'name="next" value="/"' in page.text
    assert ">Log in</span>" in page.text
    assert ">ログイン</span>" in japanese.text
    assert "Kenji" not in page.text  # strangers learn of no name
