"""Bodies of requests that are no photographs: a few lines of JSON, taken whole within a size and a time before any route runs.

Frameworks read a JSON body to its end, however long it is and however slowly it comes.
"""

import asyncio
from typing import Final

from starlette._utils import get_route_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from models.errors import SenkaError
from service.errors import STATUS, BodyTimeout, BodyTooLarge, problem

MAX_SMALL_BODY_BYTES: Final = 2**20
STREAMED: Final = frozenset(("/v1/grade", "/v1/explain", "/v1/batches"))
"""Routes that take uploads and count them while they arrive."""
BODILESS: Final = frozenset(("GET", "HEAD", "OPTIONS"))
"""Methods whose body nobody reads."""


class SmallBodies:
    """ASGI middleware: 413 for a body over MAX_SMALL_BODY_BYTES, 408 for one that takes longer than `timeout_s`.

    Routes in STREAMED are let through: they do it themselves, with limits of their own.
    """

    def __init__(self, app: ASGIApp, timeout_s: float) -> None:
        self.app = app
        self._timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in BODILESS or get_route_path(scope) in STREAMED:
            await self.app(scope, receive, send)
            return
        try:
            last = await self._read(scope, receive)
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

    async def _read(self, scope: Scope, receive: Receive) -> Message:
        """The body as one message, or the disconnection that came instead. Raises BodyTooLarge, BodyTimeout."""
        declared = dict(scope["headers"]).get(b"content-length", b"")
        if declared.isdigit() and int(declared) > MAX_SMALL_BODY_BYTES:
            raise BodyTooLarge(MAX_SMALL_BODY_BYTES)
        body = bytearray()
        try:
            async with asyncio.timeout(self._timeout_s):
                while True:
                    message = await receive()
                    if message["type"] != "http.request":
                        return message
                    body += message.get("body", b"")
                    if len(body) > MAX_SMALL_BODY_BYTES:
                        raise BodyTooLarge(MAX_SMALL_BODY_BYTES)
                    if not message.get("more_body", False):
                        return {"type": "http.request", "body": bytes(body), "more_body": False}
        except TimeoutError:
            raise BodyTimeout(self._timeout_s) from None
