"""`/login`, `/logout`, `/v1/session`: people come and go."""

import asyncio
import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal
from urllib.parse import parse_qsl, urlsplit

import anyio.to_thread
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field
from sqlalchemy.exc import InterfaceError, OperationalError
from starlette.responses import RedirectResponse

from models.errors import SenkaError
from service.api.context import Parts, json_response
from service.dashboard.pages import LOGIN
from service.dashboard.routes import Pages
from service.errors import (
    STATUS,
    BodyTooLarge,
    Forbidden,
    InvalidRequest,
    LoginThrottled,
    NotFound,
    RecordsOff,
    RecordsUnavailable,
    Unauthenticated,
)
from service.grading import rfc3339
from service.records.audit import note
from service.schemas import Problem
from service.security import cookies, csrf
from service.security.door import Credentials, Door
from service.security.principal import Role, principal
from service.security.sessions import Session

router = APIRouter(tags=["people"])
pages = Pages()

MAX_FORM_BYTES: Final = 8 * 1024
MAX_WAITING: Final = 32
"""Logins that wait for one of the few that may hash at once."""
_FORM: Final = "application/x-www-form-urlencoded"
_LOCAL_PATH: Final = re.compile(r"/(?![/\\])[^\\\x00-\x20\x7f]*")


class SessionOut(BaseModel):
    """Who asks, as the service sees it."""

    kind: Literal["local", "user", "key", "nobody"] = Field(description="local: sits at the machine itself")
    name: str
    role: Role | None = Field(description="null: nobody, who may log in and nothing else")
    camera: str | None = Field(description="the only camera that this key speaks for")
    csrf_token: str | None = Field(description="goes with every request of a session that changes something, as X-CSRF-Token")
    expires_at: datetime | None


@dataclass(frozen=True, slots=True, repr=False)
class Form:
    """What somebody logs in with. Without a repr: it holds a secret."""

    name: str
    password: str | None
    pin: str | None
    next: str
    csrf_token: str


_FIELDS: Final = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string"},
        "password": {"type": "string", "format": "password"},
        "pin": {"type": "string", "format": "password", "description": "instead of a password"},
        "next": {"type": "string", "description": "a path here that a browser is sent to"},
    },
}
_LOGIN_BODY: Final[dict[str, Any]] = {
    "requestBody": {"required": True, "content": {"application/json": {"schema": _FIELDS}, _FORM: {"schema": _FIELDS}}}
}
_REFUSALS: Final[dict[int | str, dict[str, Any]]] = {
    # a form is answered with the page again, and what was wrong in it
    code: {"model": Problem, "content": {"text/html": {}}}
    for code in (401, 403, 409, 413, 422, 429, 503)
}


@router.get("/login", include_in_schema=False)
async def login_page(request: Request) -> Response:
    """The page to log in with."""
    return _page(request, local_path(request.query_params.get("next", "/")))


@router.post(
    "/login",
    openapi_extra=_LOGIN_BODY,
    responses={200: {"model": SessionOut}, 303: {"description": "A form was right: on to `next`."}, **_REFUSALS},
    response_class=Response,
)
async def login(request: Request, parts: Parts) -> Response:
    """Log in with a name and a password or PIN. JSON is answered with JSON, a form with a page."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await _body(request)
    https = request.url.scheme == "https"
    if kind == "application/json":
        # no page of another site can send this type without our leave, so it needs no token
        return await _logged_in(request, parts.door, _fields(_object(body)), https, as_page=False)
    if kind != _FORM:
        raise InvalidRequest(f"Send the login as application/json or {_FORM}.")
    form = Form("", None, None, "/", "")
    try:
        form = _fields(_pairs(body))
        expected = cookies.read(request.headers.get("cookie", "").encode("latin-1"), cookies.LOGIN, https)
        if not csrf.matches(expected, form.csrf_token):
            raise Forbidden("This form is too old, or the browser keeps no cookies. Try again.")
        return await _logged_in(request, parts.door, form, https, as_page=True)
    except SenkaError as error:
        if error.code not in STATUS:
            raise
        return _page(request, form.next, name=form.name, refused=error)


@router.post(
    "/logout",
    status_code=204,
    responses={
        303: {"description": "To the login page, for a browser."},
        **{code: {"model": Problem} for code in (403, 413, 422, 503)},
    },
    response_class=Response,
)
async def logout(request: Request, parts: Parts) -> Response:
    """End this session. Its token against forgery comes as the header X-CSRF-Token, or as `csrf_token` in a form."""
    session: Session | None = request.state.session
    if _cross_site(request) or (session is None and csrf.from_elsewhere(dict(request.headers.raw))):
        raise Forbidden("Another site made the browser send this.")
    if session is not None and parts.door.credentials:
        given = request.headers.get("x-csrf-token")
        if given is None:
            given = _pairs(await _body(request)).get(csrf.FIELD)
        if not csrf.matches(session.csrf_token, given):
            raise Forbidden("X-CSRF-Token must be the session's own, which GET /v1/session tells.")
        await asyncio.to_thread(parts.door.credentials.sessions.close, session.id)
    response = Response(status_code=204)
    if "text/html" in request.headers.get("accept", ""):
        response = RedirectResponse(f"{_root(request)}/login", 303)
    if session is not None:  # nobody's request ends what somebody else has in this browser
        _add_cookies(response, cookies.forget_session(request.url.scheme == "https"))
    return response


@router.get("/v1/session", responses={200: {"model": SessionOut}}, response_class=Response)
async def session(request: Request) -> Response:
    """Who am I, and what may I do?"""
    who, found = principal(request), request.state.session
    return json_response(
        {
            "kind": who.kind,
            "name": who.name,
            "role": who.role and who.role.value,
            "camera": who.camera,
            "csrf_token": found and found.csrf_token,
            "expires_at": found and rfc3339(found.expires_at),
        }
    )


def local_path(wanted: str) -> str:
    """A path of this service and nothing else; "/" in place of what would lead away from it."""
    if not _LOCAL_PATH.fullmatch(wanted) or urlsplit(wanted).netloc:
        return "/"
    return wanted


async def _logged_in(request: Request, door: Door, form: Form, https: bool, *, as_page: bool) -> Response:
    if door.credentials is None:
        raise RecordsOff("users")
    if _cross_site(request):
        raise Forbidden("Another site made the browser send this.")
    if door.hashing.statistics().tasks_waiting >= MAX_WAITING:
        raise LoginThrottled(2)
    before: Session | None = request.state.session
    address = principal(request).address
    try:
        new = await anyio.to_thread.run_sync(_enter, door.credentials, form, address, before, limiter=door.hashing)
    except (OperationalError, InterfaceError) as error:
        raise RecordsUnavailable("the database does not answer") from error
    response: Response
    if as_page:
        response = RedirectResponse(_root(request) + form.next, 303)
    else:
        facts = {"kind": "user", "name": new.user, "role": new.role.value, "camera": None}
        response = json_response({**facts, "csrf_token": new.csrf_token, "expires_at": rfc3339(new.expires_at)})
    _add_cookies(response, cookies.of_session(new, https))
    return response


def _enter(credentials: Credentials, form: Form, address: str, before: Session | None) -> Session:
    """Runs in a thread: it hashes and asks the database. Raises Unauthenticated, LoginThrottled."""
    attempt = credentials.throttle.begin(form.name, address, pin=form.pin is not None)
    secret = {"pin": form.pin} if form.pin is not None else {"password": form.password or ""}
    user = credentials.users.verify(form.name, **secret)
    if user is None:
        _note_failure(credentials, form.name, address)
        raise Unauthenticated("The name and the password or PIN do not belong together.")
    credentials.throttle.succeeded(attempt)
    if before is not None:
        credentials.sessions.close(before.id)
    detail = {"with": "pin" if form.pin is not None else "password"}
    with credentials.engine.begin() as connection:
        note(connection, user.name, "login.succeeded", user.name, detail, address)
    return credentials.sessions.open(user.id)


def _note_failure(credentials: Credentials, name: str, address: str) -> None:
    """A name that nobody has is not written down: it may be a password in the wrong field."""
    try:
        subject = credentials.users.get(name).name
    except NotFound:
        subject = "unknown"
    with credentials.engine.begin() as connection:
        note(connection, "nobody", "login.failed", subject, {}, address)


async def _body(request: Request) -> bytes:
    received = bytearray()
    async for piece in request.stream():
        received += piece
        if len(received) > MAX_FORM_BYTES:
            raise BodyTooLarge(MAX_FORM_BYTES)
    return bytes(received)


def _pairs(body: bytes) -> dict[str, str]:
    try:
        return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=20))
    except ValueError:
        raise InvalidRequest("The form has too many fields.") from None  # the reason holds what was sent


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise InvalidRequest("The body is not JSON.") from None  # the reason holds what was sent, a password among it
    if not isinstance(found, dict):
        raise InvalidRequest("The body must be a JSON object.")
    return found


def _fields(given: dict[str, Any]) -> Form:
    """Raises InvalidRequest, with no value in it."""
    for field in ("name", "password", "pin", "next", "csrf_token"):
        if not _is_text(given.get(field) or ""):
            raise InvalidRequest(f"{field}: this must be a text.")
    name, password, pin = given.get("name") or "", given.get("password") or None, given.get("pin") or None
    if not name.strip() or (password is None and pin is None):
        raise InvalidRequest("Send a name, and a password or a PIN.")
    if len(name) > 1000 or "\x00" in name:
        raise InvalidRequest("name: nobody is called that.")
    return Form(name, password, pin, local_path(given.get("next") or "/"), given.get("csrf_token") or "")


def _is_text(value: Any) -> bool:
    """JSON can write halves of letters, which no database takes and nothing hashes."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _page(request: Request, wanted: str, name: str = "", refused: SenkaError | None = None) -> Response:
    https = request.url.scheme == "https"
    token = cookies.read(request.headers.get("cookie", "").encode("latin-1"), cookies.LOGIN, https)
    if token is None or len(token) > 100:
        token = csrf.new_token()
    code = refused.code if refused else None
    wait_s = refused.facts.get("wait_s") if refused else None
    response = pages.render(request, LOGIN, next=wanted, name=name, csrf_token=token, code=code, wait_s=wait_s)
    response.headers["Cache-Control"] = "no-store"
    if refused:
        response.status_code = STATUS[refused.code]
    if wait_s is not None:
        response.headers["Retry-After"] = str(wait_s)
    _add_cookies(response, [cookies.line(cookies.LOGIN, token, https, http_only=True, same_site="Strict")])
    return response


def _cross_site(request: Request) -> bool:
    return request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin")


def _root(request: Request) -> str:
    return str(request.scope.get("root_path", "")).rstrip("/")


def _add_cookies(response: Response, lines: list[str]) -> None:
    for line in lines:
        response.headers.append("set-cookie", line)
