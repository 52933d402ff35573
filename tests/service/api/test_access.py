"""Every route of the service, asked by everybody there is: who gets in is written down here once more, by hand."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

import pytest
from fastapi.routing import iter_route_contexts
from starlette.routing import Mount

from service.app import PlainStartupErrors, create_app
from service.metrics import CountRequests
from service.security.cookies import SESSION
from service.security.guard import Guard
from service.security.headers import SafetyHeaders
from service.security.policy import POLICY, access_to, template_of
from service.security.principal import Role
from service.security.users import Users
from service.settings import Settings
from tests.service.running import Running
from tests.service.security.conftest import QUICK

pytestmark = pytest.mark.anyio

Service = Callable[..., AbstractAsyncContextManager[Running]]

REMOTE: Final = "198.51.100.7"
CALLERS: Final = ("nobody", "wrong key", "revoked key", "camera", "viewer", "operator", "admin", "local")
IN: Final = "in"

WHO_GETS_IN: Final[dict[str, tuple[int | str, ...]]] = {
    # as in CALLERS: the status, or "in"
    "public": (IN, IN, IN, IN, IN, IN, IN, IN),
    "anybody": (IN, 401, 401, IN, IN, IN, IN, IN),
    "cameras": (401, 401, 401, IN, 403, IN, IN, IN),
    "credential": (401, 401, 401, IN, IN, IN, IN, IN),
    "look": (401, 401, 401, 403, IN, IN, IN, IN),
    "operate": (401, 401, 401, 403, 403, IN, IN, IN),
    "administer": (401, 401, 401, 403, 403, 403, IN, IN),
}

ROUTES: Final = """
GET    /health/live                                  public
GET    /health/ready                                 public
GET    /v2/health/live                               public
GET    /v2/health/ready                              public
GET    /static/{path:path}                           public
GET    /login                                        anybody
POST   /login                                        anybody
POST   /logout                                       anybody
GET    /v1/session                                   anybody
POST   /v1/grade                                     cameras
POST   /v1/frames                                    cameras
POST   /v2/models/{name}/infer                       cameras
POST   /v2/models/{name}/versions/{number}/infer     cameras
GET    /v2                                           credential
GET    /v2/models/{name}                             credential
GET    /v2/models/{name}/ready                       credential
GET    /v2/models/{name}/versions/{number}           credential
GET    /v2/models/{name}/versions/{number}/ready     credential
GET    /metrics                                      credential
GET    /openapi.json                                 credential
GET    /words/{language}/{domain}                    public
GET    /                                             look
GET    /review                                       look
GET    /gradings                                     look
GET    /gradings/{grading_id}                        look
GET    /lots                                         look
GET    /models                                       look
GET    /settings                                     look
GET    /explain                                      look
GET    /explain/layers                               look
GET    /explain/channels                             look
GET    /explain/trust                                look
GET    /learn                                        look
GET    /learn/lenet                                  look
GET    /learn/pooling                                look
GET    /learn/errors                                 look
GET    /learn/architectures                          look
GET    /learn/one-by-one                             look
GET    /learn/inception                              look
GET    /learn/fft                                    look
GET    /v1/gradings                                  look
GET    /v1/gradings/{grading_id}                     look
GET    /v1/gradings/{grading_id}/image               look
GET    /v1/gradings/{grading_id}/similar             look
GET    /v1/review                                    look
POST   /v1/review/claims                             operate
DELETE /v1/review/claims/{reviewer}                  operate
GET    /v1/stats                                     look
GET    /v1/activity                                  look
GET    /v1/report                                    look
GET    /v1/farm                                      look
PATCH  /v1/farm                                      administer
GET    /v1/events                                    look
GET    /v1/models                                    look
GET    /v1/models/shadow                             look
GET    /v1/models/{version}                          look
POST   /v1/models/{version}/promote                  administer
POST   /v1/models/rollback                           administer
GET    /v1/profiles                                  look
GET    /v1/profiles/{version}                        look
GET    /v1/explain/methods                           look
GET    /v1/explain/architectures                     look
GET    /v1/explain/why/{grading_id}                  look
GET    /v1/explain/gallery                           look
GET    /v1/explain/gallery/{path:path}               look
POST   /v1/explain                                   look
GET    /v1/corrections                               look
GET    /v1/corrections/{correction_id}               look
POST   /v1/corrections                               operate
DELETE /v1/corrections/{correction_id}               operate
GET    /v1/lots                                      look
GET    /v1/lots/{name}                               look
POST   /v1/lots                                      operate
PATCH  /v1/lots/{name}                               operate
DELETE /v1/lots/{name}                               operate
POST   /v1/lots/{name}/reassign                      operate
GET    /v1/lines                                     look
GET    /v1/lines/{name}                              look
POST   /v1/lines                                     operate
PATCH  /v1/lines/{name}                              operate
DELETE /v1/lines/{name}                              operate
GET    /v1/growers                                   look
GET    /v1/growers/{name}                            look
POST   /v1/growers                                   operate
PATCH  /v1/growers/{name}                            operate
DELETE /v1/growers/{name}                            operate
GET    /v1/cameras                                   look
GET    /v1/cameras/{name}                            look
POST   /v1/cameras                                   operate
PATCH  /v1/cameras/{name}                            operate
DELETE /v1/cameras/{name}                            operate
GET    /v1/alarms                                    look
GET    /v1/alarms/{alarm_id}                         look
POST   /v1/alarms/{alarm_id}/acknowledge             operate
GET    /v1/batches                                   look
GET    /v1/batches/{batch_id}                        look
POST   /v1/batches                                   operate
GET    /v1/retrainings                               look
GET    /v1/retrainings/{retraining_id}               look
GET    /v1/retrainings/{retraining_id}/intake        look
GET    /v1/retrainings/{retraining_id}/gate          look
GET    /v1/retrainings/{retraining_id}/log           look
POST   /v1/retrainings                               administer
POST   /v1/retrainings/{retraining_id}/cancel        administer
POST   /v1/retrainings/{retraining_id}/resume        administer
GET    /v1/export                                    operate
GET    /v1/audit                                     administer
GET    /v1/users                                     administer
GET    /v1/users/{name}                              administer
POST   /v1/users                                     administer
PATCH  /v1/users/{name}                              administer
GET    /v1/settings                                  administer
GET    /v1/keys                                      administer
GET    /v1/keys/{prefix}                             administer
POST   /v1/keys                                      administer
PATCH  /v1/keys/{prefix}                             administer
DELETE /v1/keys/{prefix}                             administer
"""
TABLE: Final = [
    (method, template, WHO_GETS_IN[who]) for method, template, who in (line.split() for line in ROUTES.split("\n") if line)
]


def routes_of(app: Any) -> Iterator[tuple[str, str]]:
    """(method, template) of every route there is, mounts as the one route that they are."""
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        if isinstance(route, Mount):
            yield "GET", f"{route.path}/{{path:path}}"
            continue
        for method in context.methods or ():
            if method != "HEAD":
                yield method, str(context.path)


def filled(template: str) -> str:
    parts = [("x" if part.startswith("{") else part) for part in template.split("/")]
    return "/".join(parts)


def test_every_route_there_is_stands_in_the_policy_and_in_this_table() -> None:
    there = set(routes_of(create_app(Settings())))
    assert len(there) > 40
    assert there <= set(POLICY)
    assert {(method, template) for method, template, _ in TABLE} == set(POLICY)


def test_the_policy_decides_about_the_route_that_the_router_takes() -> None:
    for method, template, _ in TABLE:
        for value in ("x", "a b", "..", "%2e", "rollback", "why"):
            path = "/".join(value if part.startswith("{") else part for part in template.split("/"))
            found = template_of(method, path)
            assert found is not None
            assert POLICY[method, found] == POLICY[method, template], path
    assert access_to("GET", "/v1/gradings/") is None
    assert access_to("GET", "//v1/gradings") is None
    assert access_to("get", "/v1/gradings") is None
    assert access_to("GET", "/v1/users\n") is None


async def status_of(app: Any, method: str, path: str, address: str, **headers: str) -> int:
    """One request straight to the application. What answers without end is hung up on once it has begun."""
    loop = asyncio.get_running_loop()
    answered: asyncio.Future[int] = loop.create_future()
    body = iter([{"type": "http.request", "body": b"{}", "more_body": False}])

    async def receive() -> Any:
        message = next(body, None)
        if message is None:
            await asyncio.sleep(3600)
        return message

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start" and not answered.done():
            answered.set_result(message["status"])

    host = "127.0.0.1" if address == "127.0.0.1" else "senka.example"
    names = {
        "host": host,
        "content-type": "application/json",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http", "method": method, "path": path,
        "raw_path": path.encode(), "query_string": b"", "root_path": "", "server": (host, 80), "client": (address, 4711),
        "headers": [(name.encode(), value.encode()) for name, value in names.items()],
    }  # fmt: skip
    task = asyncio.ensure_future(app(scope, receive, send))
    await asyncio.wait([task, answered], return_when=asyncio.FIRST_COMPLETED)
    if path == "/v1/events" and answered.done() and answered.result() == 200:
        task.cancel()
        await asyncio.wait([task])
    else:
        await task
    return answered.result()


@pytest.mark.usefixtures("champion")
async def test_everybody_at_every_door(service: Service) -> None:
    async with service(explain_workers=0) as running:
        credentials = running.context.door.credentials
        assert credentials is not None
        users = Users(credentials.engine, QUICK)
        people = {
            role.value: users.add(role.value, role, password="green and straight", by="test").id
            for role in (Role.VIEWER, Role.OPERATOR, Role.ADMIN)
        }
        _, good = credentials.keys.add("line 1", by="test")
        revoked, bad = credentials.keys.add("line 2", by="test")
        credentials.keys.revoke(revoked.prefix, by="test")
        bearers = {"wrong key": f"senka_00000000_{'a' * 43}", "revoked key": bad, "camera": good}

        wrong: list[str] = []
        for method, template, expected in TABLE:
            for caller, allowed in zip(CALLERS, expected, strict=True):
                headers: dict[str, str] = {}
                if caller in bearers:
                    headers["authorization"] = f"Bearer {bearers[caller]}"
                elif caller in people:
                    session = credentials.sessions.open(people[caller])
                    headers |= {"cookie": f"{SESSION}={session.new_token}", "x_csrf_token": session.csrf_token}
                address = "127.0.0.1" if caller == "local" else REMOTE
                status = await status_of(running.app, method, filled(template), address, **headers)
                # a login with nothing in it is refused for what it says, not for who says it
                inside = status not in (401, 403) and (status < 500 or status == 503)
                if (inside if allowed == IN else status == allowed) is False:
                    wrong.append(f"{method} {template} by {caller}: {status}, not {allowed}")
        assert not wrong, "\n".join(wrong)


@pytest.mark.usefixtures("champion")
async def test_a_route_that_the_policy_forgot_is_for_nobody(service: Service) -> None:
    async with service() as running:
        running.app.add_api_route("/v1/forgotten", lambda: {"secret": 1}, methods=["GET"])
        running.app.add_api_route("/v1/gradings", lambda: {"gone": 1}, methods=["DELETE"])
        for method, path in (("GET", "/v1/forgotten"), ("DELETE", "/v1/gradings")):
            answer = await running.client.request(method, path)
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
            assert await status_of(running.app, method, path, REMOTE) == 401
        assert (await running.client.get("/v1/nothing")).status_code == 404
        assert (await running.client.put("/v1/gradings")).status_code == 405
        assert await status_of(running.app, "GET", "/v1/nothing", REMOTE) == 401  # strangers learn of no route


def test_the_guard_stands_before_every_route() -> None:
    app = create_app(Settings())
    classes = [each.cls for each in app.user_middleware]
    outside = classes[: classes.index(Guard)]  # what sees a request before it is known who asks: these read no body
    assert set(outside) == {PlainStartupErrors, SafetyHeaders, CountRequests}
