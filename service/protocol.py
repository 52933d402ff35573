"""HTTP as uvicorn speaks it, with a bound on what comes before a body: uvicorn's fast parser has none of its own."""

from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES: Final = 64 * 1024
_REFUSAL: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: application/problem+json\r\nconnection: close\r\n"
    b"content-length: %d\r\n\r\n%s"
)
_PROBLEM: Final = (
    b'{"type":"about:blank","title":"Request Header Fields Too Large","status":431,'
    b'"detail":"The request line and headers are larger than 65,536 bytes.","code":"headers_too_large"}'
)


class BoundedHttpProtocol(HttpToolsProtocol):
    """Answers 431 and hangs up once the request line and headers of a request pass MAX_HEAD_BYTES."""

    _in_head = False
    _head_bytes = 0

    def data_received(self, data: bytes) -> None:
        unfinished = self._in_head
        super().data_received(data)
        # Only pieces that lie wholly inside a head count: others may carry a large part of a body.
        if not (unfinished and self._in_head):
            return
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.transport.write(_REFUSAL % (len(_PROBLEM), _PROBLEM))
            self.transport.close()

    def on_message_begin(self) -> None:
        self._in_head, self._head_bytes = True, 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()
