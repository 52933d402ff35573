"""`GET /v1/events`: server-sent events."""

from typing import Annotated

from fastapi import APIRouter, Header
from fastapi.responses import StreamingResponse

from service.api.context import Parts

router = APIRouter(prefix="/v1", tags=["records"])


@router.get("/events", responses={200: {"content": {"text/event-stream": {}}}}, response_class=StreamingResponse)
async def events(parts: Parts, last_event_id: Annotated[str | None, Header()] = None) -> StreamingResponse:
    """`grading` for each one put on record, `stats` at most once a second, `model` when the champion changes.

    A client that comes back with `Last-Event-ID` gets what it missed, 200 gradings at most.
    """
    last_seen = int(last_event_id) if last_event_id and last_event_id.isdigit() else None
    # A proxy that buffers would hold events back until its buffer is full.
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(parts.events.stream(last_seen), media_type="text/event-stream", headers=headers)
