"""`GET /v1/profiles`: the rules that decide lanes, every version of them."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Response

from service.api.context import Parts, engine_of, json_response
from service.api.resource_schemas import ProfileOut, ProfilesOut, problems
from service.records import profiles

router = APIRouter(prefix="/v1/profiles", tags=["profiles"])
_WHAT = "profiles"


@router.get("", responses={200: {"model": ProfilesOut}, **problems(409, 503)}, response_class=Response)
async def listed(parts: Parts) -> Response:
    """Every version, newest first. A grading names the one that decided its lane."""
    found = await asyncio.to_thread(profiles.page, engine_of(parts, _WHAT))
    return json_response({"in_effect": parts.profile_version, "profiles": [one.to_json() for one in found]})


@router.get("/{version}", responses={200: {"model": ProfileOut}, **problems(404, 409, 422, 503)}, response_class=Response)
async def one(parts: Parts, version: Annotated[int, Path(ge=1, le=2**31 - 1)]) -> Response:
    """One version."""
    return json_response((await asyncio.to_thread(profiles.get, engine_of(parts, _WHAT), version)).to_json())
