"""`/v1/models`: published versions, what is known of each, who grades, and what the challenger would have said."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from pydantic import Field

from service.api.context import Context, Parts, engine_of, json_response
from service.api.model_schemas import ModelDetail
from service.api.paging import Plain
from service.api.places import signature
from service.api.resource_schemas import problems
from service.published import described, one_version
from service.records.shadow import compare, summed
from service.rollout import exchange
from service.schemas import Models, ShadowReport

router = APIRouter(prefix="/v1", tags=["models"])
Wanted = Annotated[Plain, Field(max_length=64), Path(description="a number, or `challenger`")]
Known = Annotated[Plain, Field(max_length=64), Path(description="a number, `champion` or `challenger`")]


@router.get("/models", responses={200: {"model": Models}, **problems(503)}, response_class=Response)
async def models(parts: Parts) -> Response:
    """The model repository."""
    return await _state(parts)


@router.post(
    "/models/{version}/promote", responses={200: {"model": Models}, **problems(404, 409, 422, 503)}, response_class=Response
)
async def promote(parts: Parts, request: Request, version: Wanted) -> Response:
    """Make a version the champion. Every worker follows within seconds and loses no photograph by it.

    `serving` of the answer is the version that this worker grades with now: the old one still where the new one cannot be loaded.
    """
    return await _exchange(parts, request, version)


@router.post("/models/rollback", responses={200: {"model": Models}, **problems(404, 409, 503)}, response_class=Response)
async def rollback(parts: Parts, request: Request) -> Response:
    """Make the champion before this one the champion again."""
    return await _exchange(parts, request, None)


@router.get("/models/shadow", responses={200: {"model": ShadowReport}, **problems(409, 503)}, response_class=Response)
async def shadow(parts: Parts) -> Response:
    """What the challenger says of the photographs that the champion grades; nobody is answered with it."""
    engine = engine_of(parts, "shadow gradings")
    aliases = await asyncio.to_thread(parts.champion.repository.aliases)
    named = {"champion": aliases.champion, "challenger": aliases.challenger}
    if aliases.champion is None or aliases.challenger is None:
        return json_response({**named, **summed([])})
    return json_response({**named, **await asyncio.to_thread(compare, engine, aliases.champion, aliases.challenger)})


# behind the others: their addresses are no versions
@router.get("/models/{version}", responses={200: {"model": ModelDetail}, **problems(404, 409, 422, 503)}, response_class=Response)
async def one(parts: Parts, version: Known) -> Response:
    """One version: what it was made of, and how the gate judged it. What the gate refused is no version: see its retraining."""
    engine = parts.records.engine if parts.records else None
    return json_response(await asyncio.to_thread(one_version, parts.champion.repository, parts.settings, engine, version))


async def _exchange(parts: Context, request: Request, wanted: str | None) -> Response:
    engine = parts.records.engine if parts.records else None
    await asyncio.to_thread(exchange, parts.champion.repository, engine, wanted, signature(request))
    await parts.champion.follow()  # this worker at once, the others when they look next
    return await _state(parts)


async def _state(parts: Context) -> Response:
    serving = parts.champion.current.ref.version if parts.champion.ready else None
    return json_response({**await asyncio.to_thread(described, parts.champion.repository, parts.settings), "serving": serving})
