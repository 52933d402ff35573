"""`/v1/alarms`: what a person should know of."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from service.api.context import Parts, engine_of, json_response
from service.api.paging import Id, moment_cursor, moment_of, page_of
from service.api.resource_schemas import AlarmOut, AlarmsPage, AlarmsQuery, problems
from service.errors import NotFound
from service.records import alarms
from service.security import principal

router = APIRouter(prefix="/v1/alarms", tags=["alarms"])
_WHAT = "alarms that are over"


@router.get("", responses={200: {"model": AlarmsPage}, **problems(409, 422, 503)}, response_class=Response)
async def listed(parts: Parts, query: Annotated[AlarmsQuery, Query()]) -> Response:
    """The latest first. With `open` all open ones on one page, also while the database is away and with SENKA_RECORDS=off."""
    before = moment_of(query.cursor)
    if query.open:
        return json_response({"alarms": await asyncio.to_thread(parts.alarms.open), "next_cursor": None})
    found = await asyncio.to_thread(alarms.page, engine_of(parts, _WHAT), limit=query.limit + 1, before=before)
    shown, cursor = page_of(found, query.limit, lambda one: moment_cursor(one.since, one.id))
    return json_response({"alarms": [one.to_json() for one in shown], "next_cursor": cursor})


@router.get("/{alarm_id}", responses={200: {"model": AlarmOut}, **problems(404, 409, 422, 503)}, response_class=Response)
async def one(parts: Parts, alarm_id: Annotated[Id, Path()]) -> Response:
    """One alarm."""
    found = await asyncio.to_thread(alarms.find, engine_of(parts, _WHAT), [alarm_id])
    if not found:
        raise NotFound("alarm", alarm_id)
    return json_response(found[0].to_json())


@router.post(
    "/{alarm_id}/acknowledge", responses={200: {"model": AlarmOut}, **problems(404, 409, 422, 503)}, response_class=Response
)
async def acknowledge(parts: Parts, request: Request, alarm_id: Annotated[Id, Path()]) -> Response:
    """Say that you have seen it. Whoever said so first stays."""
    who = principal(request)
    found = await asyncio.to_thread(alarms.acknowledge, engine_of(parts, _WHAT), alarm_id, who.name, who.address)
    return json_response(found.to_json())
