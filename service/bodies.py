"""Bodies of requests that are no photographs: a few lines of JSON, taken whole within a size and a time before any route runs.

Frameworks read a JSON body to its end, however long it is and however slowly it comes.
"""

import asyncio
from typing import Final

from starlette._utils import get_route_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from models.errors import SenkaError
from service.errors import STATUS, BodyTimeout, BodyTooLarge, Overloaded, problem

MAX_SMALL_BODY_BYTES: Final = 2**20
MAX_STRANGERS_BODY_BYTES: Final = 8 * 1024
MAX_HELD_BYTES: Final = 16 * 2**20
"""Of all small bodies together, in each worker; those of strangers on every connection there may be fit twice."""
STRANGERS: Final = frozenset(("/login", "/logout"))
"""Routes that read a body from anybody, who need not be logged in."""
STREAMED: Final = frozenset(("/v1/grade", "/v1/explain", "/v1/batches"))
"""Routes that take uploads and count them while they arrive."""
BODILESS: Final = frozenset(("GET", "HEAD", "OPTIONS"))
"""Methods whose body nobody reads."""


class BodiesFull(Overloaded):
    def __init__(self) -> None:
        SenkaError.__init__(
            self, f"Bodies of {MAX_HELD_BYTES:,} bytes are held already. Send it again later.", limit_bytes=MAX_HELD_BYTES
        )


class SmallBodies:
    """ASGI middleware: 413 for a body over MAX_SMALL_BODY_BYTES, or over MAX_STRANGERS_BODY_BYTES on a route in STRANGERS,
    408 for one that takes longer than `timeout_s` and 503 for one too many.

    Routes in STREAMED are let through: they do it themselves, with limits of their own.
    """

    def __init__(self, app: ASGIApp, timeout_s: float) -> None:
        self.app = app
        self._timeout_s = timeout_s
        self._held_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in BODILESS or get_route_path(scope) in STREAMED:
            await self.app(scope, receive, send)
            return
        body = bytearray()
        try:
            await self._answer(scope, receive, send, body)
        finally:
            self._held_bytes -= len(body)

    async def _answer(self, scope: Scope, receive: Receive, send: Send, body: bytearray) -> None:
        try:
            last = await self._read(scope, receive, body)
        except SenkaError as error:
            await problem(STATUS[error.code], error.code, str(error), **error.facts)(scope, receive, send)
            return
        given = False

        async def replayed() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return last

        await self.app(scope, replayed, send)

    async def _read(self, scope: Scope, receive: Receive, body: bytearray) -> Message:
        """The body as one message, or the disconnection that came instead. Raises BodyTooLarge, BodyTimeout, BodiesFull.

        What was read is in `body` and counts as held.
        """
        limit = MAX_STRANGERS_BODY_BYTES if get_route_path(scope) in STRANGERS else MAX_SMALL_BODY_BYTES
        declared = dict(scope["headers"]).get(b"content-length", b"")
        if declared.isdigit() and int(declared) > limit:
            raise BodyTooLarge(limit)
        try:
            async with asyncio.timeout(self._timeout_s):
                while True:
                    message = await receive()
                    if message["type"] != "http.request":
                        return message
                    piece = message.get("body", b"")
                    if len(body) + len(piece) > limit:
                        raise BodyTooLarge(limit)
                    if self._held_bytes + len(piece) > MAX_HELD_BYTES:
                        raise BodiesFull
                    body += piece
                    self._held_bytes += len(piece)
                    if not message.get("more_body", False):
                        return {"type": "http.request", "body": bytes(body), "more_body": False}
        except TimeoutError:
            raise BodyTimeout(self._timeout_s) from None
