"""`GET /v1/audit`: who changed what."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Response

from service.api.context import Parts, engine_of, json_response
from service.api.paging import page_of, seq_cursor, seq_of
from service.api.resource_schemas import AuditPage, AuditQuery, problems
from service.records import audit
from service.records.audit import AuditFilters

router = APIRouter(prefix="/v1/audit", tags=["audit"])


@router.get("", responses={200: {"model": AuditPage}, **problems(409, 422, 503)}, response_class=Response)
async def listed(parts: Parts, query: Annotated[AuditQuery, Query()]) -> Response:
    """The trail, newest first. Nothing in it is ever changed or deleted."""
    filters = AuditFilters(query.action, query.subject, query.actor, query.since, query.until)
    before = seq_of(query.cursor)
    found = await asyncio.to_thread(audit.page, engine_of(parts, "the audit trail's lines"), filters, query.limit + 1, before)
    shown, cursor = page_of(found, query.limit, lambda line: seq_cursor(line.seq))
    return json_response({"audit": [line.to_json() for line in shown], "next_cursor": cursor})
