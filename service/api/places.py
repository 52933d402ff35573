"""The routes that lots, lines, growers and cameras have in common."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query, Request, Response
from pydantic import BaseModel, Field

from service.api.context import Parts, engine_of, json_response
from service.api.paging import Plain, name_cursor, name_of, page_of
from service.api.resource_schemas import Page, PageQuery, problems
from service.records import resources
from service.records.resources import Kind, Signature
from service.security import principal

Name = Annotated[Annotated[Plain, Field(max_length=100)], Path()]
Fields = Callable[[BaseModel], Mapping[str, Any]]


def signature(request: Request) -> Signature:
    """Who asks, for the audit trail."""
    who = principal(request)
    return Signature(who.name, who.address)


def given(change: BaseModel) -> Mapping[str, Any]:
    """The columns that a body sets: what it leaves out stays as it is, and null is a value."""
    return change.model_dump(exclude_unset=True, exclude={"name"})


def place_routes(
    kind: Kind,
    many: type[Page],
    one: type[BaseModel],
    new: type[BaseModel],
    change: type[BaseModel],
    fields: Fields = given,
) -> APIRouter:
    """`/v1/<kind>s`: list, add, get, change and delete. The first field of `many` but `next_cursor` has the list."""
    plural = f"{kind.word}s"
    router = APIRouter(prefix=f"/v1/{plural}", tags=[plural])

    @router.get("", name=f"list {plural}", responses={200: {"model": many}, **problems(409, 422, 503)}, response_class=Response)
    async def listed(parts: Parts, query: Annotated[PageQuery, Query()]) -> Response:
        """By name; those that gradings named are among them."""
        engine, after = engine_of(parts, plural), name_of(query.cursor)
        found = await asyncio.to_thread(resources.page, engine, kind, query.limit + 1, after)
        shown, cursor = page_of(found, query.limit, lambda row: name_cursor(row["name"]))
        return json_response({plural: shown, "next_cursor": cursor})

    @router.post(
        "",
        name=f"add {kind.word}",
        status_code=201,
        responses={201: {"model": one}, **problems(409, 422, 503)},
        response_class=Response,
    )
    async def add(parts: Parts, request: Request, body: Annotated[new, Body()]) -> Response:  # type: ignore[valid-type]
        """Enter one."""
        engine, entered = engine_of(parts, plural), fields(body)
        name: str = body.name  # type: ignore[attr-defined]
        made = await asyncio.to_thread(resources.add, engine, kind, name, entered, signature(request))
        await asyncio.to_thread(parts.current_lots.refresh)
        return json_response(made, 201)

    @router.get(
        "/{name}",
        name=f"get {kind.word}",
        responses={200: {"model": one}, **problems(404, 409, 422, 503)},
        response_class=Response,
    )
    async def get(parts: Parts, name: Name) -> Response:
        """One of them."""
        return json_response(await asyncio.to_thread(resources.get, engine_of(parts, plural), kind, name))

    @router.patch(
        "/{name}",
        name=f"change {kind.word}",
        responses={200: {"model": one}, **problems(404, 409, 422, 503)},
        response_class=Response,
    )
    async def changed(
        parts: Parts,
        request: Request,
        name: Name,
        body: Annotated[change, Body()],  # type: ignore[valid-type]
    ) -> Response:
        """Change what is given, all of it or nothing."""
        engine, wanted = engine_of(parts, plural), fields(body)
        found = await asyncio.to_thread(resources.change, engine, kind, name, wanted, signature(request))
        await asyncio.to_thread(parts.current_lots.refresh)
        return json_response(found)

    @router.delete(
        "/{name}",
        name=f"delete {kind.word}",
        status_code=204,
        responses=problems(404, 409, 422, 503),
        response_class=Response,
    )
    async def remove(parts: Parts, request: Request, name: Name) -> Response:
        """Delete one that nothing names; 409 `in_use` says what does."""
        await asyncio.to_thread(resources.remove, engine_of(parts, plural), kind, name, signature(request))
        await asyncio.to_thread(parts.current_lots.refresh)
        return Response(status_code=204)

    return router
