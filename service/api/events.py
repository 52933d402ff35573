"""`GET /v1/events`: server-sent events."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Annotated

from fastapi import APIRouter, Header
from fastapi.responses import StreamingResponse

from service.api.context import Parts
from service.records.repository import sequence_number

router = APIRouter(prefix="/v1", tags=["records"])


@router.get("/events", responses={200: {"content": {"text/event-stream": {}}}}, response_class=StreamingResponse)
async def events(parts: Parts, last_event_id: Annotated[str | None, Header()] = None) -> StreamingResponse:
    """`grading` for each one put on record, `stats` at most once a second, `model` when the champion changes,
    `alarm` for each that is open and whenever one opens, closes (then it has `until`) or is acknowledged.

    A client that comes back with `Last-Event-ID` gets what it missed, 200 gradings at most.
    """
    last_seen = sequence_number(last_event_id) if last_event_id else None
    stream = parts.events.stream(last_seen)
    # Watching before the headers go out: a page that asks for the records once its stream is open misses nothing between.
    first = await anext(stream)
    # A proxy that buffers would hold events back until its buffer is full.
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_all(first, stream), media_type="text/event-stream", headers=headers)


async def _all(first: bytes, rest: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    async with aclosing(rest):
        yield first
        async for text in rest:
            yield text
