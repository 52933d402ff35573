"""`GET /v1/events`: server-sent events."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Annotated, Final

import anyio
from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from service.api.context import Parts
from service.api.paging import Plain
from service.errors import InvalidRequest, RecordsUnavailable
from service.events import ALWAYS, KINDS, Wanted
from service.records.filters import Filters
from service.records.repository import sequence_number
from service.schemas import Moment
from service.security.sessions import KEPT_FOR_S, Session, Sessions

router = APIRouter(prefix="/v1", tags=["records"])

CHECK_EVERY_S: Final = 5.0
"""How soon a stream ends after its session did."""


_Name = Annotated[Plain, Field(min_length=1, max_length=100)]


class EventsQuery(BaseModel):
    """What a page watches; without any of it, everything but `activity`."""

    model_config = ConfigDict(extra="forbid")

    only: Annotated[Plain, Field(max_length=100)] | None = Field(None, description=f"some of {', '.join(KINDS)}, with commas")
    latest: Annotated[int, Field(ge=1, le=200)] | None = Field(
        None, description="of gradings that come at once at most so many, the newest: for pages that show no more"
    )
    line: _Name | None = Field(None, description="gradings, figures and activity of this line")
    lot: _Name | None = Field(None, description="gradings and figures of this lot")
    camera: _Name | None = Field(None, description="gradings and figures of this camera")
    since: Moment | None = Field(None, description="figures of what was received at this time or later")

    def wanted(self) -> Wanted:
        """Raises InvalidRequest for an event that there is none of."""
        kinds = frozenset(self.only.split(",")) if self.only is not None else ALWAYS
        if unknown := sorted(kinds - set(KINDS)):
            raise InvalidRequest(f"{unknown[0]!r} is no event: {', '.join(KINDS)}.", valid=list(KINDS))
        return Wanted(kinds, Filters(since=self.since, line=self.line, lot=self.lot, camera=self.camera), self.latest)


@router.get("/events", responses={200: {"content": {"text/event-stream": {}}}}, response_class=StreamingResponse)
async def events(
    request: Request,
    parts: Parts,
    query: Annotated[EventsQuery, Query()],
    last_event_id: Annotated[str | None, Header()] = None,
) -> StreamingResponse:
    """`grading` for each one put on record, `stats` at most once a second, `model` when the champion changes,
    `alarm` for each that is open and whenever one opens, closes (then it has `until`) or is acknowledged; where asked for,
    `activity` every five seconds. Whoever hears nothing else gets a `clock` every two seconds: silence means a lost connection.

    A client that comes back with `Last-Event-ID` gets what it missed: the 200 that follow, or the newest of a line, lot or camera
    and of `latest`. The stream ends with the session.
    """
    last_seen = sequence_number(last_event_id) if last_event_id else None
    stream = parts.events.stream(last_seen, query.wanted())
    # Watching before the headers go out: a page that asks for the records once its stream is open misses nothing between.
    first = await anext(stream)
    # A proxy that buffers would hold events back until its buffer is full.
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_all(first, stream, _Watch.of(request, parts)), media_type="text/event-stream", headers=headers)


class _Watch:
    """Looks again and again whether the session of a stream is still one."""

    def __init__(self, sessions: Sessions, session: Session) -> None:
        self._sessions = sessions
        self._session = session
        now_s = asyncio.get_running_loop().time()
        self._confirmed_s, self._due_s = now_s, now_s + CHECK_EVERY_S

    @classmethod
    def of(cls, request: Request, parts: Parts) -> "_Watch | None":
        """None for whoever sits at this machine; keys may not watch at all."""
        session: Session | None = request.state.session
        credentials = parts.door.credentials
        return cls(credentials.sessions, session) if session is not None and credentials is not None else None

    def left_s(self) -> float:
        """Seconds until it is time to look again."""
        return max(0.0, self._due_s - asyncio.get_running_loop().time())

    async def lasts(self) -> bool:
        """With the database away, what it said last stays true for as long as the guard would believe it."""
        now_s = asyncio.get_running_loop().time()
        self._due_s = now_s + CHECK_EVERY_S
        try:
            good = await asyncio.to_thread(self._sessions.lasts, self._session.id)
        except RecordsUnavailable:
            return now_s - self._confirmed_s < KEPT_FOR_S and self._session.expires_at > datetime.now(UTC)
        self._confirmed_s = now_s
        return good


async def _all(first: bytes, rest: AsyncGenerator[bytes, None], watch: _Watch | None) -> AsyncIterator[bytes]:
    async with aclosing(rest):
        yield first
        if watch is None:
            async for text in rest:
                yield text
            return
        while (found := await _next(rest, watch)) is not None:
            yield found


async def _next(rest: AsyncGenerator[bytes, None], watch: _Watch) -> bytes | None:
    """The next message, or None when there is none or the session has ended."""
    coming = asyncio.ensure_future(_one(rest))
    try:
        while True:
            if not watch.left_s() and not await watch.lasts():
                return None
            if (await asyncio.wait({coming}, timeout=watch.left_s()))[0]:
                return coming.result()
    finally:
        if not coming.done():
            coming.cancel()
            with anyio.CancelScope(shield=True):  # a generator that still runs cannot be closed
                await asyncio.wait({coming})


async def _one(rest: AsyncGenerator[bytes, None]) -> bytes | None:
    try:
        return await anext(rest)
    except StopAsyncIteration:
        return None
