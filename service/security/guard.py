"""The guard at the door: ASGI middleware that knows who asks, and lets through what the policy allows.

In the way of every photograph, so it reads the headers once and asks a database only about a session or key that it has not
met in the last seconds.
"""

import asyncio
import math
from functools import lru_cache
from typing import Any, Final
from urllib.parse import parse_qs, quote, unquote_plus

from starlette._utils import get_route_path
from starlette.responses import RedirectResponse, Response
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from models.errors import SenkaError
from service.errors import STATUS, Forbidden, HostNotTrusted, RateLimited, Unauthenticated, problem
from service.security import cookies, csrf
from service.security.door import Door
from service.security.hosts import host_of, is_loopback
from service.security.local import why_not_local
from service.security.policy import ADMINISTER, PROBES, Access, access_to
from service.security.principal import Principal, Role
from service.security.sessions import Session

Asked = dict[bytes, bytes]
"""The headers that decide something; one that came twice has both values, which is no valid value of either."""

_READ: Final = frozenset(
    {
        *(b"host", b"authorization", b"cookie", b"origin", b"accept", csrf.HEADER),
        *(b"sec-fetch-site", b"sec-fetch-mode", b"sec-fetch-dest"),
        *(b"x-forwarded-for", b"x-forwarded-host", b"x-real-ip", b"forwarded"),
    }
)
_BEARER: Final = b"bearer "

REFUSALS: Final = {
    401: "No credentials, or wrong ones.",
    403: "Not for this role, or without the session's X-CSRF-Token.",
    421: "This service is not called that.",
    429: "Too many, too fast; Retry-After says how long to wait.",
    503: "The records do not answer, so nobody is recognised and nothing is kept; Retry-After says when to ask again.",
}
"""What the guard answers in place of any route: status -> why."""


class Guard:
    """Puts the Principal, and the Session of somebody who logged in, into the request's state, or answers 401, 403, 421, 429
    or 503 itself."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await WebSocketClose(1008)(scope, receive, send)  # there is none, and none is to be forgotten here later
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        door: Door = scope["app"].state.context.door
        asked = _asked(scope)
        try:
            session = await _admit(door, scope, asked)
        except SenkaError as error:
            await _refusal(error, scope, asked)(scope, receive, send)
            return
        if session is not None and session.new_token:
            send = _with_cookies(send, cookies.of_session(session, scope["scheme"] == "https"))
        await self.app(scope, receive, send)


async def _admit(door: Door, scope: Scope, asked: Asked) -> Session | None:
    """Note who asks, or raise why they may not. Returns the session of somebody who logged in."""
    path = get_route_path(scope) if scope.get("root_path") else scope["path"]
    client = scope.get("client")
    address: str = client[0] if client else ""
    if not door.hosts.any and path not in PROBES:
        _require_our_name(door, asked, address)
    access = access_to(scope["method"], path)
    state = scope.setdefault("state", {})
    if access is not None and not access.asks:
        state["principal"], state["session"] = _nobody(address), None
        return None
    who, session = state["principal"], state["session"] = await _who(door, scope, asked, address, access)
    if access is None:
        _refuse_unlisted(scope, who, door, asked)
        return session
    if not access.allows(who.role):
        raise _not_allowed(who, access, door, scope, asked)
    if scope["method"] not in csrf.SAFE_METHODS:
        _refuse_forged(door, session, access, asked)
    if access.names_camera and who.camera is not None:
        _bind_camera(scope, who.camera)
    if access.posts and door.rate.per_s:
        _limit(door, scope, who)
    return session


async def _who(door: Door, scope: Scope, asked: Asked, address: str, access: Access | None) -> tuple[Principal, Session | None]:
    """Raises Unauthenticated for a key that is wrong, on this machine too: whoever shows one means it. RecordsUnavailable where
    nobody can say whether it is."""
    if door.auth == "off":
        return _local(address), None
    credentials = door.credentials
    authorization = asked.get(b"authorization", b"")
    if authorization[: len(_BEARER)].lower() == _BEARER:  # another scheme is meant for a proxy in front of us
        bearer = authorization[len(_BEARER) :].strip().decode("latin-1")
        key = (
            (credentials.keys.known(bearer) or await asyncio.to_thread(credentials.keys.verify, bearer)) if credentials else None
        )
        if key is None:
            raise Unauthenticated("This key is not known here, or was revoked. `senka keys list` shows those that are good.")
        return Principal("key", key.name, Role.CAMERA, key.id, key.camera, address), None
    if credentials and (token := cookies.session_token(asked.get(b"cookie"), scope["scheme"] == "https")):
        # What a moment ago was so is enough to look at things; who changes them, or manages people, is asked about now
        looks = scope["method"] in ("GET", "HEAD") and access is not None and access != ADMINISTER
        session = credentials.sessions.known(token) if looks else None
        session = session or await asyncio.to_thread(credentials.sessions.find, token)
        if session is not None:
            return Principal("user", session.user, session.role, address=address), session
    if why_not_local(door, scope, asked) is None:
        return _local(address), None
    return _nobody(address), None


def _asked(scope: Scope) -> Asked:
    found: Asked = {}
    for name, value in scope["headers"]:
        if name in _READ:
            before = found.get(name)
            found[name] = value if before is None else before + (b"; " if name == b"cookie" else b", ") + value
    return found


@lru_cache(maxsize=1024)
def _local(address: str) -> Principal:
    return Principal("local", "local", Role.ADMIN, address=address)


@lru_cache(maxsize=1024)
def _nobody(address: str) -> Principal:
    return Principal("nobody", "nobody", None, address=address)


def _require_our_name(door: Door, asked: Asked, address: str) -> None:
    host = host_of(asked.get(b"host", b"").decode("latin-1"))
    if not door.hosts.trusts(host) and not (is_loopback(host) and is_loopback(address)):
        raise HostNotTrusted(host)


def _refuse_unlisted(scope: Scope, who: Principal, door: Door, asked: Asked) -> None:
    """What the policy does not list exists for nobody; to those we know the router may say that there is nothing."""
    if who.role is None:
        raise _not_allowed(who, None, door, scope, asked)
    if any(route.matches(scope)[0] is Match.FULL for route in scope["app"].router.routes):
        raise Forbidden("Nobody may call this: the service's policy does not list it.")


def _not_allowed(who: Principal, access: Access | None, door: Door, scope: Scope, asked: Asked) -> SenkaError:
    if who.role is None:
        reason = why_not_local(door, scope, asked)
        return Unauthenticated(
            "This needs credentials: people log in at /login, cameras send `Authorization: Bearer` and a key from "
            f"`senka keys add NAME`.{f' {reason}' if reason else ''}"
        )
    may = sorted(role.value for role in access.roles) if access else []
    return Forbidden(f"{who.name!r} is {_article(who.role)}; this is for {' or '.join(may)}.", role=who.role.value, valid=may)


def _article(role: Role) -> str:
    return {Role.CAMERA: "a camera's key", Role.VIEWER: "a viewer", Role.OPERATOR: "an operator", Role.ADMIN: "an admin"}[role]


def _refuse_forged(door: Door, session: Session | None, access: Access, asked: Asked) -> None:
    """A request that another site made the browser send: what a browser adds by itself proves nothing about who wanted it."""
    if session is not None and not access.own_csrf:
        if not csrf.matches(session.csrf_token, asked.get(csrf.HEADER, b"").decode("latin-1")):
            raise Forbidden(
                "The header X-CSRF-Token must be the session's own, which GET /v1/session tells. Load the page again."
            )
    elif door.auth == "off" and csrf.from_elsewhere(asked):
        raise Forbidden("Another site made the browser send this.")


def _bind_camera(scope: Scope, camera: str) -> None:
    """A key made for one camera speaks for that one, and need not name it."""
    query: bytes = scope["query_string"]
    named = parse_qs(query.decode("latin-1"), keep_blank_values=True).get("camera", [])
    if any(name not in ("", camera) for name in named):
        raise Forbidden(f"This key is for the camera {camera!r}, not for {named[-1][:100]!r}.", camera=camera)
    if named != [camera]:
        kept = b"&".join(part for part in query.split(b"&") if part and not _is_camera(part))
        scope["query_string"] = kept + (b"&" if kept else b"") + b"camera=" + quote(camera, safe="").encode()


def _is_camera(part: bytes) -> bool:
    return unquote_plus(part.partition(b"=")[0].decode("latin-1")) == "camera"


def _limit(door: Door, scope: Scope, who: Principal) -> None:
    named = parse_qs(scope["query_string"].decode("latin-1")).get("camera", [""])[-1]
    sender = who.key_id or (f"user {who.name}" if who.kind == "user" else f"{who.address} {named[:100]}")
    wait_s = door.rate.wait_s(sender)
    if wait_s:
        raise RateLimited(door.rate.per_s, math.ceil(wait_s))


def _refusal(error: SenkaError, scope: Scope, asked: Asked) -> Response:
    """A problem document; a browser that wants a page is shown the way to the login instead."""
    if isinstance(error, Unauthenticated) and scope["method"] == "GET" and b"text/html" in asked.get(b"accept", b""):
        query = scope["query_string"].decode("latin-1")
        wanted = get_route_path(scope) + (f"?{query}" if query else "")
        root = str(scope.get("root_path", "")).rstrip("/")
        return RedirectResponse(f"{root}/login?next={quote(wanted, safe='/')}", 303, {"Cache-Control": "no-store"})
    return problem(STATUS.get(error.code, 500), error.code, str(error), **error.facts)


def _with_cookies(send: Send, lines: list[str]) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            added: list[Any] = [(b"set-cookie", line.encode("latin-1")) for line in lines]
            message["headers"] = [*message.get("headers", ()), *added]
        await send(message)

    return sent
