"""HTTP as uvicorn speaks it, with bounds on what uvicorn's fast parser leaves unbounded: heads, connections and slow clients.

Who holds a connection without sending a request gets a time for it, and has to go first when there are too many connections:
clients that send a byte a second cost a socket each and keep nobody out.
"""

from asyncio import AbstractEventLoop, TimerHandle
from dataclasses import dataclass, field
from typing import Any, Final

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

MAX_HEAD_BYTES: Final = 64 * 1024
WRITE_STALLED_S: Final = 30.0
"""A client that takes less than the buffered answer (about 64 kB) in this time is not reading it."""
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
    """What one worker allows its clients, and those of them that are yet to send a request."""

    head_timeout_s: float = 10.0
    max_connections: int = 1024
    waiting: dict["BoundedHttpProtocol", None] = field(default_factory=dict, repr=False)
    """In the order in which they began to wait."""


class BoundedHttpProtocol(HttpToolsProtocol):
    """Answers 431 to a head over MAX_HEAD_BYTES, 408 to one that takes too long and 503 to one connection too many, and hangs
    up; also on clients that do not read their answer."""

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

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_arrived()
        self._cancel_write_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
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

    def on_body(self, body: bytes) -> None:
        self._body_seen = True
        super().on_body(body)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        # uvicorn's own timer for the time between two requests runs now
        if self.timeout_keep_alive_task is not None and not self.transport.is_closing():
            self._bounds.waiting[self] = None

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._write_timer is None:
            self._write_timer = self.loop.call_later(WRITE_STALLED_S, self.transport.abort)

    def resume_writing(self) -> None:
        self._cancel_write_timer()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        self._hang_up(_NOT_HTTP)

    def _unsupported_upgrade_warning(self) -> None:
        """Nothing: the request is answered as any other, and strangers fill no log."""

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
        self.transport.abort()

    def _hang_up(self, refusal: bytes) -> None:
        """Close; say why, unless the answer to a request before this one is still due."""
        self._head_arrived()
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(refusal)
        self.transport.close()
