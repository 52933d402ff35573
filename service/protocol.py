"""HTTP as uvicorn speaks it, with bounds on what uvicorn's fast parser leaves unbounded: heads, connections and slow clients.

Who holds a connection without sending a request gets a time for it, and has to go first when there are too many connections:
clients that send a byte a second cost a socket each and keep nobody out. The same holds for who does not finish a small body,
shake hands for TLS or read an answer.
"""

import logging
from asyncio import AbstractEventLoop, CancelledError, Task, TimerHandle, sleep
from collections.abc import Sequence
from dataclasses import dataclass, field
from socket import SocketType
from ssl import SSLContext
from typing import Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import Server, ServerState

from service.bodies import STREAMED

MAX_HEAD_BYTES: Final = 64 * 1024
WRITE_STALLED_S: Final = 30.0
"""A client that takes less than the buffered answer (about 64 kB) in this time is not reading it."""
TLS_GOODBYE_S: Final = 5.0
"""How long a client may take to end TLS in order."""
_HEAD: Final = (
    b"HTTP/1.1 %d %s\r\ncontent-type: application/problem+json\r\nconnection: close\r\nx-content-type-options: nosniff\r\n"
    b"content-length: %d\r\n%s\r\n%s"
)
_PROBLEM: Final = b'{"type":"about:blank","title":"%s","status":%d,"detail":"%s","code":"%s"}'


def _refusal(status: int, title: bytes, detail: bytes, code: bytes, header: bytes = b"") -> bytes:
    problem = _PROBLEM % (title, status, detail, code)
    return _HEAD % (status, title, len(problem), header, problem)


_TOO_LARGE: Final = _refusal(
    431,
    b"Request Header Fields Too Large",
    b"The request line and headers are larger than 65,536 bytes.",
    b"headers_too_large",
)
_TOO_SLOW: Final = _refusal(
    408, b"Request Timeout", b"The headers did not arrive in time. Send the request again.", b"head_timeout"
)
_NOT_HTTP: Final = _refusal(400, b"Bad Request", b"This is not HTTP as RFC 9112 has it.", b"invalid_http")
_TOO_MANY: Final = _refusal(
    503,
    b"Service Unavailable",
    b"Too many connections are open. Connect again in a moment.",
    b"too_many_connections",
    b"retry-after: 1\r\n",
)


@dataclass(slots=True)
class Bounds:
    """What one worker allows its clients, and those of them that have to go first."""

    head_timeout_s: float = 10.0
    max_connections: int = 1024
    waiting: dict["BoundedHttpProtocol", None] = field(default_factory=dict, repr=False)
    """Yet to send a request or the rest of a small one, or to read an answer: in the order in which they began."""


class NoNoise(logging.Filter):
    """uvicorn warns of everything that is no HTTP, which the sender is told already: strangers fill no log."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.msg != "Invalid HTTP request received."


class BoundedConfig(Config):
    """TLS is left to BoundedHttpProtocol: event loops shake hands before any protocol knows of the connection."""

    tls: SSLContext | None = None

    def load(self) -> None:
        super().load()
        self.tls, self.ssl = self.ssl, None


class BoundedServer(Server):
    def _log_started_message(self, listeners: Sequence[SocketType]) -> None:
        """With the scheme that is spoken."""
        config = self.config
        config.ssl = getattr(config, "tls", None)
        super()._log_started_message(listeners)
        config.ssl = None


class BoundedHttpProtocol(HttpToolsProtocol):
    """Answers 431 to a head over MAX_HEAD_BYTES, 408 to one that takes too long and 503 to one connection too many, and hangs
    up; also on clients that do not read their answer. Shakes hands itself where a BoundedConfig has a certificate."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: AbstractEventLoop | None = None,
        bounds: Bounds | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._bounds = bounds or Bounds()
        self._in_head = False
        self._quiet_bytes = 0
        self._body_seen = False
        self._tls: SSLContext | None = getattr(config, "tls", None)
        """Until hands are shaken."""
        self._early = b""
        self._shaking: Task[None] | None = None
        self._running: RequestResponseCycle | None = None
        self._head_timer: TimerHandle | None = None
        self._write_timer: TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        bounds = self._bounds
        if len(self.connections) > bounds.max_connections:
            if not bounds.waiting:
                self._hang_up(_TOO_MANY)
                return
            next(iter(bounds.waiting))._make_room()
        self._wait_for_head()
        if self._tls is not None:
            transport.pause_reading()
            self._shaking = self.loop.create_task(self._shake_hands(transport, self._tls))

    async def _shake_hands(self, plain: Any, tls: SSLContext) -> None:
        """Within the time for a head, which began when the connection did."""
        shaking = self.loop.create_task(
            self.loop.start_tls(
                plain,
                self,
                tls,
                server_side=True,
                ssl_handshake_timeout=self._bounds.head_timeout_s,
                ssl_shutdown_timeout=TLS_GOODBYE_S,
            )
        )
        try:
            await sleep(0)  # until TLS has taken over from us
            await sleep(0)  # until it is told of its connection
            # uvloop reads before it starts the task, whether reading is paused or not
            hello, self._early = self._early, b""
            while hello and not plain.is_closing():
                room = plain.get_protocol().get_buffer(len(hello))
                taken = min(len(room), len(hello))
                room[:taken] = hello[:taken]
                plain.get_protocol().buffer_updated(taken)
                hello = hello[taken:]
            secure = await shaking
        except (OSError, RuntimeError, AttributeError, CancelledError):  # gone, no TLS, too slow, or it had to make room
            secure = None
            shaking.cancel()
        if secure is None or secure.is_closing() or self not in self.connections:
            plain.abort()
            self.connection_lost(None)
            return
        self._tls = None
        super().connection_made(secure)
        if self._early:
            early, self._early = self._early, b""
            self.data_received(early)

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_arrived()
        self._cancel_write_timer()
        self.pipeline.clear()
        super().connection_lost(exc)
        if self._running is not None and not self._running.response_complete:  # where self.cycle is one that waits behind it
            self._running.disconnected = True
            self._running.message_event.set()

    def data_received(self, data: bytes) -> None:
        if self._tls is not None:
            self._early += data  # came with the end of the handshake
            return
        if self.transport.is_closing():
            return
        unfinished = self._in_head
        self._body_seen = False
        super().data_received(data)
        if self.transport.is_closing():
            return
        # Only pieces that lie wholly inside a head, or among the trailers behind a body, count: others may carry a large part
        # of a body.
        if (unfinished and self._in_head) or not (unfinished or self._in_head or self._body_seen):
            self._quiet_bytes += len(data)
            if self._quiet_bytes > MAX_HEAD_BYTES:
                self._hang_up(_TOO_LARGE)
                return
        # A client that sends the rest of a body that nobody asked for, or empty lines, is one that waits, too.
        if self._head_timer is None and (self.cycle is None or self.cycle.response_complete):
            self._wait_for_head()

    def on_message_begin(self) -> None:
        self._in_head, self._body_seen, self._quiet_bytes = True, True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        self._head_arrived()
        super().on_headers_complete()
        self._wait_for_body()

    def on_body(self, body: bytes) -> None:
        self._body_seen = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        if not self.cycle.response_complete:
            self._bounds.waiting.pop(self, None)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        # Either uvicorn's own timer for the time between two requests runs now, or the client has to take the rest and go
        if self.timeout_keep_alive_task is not None or self.transport.is_closing():
            self._linger()
        else:
            self._wait_for_body()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        if not self.transport.is_closing():
            self._running = cycle
            super()._start_asgi_task(cycle, _ForWhoStays(app, cycle))  # type: ignore[arg-type]

    def pause_writing(self) -> None:
        super().pause_writing()
        self._linger()
        if self._write_timer is None:
            self._write_timer = self.loop.call_later(WRITE_STALLED_S, self.transport.abort)

    def resume_writing(self) -> None:
        self._cancel_write_timer()
        if self.cycle is not None and not self.cycle.response_complete and not self.transport.is_closing():
            self._bounds.waiting.pop(self, None)
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        self._hang_up(_NOT_HTTP)

    def _unsupported_upgrade_warning(self) -> None:
        """Nothing: the request is answered as any other, and strangers fill no log."""

    def _linger(self) -> None:
        if self in self.connections:
            self._bounds.waiting[self] = None

    def _wait_for_body(self) -> None:
        """Uploads keep their place while they come: nobody reads one whose sender was not let in."""
        cycle = self.cycle
        if cycle.more_body and not (cycle.response_complete or self.pipeline or self.scope["path"] in STREAMED):
            self._linger()

    def _wait_for_head(self) -> None:
        self._bounds.waiting[self] = None
        self._head_timer = self.loop.call_later(self._bounds.head_timeout_s, self._hang_up, _TOO_SLOW)

    def _head_arrived(self) -> None:
        self._bounds.waiting.pop(self, None)
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _cancel_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None

    def _make_room(self) -> None:
        """Go, for a newer connection; whoever was between two requests connects again."""
        self._head_arrived()
        self._abort()

    def _abort(self) -> None:
        self.transport.abort()
        if self._tls is not None and self._shaking is not None:  # nobody else would tell us that it is over
            self._shaking.cancel()

    def _hang_up(self, refusal: bytes) -> None:
        """Close; say why, unless the answer to a request before this one is still due."""
        self._head_arrived()
        if self._tls is not None:
            self._abort()
            return
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(refusal)
        self.transport.close()
        self._linger()


class _ForWhoStays:
    """Around the application for one request: a client that is gone is told nothing, in place of an error for each attempt."""

    def __init__(self, app: ASGIApp, cycle: RequestResponseCycle) -> None:
        self._app = app
        self._cycle = cycle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def received() -> Message:
            if not self._gone():
                try:
                    return await receive()
                except RuntimeError:
                    if not self._gone():
                        raise
            return {"type": "http.disconnect"}

        async def sent(message: Message) -> None:
            if not self._gone():
                try:
                    await send(message)
                except RuntimeError:
                    if not self._gone():
                        raise

        await self._app(scope, received, sent)

    def _gone(self) -> bool:
        cycle = self._cycle
        if cycle.transport.is_closing() and not cycle.response_complete:
            cycle.disconnected = True
        return cycle.disconnected
