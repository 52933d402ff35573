"""`/v1/corrections`: what people say that a fruit really was."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Body, Path, Query, Request, Response

from service.api.context import Parts, engine_of, json_response
from service.api.paging import Id, moment_cursor, moment_of, page_of
from service.api.resource_schemas import CorrectionIn, CorrectionOut, CorrectionsPage, CorrectionsQuery, problems
from service.records import corrections
from service.records.corrections import CorrectionFilters
from service.security import principal

router = APIRouter(prefix="/v1/corrections", tags=["corrections"])
_WHAT = "corrections"


@router.get("", responses={200: {"model": CorrectionsPage}, **problems(409, 422, 503)}, response_class=Response)
async def listed(parts: Parts, query: Annotated[CorrectionsQuery, Query()]) -> Response:
    """Corrections, newest first; those that were undone are among them."""
    filters = CorrectionFilters(query.since, query.until, query.grading_id)
    before = moment_of(query.cursor)
    found = await asyncio.to_thread(corrections.page, engine_of(parts, _WHAT), filters, query.limit + 1, before)
    shown, cursor = page_of(found, query.limit, lambda one: moment_cursor(one.at, one.id))
    return json_response({"corrections": [one.to_json() for one in shown], "next_cursor": cursor})


@router.post(
    "", status_code=201, responses={201: {"model": CorrectionOut}, **problems(404, 409, 422, 503)}, response_class=Response
)
async def correct(parts: Parts, request: Request, body: Annotated[CorrectionIn, Body()]) -> Response:
    """Correct a grading. The newest correction counts; earlier ones stay on record."""
    who = principal(request)
    made = await asyncio.to_thread(
        corrections.correct,
        engine_of(parts, _WHAT),
        body.grading_id,
        body.grade,
        body.note,
        by=who.name,
        address=who.address,
    )
    return json_response(made.to_json(), 201)


@router.get(
    "/{correction_id}", responses={200: {"model": CorrectionOut}, **problems(404, 409, 422, 503)}, response_class=Response
)
async def one(parts: Parts, correction_id: Annotated[Id, Path()]) -> Response:
    """One correction."""
    return json_response((await asyncio.to_thread(corrections.get, engine_of(parts, _WHAT), correction_id)).to_json())


@router.delete(
    "/{correction_id}", responses={200: {"model": CorrectionOut}, **problems(404, 409, 422, 503)}, response_class=Response
)
async def undo(parts: Parts, request: Request, correction_id: Annotated[Id, Path()]) -> Response:
    """Take a correction back: it stays on record, marked, and the one before it counts again."""
    who = principal(request)
    undone = await asyncio.to_thread(corrections.undo, engine_of(parts, _WHAT), correction_id, by=who.name, address=who.address)
    return json_response(undone.to_json())
