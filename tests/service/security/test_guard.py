"""The guard: who sits at this machine, what credentials are worth, and what a refusal says."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx2
import pytest
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from service.records.tables import sessions as table
from service.security.cookies import CSRF, SESSION
from service.security.principal import Role
from service.security.sessions import ROTATE_AFTER, Session
from service.security.users import Users
from tests.service.pictures import picture
from tests.service.running import Running
from tests.service.security.conftest import QUICK

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("champion")]

Service = Callable[..., AbstractAsyncContextManager[Running]]
REMOTE: Final = ("198.51.100.7", 4711)


def client(running: Running, address: tuple[str, int] = REMOTE, base_url: str = "http://senka.example") -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(running.app, client=address), base_url=base_url)


def log_in(running: Running, role: Role = Role.OPERATOR) -> Session:
    credentials = running.context.door.credentials
    assert credentials is not None
    user = Users(credentials.engine, QUICK).add(f"a {role}", role, password="green and straight", by="test")
    return credentials.sessions.open(user.id)


def cookie(session: Session) -> dict[str, str]:
    return {"Cookie": f"{SESSION}={session.new_token}"}


def new_key(running: Running, camera: str | None = None) -> dict[str, str]:
    credentials = running.context.door.credentials
    assert credentials is not None
    return {"Authorization": f"Bearer {credentials.keys.add('line 1', camera, by='test')[1]}"}


# --- this machine ---


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Host": "localhost:8000"},
        {"Host": "[::1]:8000"},
        {"Origin": "http://127.0.0.1:8000", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},  # a link followed
        {"X-Forwarded-For": "127.0.0.1, ::1", "X-Forwarded-Host": "localhost:8000"},
        {"Forwarded": "for=127.0.0.1;host=localhost;proto=http"},
        {"X-Real-IP": "127.0.0.1"},
        {"Cookie": f"{SESSION}=of-a-session-that-ran-out"},
        {"Authorization": "Basic dGVzdDp0ZXN0"},  # for a proxy in front of us
    ],
)
async def test_whoever_sits_at_this_machine_needs_no_credentials(service: Service, headers: dict[str, str]) -> None:
    async with service() as running:
        answer = await running.client.get("/v1/session", headers=headers)
        assert answer.json()["kind"] == "local", answer.text
        assert (await running.client.get("/v1/users", headers=headers)).status_code == 200


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"Host": "evil.example"}, "asked for the host 'evil.example'"),  # a name that was made to point at 127.0.0.1
        ({"Host": "localhost.evil.example"}, "asked for the host"),
        ({"Origin": "https://evil.example"}, "a page of another site"),
        ({"Origin": "null"}, "a page of another site"),
        ({"Sec-Fetch-Site": "cross-site"}, "a page of another site"),
        ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"}, "a page of another site"),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}, "a page of another site"),
        ({"X-Forwarded-For": "127.0.0.1, 198.51.100.7"}, "through a proxy"),
        ({"X-Forwarded-For": "unknown"}, "through a proxy"),
        ({"X-Real-IP": "198.51.100.7"}, "through a proxy"),
        ({"X-Forwarded-Host": "senka.example"}, "through a proxy"),
        ({"Forwarded": 'for="[2001:db8::17]:4711"'}, "through a proxy"),
        ({"Via": "1.1 proxy"}, "through a proxy"),
        ({"Via": ""}, "through a proxy"),
        ({"X-Forwarded-For": ""}, "through a proxy"),
        ({"Forwarded": ""}, "through a proxy"),
        ({"Forwarded": "proto=http"}, "through a proxy"),
        ({"X-Forwarded-Proto": "http"}, "through a proxy"),
        ({"X-Forwarded": "127.0.0.1"}, "through a proxy"),
        ({"X_Forwarded_For": "127.0.0.1"}, "through a proxy"),
        ({"CF-Connecting-IP": "127.0.0.1"}, "through a proxy"),
        ({"X-Client-IP": "127.0.0.1"}, "through a proxy"),
        ({"True-Client-IP": "127.0.0.1"}, "through a proxy"),
        ({"X-Original-Host": "localhost"}, "through a proxy"),
        ({"X-Original-Forwarded-For": "127.0.0.1"}, "through a proxy"),
    ],
)
async def test_what_only_seems_to_come_from_this_machine(service: Service, headers: dict[str, str], said: str) -> None:
    async with service() as running:
        answer = await running.client.get("/v1/gradings", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
        assert said in answer.json()["detail"]
        assert answer.headers["www-authenticate"].startswith("Bearer")
        posted = await running.client.post("/v1/grade", content=picture(1), headers=headers)
        assert posted.status_code == 401


async def test_two_host_headers_are_none(service: Service) -> None:
    async with service() as running:
        both = [("Host", "127.0.0.1"), ("Host", "evil.example")]
        assert (await running.client.get("/v1/gradings", headers=both)).status_code == 401


async def test_a_link_on_another_site_opens_a_page_but_posts_nothing(service: Service) -> None:
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    async with service() as running:
        assert (await running.client.get("/", headers=link)).status_code == 200
        assert (await running.client.post("/v1/explain", headers=link)).status_code == 401


async def test_a_proxy_on_this_machine_leaves_nobody_local(service: Service) -> None:
    async with service(trusted_proxies=("127.0.0.1",)) as running:
        answer = await running.client.get("/v1/gradings")
    assert answer.status_code == 401
    assert "proxy on this machine" in answer.json()["detail"]


async def test_behind_any_proxy_forwarding_headers_are_never_local(service: Service) -> None:
    async with service(trusted_proxies=("10.0.0.5",)) as running:
        assert (await running.client.get("/v1/gradings")).status_code == 200
        forwarded = {"X-Forwarded-For": "127.0.0.1"}
        assert (await running.client.get("/v1/gradings", headers=forwarded)).status_code == 401


async def test_required_asks_this_machine_too_and_off_asks_nobody(service: Service) -> None:
    async with service(auth="required") as running:
        assert (await running.client.get("/v1/gradings")).status_code == 401
        assert (await running.client.get("/health/live")).status_code == 200
        assert (await running.client.post("/v1/grade", content=picture(1), headers=new_key(running))).status_code == 200
    async with service(auth="off") as running, client(running, base_url="http://198.51.100.1:8000") as remote:
        assert (await remote.get("/v1/users")).status_code == 200
        assert (await remote.get("/v1/session")).json()["kind"] == "local"
        for forged in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Origin": ""}):
            assert (await remote.post("/v1/explain", headers=forged)).status_code == 403
        own = {"Origin": "http://198.51.100.1:8000"}
        assert (await remote.post("/v1/grade", content=picture(1), headers=own)).status_code == 200
        answer = await remote.get("/v1/users", headers={"Host": "evil.example"})  # made to point here
        assert (answer.status_code, answer.json()["code"]) == (421, "host_not_trusted")
        assert (await remote.get("/v1/users", headers={"Host": f"{socket.gethostname()}:8000"})).status_code == 200
    async with service(auth="off", trusted_hosts=("senka.example",)) as running, client(running) as remote:
        assert (await remote.get("/v1/users")).status_code == 200


async def test_without_records_there_are_no_credentials(service: Service) -> None:
    async with service(records="off") as running, client(running) as remote:
        assert (await running.client.get("/v1/gradings")).status_code == 200
        assert (await remote.get("/v1/gradings")).status_code == 401
        bearer = {"Authorization": f"Bearer senka_00000000_{'a' * 43}"}
        assert (await running.client.get("/v1/gradings", headers=bearer)).status_code == 401


# --- keys ---


async def test_a_wrong_key_is_refused_on_this_machine_too(service: Service) -> None:
    async with service() as running:
        for bearer in ("x", f"senka_00000000_{'a' * 43}", ""):
            answer = await running.client.post("/v1/grade", content=picture(1), headers={"Authorization": f"Bearer {bearer}"})
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
        key = new_key(running)["Authorization"]
        twice = [("Authorization", key), ("Authorization", key)]
        assert (await running.client.post("/v1/grade", content=picture(1), headers=twice)).status_code == 401
        lower = {"Authorization": key.replace("Bearer", "bearer")}
        assert (await running.client.post("/v1/grade", content=picture(1), headers=lower)).status_code == 200


async def test_a_key_that_may_be_new_is_told_to_come_again_while_the_database_is_away(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with service() as running, client(running) as remote:
        good = new_key(running)
        credentials = running.context.door.credentials
        assert credentials is not None
        keys = credentials.keys

        def away() -> None:
            raise OperationalError("SELECT", {}, Exception("connection refused"))

        monkeypatch.setattr("service.security.keys.REFRESH_ON_MISS_S", 0.0)
        monkeypatch.setattr(keys, "_read", away)
        unknown = {"Authorization": f"Bearer senka_00000000_{'a' * 43}"}
        answer = await remote.post("/v1/grade", content=picture(1), headers=unknown)
        assert (answer.status_code, answer.json()["code"]) == (503, "records_unavailable")
        assert answer.headers["retry-after"] == "1"
        assert "not known yet" in answer.json()["detail"]
        assert (await remote.post("/v1/grade", content=picture(1), headers=good)).status_code == 200
        for wrong in ("x", good["Authorization"][7:-1], good["Authorization"][7:22] + "a" * 43):
            answer = await remote.post("/v1/grade", content=picture(1), headers={"Authorization": f"Bearer {wrong}"})
            assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")


async def test_a_key_for_one_camera_speaks_for_that_one(service: Service) -> None:
    async with service() as running, client(running) as remote:
        headers = new_key(running, "line 1, top & side")

        async def grade(query: str) -> Any:
            return await remote.post(f"/v1/grade{query}", content=picture(1), headers=headers)

        own = "camera=line+1%2C+top+%26+side"
        unbound = (f"?{own}&camera=", f"?camera=&{own}", f"?{own}&{own}", f"?{own}&%63amera=")
        for query in ("", "?line=7", "?camera=", "?line=7&camera=line+1%2C+top+%26+side", *unbound):
            answer = await grade(query)
            assert answer.json().get("camera") == "line 1, top & side", answer.text
            assert answer.json()["line"] == ("7" if "line" in query.replace("camera=line", "") else None)
        for query in ("?camera=line2", "?camera=line2&camera=line+1%2C+top+%26+side", "?%63amera=line2"):
            answer = await grade(query)
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        free = await remote.post("/v1/grade?camera=line2", content=picture(1), headers=new_key(running))
        assert free.json()["camera"] == "line2"


async def test_a_camera_that_is_too_fast_is_told_when_to_come_again(service: Service) -> None:
    async with service(rate_per_s=0.5) as running, client(running) as remote:
        first, second = new_key(running), new_key(running)
        assert (await remote.post("/v1/grade", content=picture(1), headers=first)).status_code == 200
        answer = await remote.post("/v1/grade?camera=another", content=picture(1), headers=first)
        assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (429, "rate_limited", "2")
        assert (await remote.post("/v1/grade", content=picture(1), headers=second)).status_code == 200
        assert (await remote.get("/v2", headers=first)).status_code == 200  # what costs no grading is free
        for camera in ("a", "b"):
            assert (await running.client.post(f"/v1/grade?camera={camera}", content=picture(1))).status_code == 200
        assert (await running.client.post("/v1/grade?camera=a", content=picture(1))).status_code == 429


async def test_a_person_is_one_sender_whatever_the_camera_is_called(service: Service) -> None:
    async with service(rate_per_s=0.01) as running, client(running) as remote:
        session = log_in(running)
        headers = cookie(session) | {"X-CSRF-Token": session.csrf_token}
        assert (await remote.post("/v1/grade?camera=a", content=picture(1), headers=headers)).status_code == 200
        assert (await remote.post("/v1/grade?camera=b", content=picture(1), headers=headers)).status_code == 429


# --- sessions ---


async def test_who_was_shut_out_elsewhere_changes_and_manages_nothing_from_then_on(service: Service) -> None:
    async with service() as running, client(running) as remote:
        session = log_in(running, Role.ADMIN)
        headers = cookie(session) | {"X-CSRF-Token": session.csrf_token}
        assert (await remote.get("/v1/users", headers=headers)).status_code == 200
        credentials = running.context.door.credentials
        assert credentials is not None
        another_process = Users(credentials.engine, QUICK)
        another_process.disable(session.user, by="test", keep_an_admin=False)
        assert credentials.sessions.known(str(session.new_token)) is not None
        assert (await remote.get("/v1/users", headers=headers)).status_code == 401
        assert (await remote.post("/v1/grade", content=picture(1), headers=headers)).status_code == 401


async def test_who_is_shut_out_here_sees_nothing_from_then_on(service: Service) -> None:
    async with service() as running, client(running) as remote:
        session = log_in(running, Role.VIEWER)
        assert (await remote.get("/v1/gradings", headers=cookie(session))).status_code == 200
        assert (await running.client.patch(f"/v1/users/{session.user}", json={"disabled": True})).status_code == 200
        assert (await remote.get("/v1/gradings", headers=cookie(session))).status_code == 401


@pytest.mark.parametrize("how", ["disabled", "logged out", "run out"])
async def test_a_stream_ends_with_its_session(service: Service, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.api.events.CHECK_EVERY_S", 0.05)
    async with service() as running, client(running) as remote:
        session = log_in(running, Role.VIEWER)
        credentials = running.context.door.credentials
        assert credentials is not None
        stream = asyncio.create_task(remote.get("/v1/events", headers=cookie(session)))
        assert not (await asyncio.wait({stream}, timeout=0.5))[0]
        if how == "disabled":
            Users(credentials.engine, QUICK).disable(session.user, by="test")
        elif how == "logged out":
            credentials.sessions.close(session.id)
        else:
            with credentials.engine.begin() as connection:
                connection.execute(update(table).values(expires_at=datetime.now(UTC)))
        answer = await asyncio.wait_for(stream, 10)
    assert answer.status_code == 200
    assert answer.text.startswith("retry: ")


async def test_what_a_session_changes_needs_its_token(service: Service) -> None:
    async with service() as running, client(running) as remote:
        session, other = log_in(running), log_in(running, Role.ADMIN)
        assert (await remote.get("/v1/gradings", headers=cookie(session))).status_code == 200
        for given in ({}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": "x"}, {"X-CSRF-Token": other.csrf_token}):
            answer = await remote.post("/v1/grade", content=picture(1), headers=cookie(session) | given)
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
        told = (await remote.get("/v1/session", headers=cookie(session))).json()
        assert (told["kind"], told["name"], told["role"]) == ("user", "a operator", "operator")
        right = cookie(session) | {"X-CSRF-Token": told["csrf_token"]}
        assert (await remote.post("/v1/grade", content=picture(1), headers=right)).status_code == 200


async def test_somebody_who_logged_in_at_this_machine_is_that_person(service: Service) -> None:
    async with service() as running:
        viewer = log_in(running, Role.VIEWER)
        answer = await running.client.get("/v1/users", headers=cookie(viewer))
        assert (answer.status_code, answer.json()["role"], answer.json()["valid"]) == (403, "viewer", ["admin"])


async def test_a_token_that_grew_old_is_changed_on_the_way(service: Service) -> None:
    async with service() as running, client(running) as remote:
        credentials = running.context.door.credentials
        assert credentials is not None
        session = log_in(running)
        old = datetime.now(UTC) - ROTATE_AFTER - timedelta(seconds=1)
        with credentials.engine.begin() as connection:
            connection.execute(update(table).values(rotated_at=old, seen_at=datetime.now(UTC)))
        answer = await remote.get("/v1/stats", headers=cookie(session))
        set_cookies = answer.headers.get_list("set-cookie")
        assert len(set_cookies) == 2
        ours = next(line for line in set_cookies if line.startswith(f"{SESSION}="))
        assert {"HttpOnly", "Path=/", "SameSite=Lax"} <= set(ours.split("; "))
        new = ours.partition(";")[0]
        assert new != f"{SESSION}={session.new_token}"
        readable = next(line for line in set_cookies if line.startswith(f"{CSRF}="))
        assert readable.startswith(f"{CSRF}={session.csrf_token};")
        assert "HttpOnly" not in readable
        remote.cookies.clear()
        assert (await remote.get("/v1/stats", headers={"Cookie": new})).headers.get_list("set-cookie") == []


async def test_under_https_only_the_protected_cookie_counts(service: Service) -> None:
    async with service() as running, client(running, base_url="https://senka.example") as remote:
        session = log_in(running)
        assert (await remote.get("/v1/stats", headers=cookie(session))).status_code == 401
        protected = {"Cookie": f"__Host-{SESSION}={session.new_token}"}
        answer = await remote.get("/v1/stats", headers=protected)
        assert answer.status_code == 200
        assert answer.headers["strict-transport-security"] == "max-age=31536000"


# --- refusals ---


async def test_a_browser_is_shown_to_the_login(service: Service) -> None:
    async with service() as running, client(running) as remote:
        page = {"Accept": "text/html,*/*"}
        answer = await remote.get("/explain?grading=a%26b", headers=page)
        assert answer.status_code == 303
        assert answer.headers["location"] == "/login?next=/explain%3Fgrading%3Da%2526b"
        assert (await remote.get("/login", headers=page)).status_code == 200
        assert (await remote.get("/explain")).status_code == 401
        assert (await remote.post("/v1/explain", headers=page)).status_code == 401


async def test_a_name_that_is_not_ours_is_refused(service: Service) -> None:
    async with service(trusted_hosts=("senka.example",)) as running, client(running) as remote:
        assert (await remote.get("/login")).status_code == 200
        elsewhere = {"Host": "evil.example"}
        for path in ("/login", "/v1/session", "/nothing"):
            answer = await remote.get(path, headers=elsewhere)
            assert (answer.status_code, answer.json()["code"]) == (421, "host_not_trusted")
        assert (await remote.get("/health/ready", headers=elsewhere)).status_code == 200  # by a probe, under an address
        assert (await running.client.get("/v1/gradings")).status_code == 200


async def test_a_service_without_an_address_for_its_client_trusts_nobody(service: Service) -> None:
    async with service() as running:
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http", "method": "GET", "path": "/v1/gradings", "raw_path": b"/v1/gradings", "query_string": b"",
            "headers": [(b"host", b"127.0.0.1")], "http_version": "1.1", "scheme": "http", "server": None, "root_path": "",
        }  # fmt: skip
        await running.app({**scope, "client": None}, receive, send)
        await running.app({**scope, "client": ("127.0.0.1", 1), "http_version": "1.0"}, receive, send)
        await running.app({**scope, "client": ("127.0.0.1", 1)}, receive, send)
    assert [message["status"] for message in sent if message["type"] == "http.response.start"] == [401, 401, 200]


async def test_under_a_proxys_prefix_the_policy_is_the_same(service: Service) -> None:
    async with service() as running:
        transport = httpx2.ASGITransport(running.app, client=REMOTE, root_path="/farm")
        async with httpx2.AsyncClient(transport=transport, base_url="http://senka.example") as remote:
            assert (await remote.get("/farm/v1/gradings")).status_code == 401
            assert (await remote.get("/farm/health/live")).status_code == 200
            answer = await remote.get("/farm/learn", headers={"Accept": "text/html"})
            assert answer.headers["location"] == "/farm/login?next=/learn"
            answer = await remote.get("/farm/v1/gradings", headers=cookie(log_in(running)))
            assert answer.status_code == 200


async def test_no_web_socket_gets_in(service: Service) -> None:
    async with service() as running:
        sent: list[Any] = []

        async def receive() -> Any:
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "websocket", "path": "/v1/events", "headers": [], "client": ("127.0.0.1", 1), "query_string": b""}
        await running.app(scope, receive, send)
    assert [message["type"] for message in sent] == ["websocket.close"]
