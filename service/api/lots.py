"""`/v1/lots`: what is sorted, and gradings that were made under the wrong one."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Body, Request, Response
from pydantic import BaseModel

from service.api.context import Parts, engine_of, json_response
from service.api.places import Name, given, place_routes, signature
from service.api.resource_schemas import LotChange, LotIn, LotOut, LotsPage, Reassigned, ReassignIn, problems
from service.records.reassignment import Reassignment, reassign
from service.records.resources import LOT


def _fields(body: BaseModel) -> Mapping[str, Any]:
    fields = dict(given(body))
    closed = fields.pop("closed", None)
    return fields if closed is None else {**fields, "closed_at": datetime.now(UTC) if closed else None}


router = place_routes(LOT, LotsPage, LotOut, LotIn, LotChange, _fields)


@router.post("/{name}/reassign", responses={200: {"model": Reassigned}, **problems(404, 409, 422, 503)}, response_class=Response)
async def reassigned(parts: Parts, request: Request, name: Name, body: Annotated[ReassignIn, Body()]) -> Response:
    """Move gradings of this lot to the one they belong to, figures and all. What runs on the line now stays."""
    wanted = Reassignment(body.to, body.line, body.since, body.until)
    return json_response(await asyncio.to_thread(reassign, engine_of(parts, "lots"), name, wanted, signature(request)))
