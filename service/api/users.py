"""`/v1/users`: who may log in. No answer, error or log line of it has a secret in it."""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any, Final, Literal

import anyio.to_thread
from fastapi import APIRouter, Body, Request, Response
from pydantic import BaseModel, ConfigDict, Field, JsonValue, SecretStr

from service.api.context import Parts, json_response
from service.errors import RecordsOff
from service.schemas import Problem
from service.security import Role, principal
from service.security.passwords import MAX_PASSWORD_CHARACTERS
from service.security.users import Keep, Users

router = APIRouter(prefix="/v1/users", tags=["people"])

_EXAMPLE: Final[dict[str, JsonValue]] = {"name": "hanako", "role": "operator", "pin": "4826"}
UserRole = Literal["viewer", "operator", "admin"]
Secret = Annotated[SecretStr, Field(max_length=MAX_PASSWORD_CHARACTERS)]


class UserIn(BaseModel):
    """Somebody new, with a password, a PIN (viewers and operators), or both."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [_EXAMPLE]})

    name: str = Field(min_length=1, max_length=100)
    role: UserRole
    password: Secret | None = None
    pin: Secret | None = None


class UserChange(BaseModel):
    """What is left out stays as it is; a `pin` of null takes the PIN away."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"disabled": True}]})

    role: UserRole | None = None
    password: Secret | None = None
    pin: Secret | None = None
    disabled: bool | None = None


class UserOut(BaseModel):
    """Somebody who may log in, or might before."""

    name: str
    role: UserRole
    has_password: bool
    has_pin: bool
    created_at: str
    disabled_at: str | None


class UsersOut(BaseModel):
    users: list[UserOut]


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": Problem} for status in statuses}


@router.get("", responses={200: {"model": UsersOut}, **_problems(401, 403, 409, 503)}, response_class=Response)
async def users(parts: Parts) -> Response:
    """Everybody, by name; nobody's password."""
    found = await asyncio.to_thread(_users(parts).list)
    return json_response({"users": [user.to_json() for user in found]})


@router.post(
    "", status_code=201, responses={201: {"model": UserOut}, **_problems(401, 403, 409, 422, 503)}, response_class=Response
)
async def add(parts: Parts, request: Request, body: Annotated[UserIn, Body()]) -> Response:
    """Let somebody in."""
    who = principal(request)

    def work() -> dict[str, Any]:
        password, pin = _plain(body.password), _plain(body.pin)
        user = _users(parts).add(body.name, Role(body.role), password=password, pin=pin, by=who.name, address=who.address)
        return user.to_json()

    return json_response(await _hashing(parts, work), 201)


@router.get("/{name}", responses={200: {"model": UserOut}, **_problems(401, 403, 404, 409, 503)}, response_class=Response)
async def user(parts: Parts, name: str) -> Response:
    """One of them."""
    return json_response((await asyncio.to_thread(_users(parts).get, name)).to_json())


@router.patch("/{name}", responses={200: {"model": UserOut}, **_problems(401, 403, 404, 409, 422, 503)}, response_class=Response)
async def change(parts: Parts, request: Request, name: str, body: Annotated[UserChange, Body()]) -> Response:
    """Another role, password or PIN, or disabled: all of it or nothing. Ends that user's sessions."""
    who = principal(request)

    def work() -> dict[str, Any]:
        user = _users(parts).change(
            name,
            role=Role(body.role) if body.role else None,
            password=_plain(body.password),
            pin=_plain(body.pin) if "pin" in body.model_fields_set else Keep.AS_IT_IS,
            disabled=body.disabled,
            by=who.name,
            address=who.address,
        )
        return user.to_json()

    return json_response(await _hashing(parts, work))


def _plain(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


def _users(parts: Parts) -> Users:
    if parts.door.credentials is None:
        raise RecordsOff("users")
    return parts.door.credentials.users


async def _hashing(parts: Parts, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """In a thread, and few at once: they share the cores with grading."""
    return await anyio.to_thread.run_sync(work, limiter=parts.door.hashing)
