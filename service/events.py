"""What happens, for pages that watch: server-sent events (WHATWG HTML, section 9.2) read from the records.

The records are the one source: a page sees what is on record, also what other workers graded, and after a lost connection it
resumes at the number it saw last. With nobody watching nothing is read.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any, Final

import orjson

from service.inference.reload import Champion
from service.records.repository import Filters, Records

log = logging.getLogger(__name__)

POLL_S: Final = 0.2
"""How long another worker's grading may take to show; this worker's own show at once."""
STATS_S: Final = 1.0
HEARTBEAT_S: Final = 5.0
QUEUE: Final = 512
"""Messages a slow page may be behind before its connection is closed; it comes back and resumes."""
RESUME: Final = 200
"""Gradings sent again at most to a page that comes back."""


def message(event: str, data: Any, number: int | None = None) -> bytes:
    """One event on the wire."""
    head = f"id: {number}\n" if number is not None else ""
    return head.encode() + b"event: " + event.encode() + b"\ndata: " + orjson.dumps(data) + b"\n\n"


class Events:
    """Reads the records while somebody watches, and hands each message to every watcher."""

    def __init__(self, records: Records | None, champion: Champion) -> None:
        self._records, self._champion = records, champion
        self._watchers: set[asyncio.Queue[bytes | None]] = set()
        self._recorded = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None
        self._closed = False

    def nudge(self) -> None:
        """This worker has put something on record."""
        self._recorded.set()

    def close(self) -> None:
        """End every stream, so that a stopping server need not wait for pages."""
        self._closed = True
        for queue in self._watchers:
            _hang_up(queue)
        if self._reader:
            self._reader.cancel()

    async def stream(self, last_seen: int | None) -> AsyncIterator[bytes]:
        """Messages from now on, or from after the number `last_seen`; ends when the service stops or the page is too slow."""
        queue: asyncio.Queue[bytes | None] = asyncio.Queue(QUEUE)
        self._watchers.add(queue)
        try:
            yield b"retry: 1000\n\n"
            if self._champion.ready:
                yield message("model", self._model())
            if last_seen is not None and self._records:
                for missed in await asyncio.to_thread(self._records.after, last_seen, RESUME):
                    yield message("grading", missed.grading.to_json(), missed.seq)
            if self._records and (self._reader is None or self._reader.done()):
                self._reader = asyncio.create_task(self._read(self._records))
            while not self._closed:
                try:
                    text = await asyncio.wait_for(queue.get(), HEARTBEAT_S)
                except TimeoutError:
                    yield b": alive\n\n"
                    continue
                if text is None:
                    return
                yield text
        finally:
            self._watchers.discard(queue)

    async def _read(self, records: Records) -> None:
        seen = await asyncio.to_thread(records.last_seq)
        loop = asyncio.get_running_loop()
        stats_due, unreported, model = 0.0, True, self._model()
        while self._watchers:
            try:
                new = await asyncio.to_thread(records.after, seen, RESUME)
                for recorded in new:
                    self._send(message("grading", recorded.grading.to_json(), recorded.seq))
                    seen = recorded.seq
                unreported |= bool(new)
                if unreported and loop.time() >= stats_due:
                    began = loop.time()
                    self._send(message("stats", await asyncio.to_thread(records.stats, Filters())))
                    # Counting a long season takes a while: never more than a tenth of the time goes to it.
                    stats_due, unreported = loop.time() + max(STATS_S, 10 * (loop.time() - began)), False
                if self._champion.ready and self._model() != model:
                    model = self._model()
                    self._send(message("model", model))
            except Exception:  # a database that is away for a moment must not end every page's stream
                log.exception("events could not be read from the records")
                await asyncio.sleep(STATS_S)
            self._recorded.clear()
            try:
                await asyncio.wait_for(self._recorded.wait(), POLL_S)
            except TimeoutError:
                continue

    def _model(self) -> dict[str, Any] | None:
        if not self._champion.ready:
            return None
        ref = self._champion.current.ref
        return {"name": ref.name, "version": ref.version, "sha256": ref.sha256}

    def _send(self, text: bytes) -> None:
        for queue in list(self._watchers):
            try:
                queue.put_nowait(text)
            except asyncio.QueueFull:
                _hang_up(queue)
                self._watchers.discard(queue)


def _hang_up(queue: asyncio.Queue[bytes | None]) -> None:
    while queue.full():
        queue.get_nowait()
    queue.put_nowait(None)
