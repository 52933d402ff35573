"""`/v1/keys`: which cameras may post. The secret of a key is in one answer, that to the request that made it."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Body, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from service.api.context import Parts, json_response
from service.errors import RecordsOff
from service.schemas import Problem
from service.security import principal
from service.security.keys import Keys

router = APIRouter(prefix="/v1/keys", tags=["people"])


class KeyIn(BaseModel):
    """A new key; with `camera` it may post for that one only."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"name": "line 1", "camera": "line1-top"}]})

    name: str = Field(min_length=1, max_length=100)
    camera: str | None = Field(None, min_length=1, max_length=100)


class KeyOut(BaseModel):
    """A key without its secret."""

    name: str
    prefix: str = Field(description="names the key: the bearer text begins with `senka_` and this")
    scope: str
    camera: str | None
    created_by: str
    created_at: str
    last_used_at: str | None = Field(description="to a minute")
    revoked_at: str | None


class NewKey(KeyOut):
    key: str = Field(description="send it as `Authorization: Bearer ...`; it is not shown again")


class KeysOut(BaseModel):
    keys: list[KeyOut]


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": Problem} for status in statuses}


@router.get("", responses={200: {"model": KeysOut}, **_problems(401, 403, 409, 503)}, response_class=Response)
async def keys(parts: Parts) -> Response:
    """All keys that ever were, newest first."""
    found = await asyncio.to_thread(_keys(parts).list)
    return json_response({"keys": [key.to_json() for key in found]})


@router.post(
    "", status_code=201, responses={201: {"model": NewKey}, **_problems(401, 403, 409, 422, 503)}, response_class=Response
)
async def add(parts: Parts, request: Request, body: Annotated[KeyIn, Body()]) -> Response:
    """Make a key for a camera. This answer is the only one with its secret in it."""
    who = principal(request)
    key, bearer = await asyncio.to_thread(_keys(parts).add, body.name, body.camera, by=who.name, address=who.address)
    response = json_response({**key.to_json(), "key": bearer}, 201)
    response.headers["Cache-Control"] = "no-store"
    return response


@router.get("/{prefix}", responses={200: {"model": KeyOut}, **_problems(401, 403, 404, 409, 503)}, response_class=Response)
async def key(parts: Parts, prefix: str) -> Response:
    """One of them."""
    return json_response((await asyncio.to_thread(_keys(parts).get, prefix)).to_json())


@router.delete("/{prefix}", responses={200: {"model": KeyOut}, **_problems(401, 403, 404, 409, 503)}, response_class=Response)
async def revoke(parts: Parts, request: Request, prefix: str) -> Response:
    """Never take this key again; every worker follows within two seconds. It stays in the list, marked."""
    who = principal(request)
    revoked = await asyncio.to_thread(_keys(parts).revoke, prefix, by=who.name, address=who.address)
    return json_response(revoked.to_json())


def _keys(parts: Parts) -> Keys:
    if parts.door.credentials is None:
        raise RecordsOff("keys")
    return parts.door.credentials.keys
