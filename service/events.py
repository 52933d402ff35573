"""What happens, for pages that watch: server-sent events (WHATWG HTML, section 9.2) read from the records.

The records are the one source: a page sees what is on record, also what other workers graded, and after a lost connection it
resumes at the number it saw last. With nobody watching nothing is read.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from typing import Any, Final

import orjson

from service.inference.reload import Champion
from service.monitor.feed import AlarmFeed
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


_Watcher = asyncio.Queue[tuple[int | None, bytes] | None]
"""One page's messages and their numbers; None hangs up."""


class Events:
    """Reads the records while somebody watches, and hands each message to every watcher."""

    def __init__(self, records: Records | None, champion: Champion, alarms: AlarmFeed | None = None) -> None:
        self._records, self._champion, self._alarms = records, champion, alarms
        self._watchers: set[_Watcher] = set()
        self._recorded = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self._stats_wanted = False
        self._closed = False

    def nudge(self) -> None:
        """This worker has put something on record."""
        self._recorded.set()

    def close(self) -> None:
        """End every stream, so that a stopping server need not wait for pages."""
        self._closed = True
        for watcher in self._watchers:
            watcher.put_nowait(None)
        if self._reader:
            self._reader.cancel()

    async def stream(self, last_seen: int | None) -> AsyncGenerator[bytes, None]:
        """Messages from now on, or from after the number `last_seen`; ends when the service stops or the page is too slow.

        Whatever is recorded after the first message was yielded comes in a later one.
        """
        watcher = _Watcher()
        self._watchers.add(watcher)
        try:
            await self._start_reading()
            yield b"retry: 1000\n\n"
            if self._champion.ready:
                yield message("model", self._model())
            for alarm in await asyncio.to_thread(self._alarms.open) if self._alarms else ():
                yield message("alarm", alarm)
            replayed = 0
            if last_seen is not None and self._records:
                for missed in await asyncio.to_thread(self._records.after, last_seen, RESUME):
                    yield message("grading", missed.grading.to_json(), missed.seq)
                    replayed = missed.seq
            while not self._closed:
                try:
                    item = await asyncio.wait_for(watcher.get(), HEARTBEAT_S)
                except TimeoutError:
                    yield b": alive\n\n"
                    continue
                if item is None:
                    return
                number, text = item
                if number is None or number > replayed:  # it may have been recorded while the missed ones were read
                    yield text
        finally:
            self._watchers.discard(watcher)

    async def _start_reading(self) -> None:
        self._stats_wanted = True
        async with self._starting:
            if self._closed or (self._reader and not self._reader.done()):
                return
            seen = await asyncio.to_thread(self._records.last_seq) if self._records else 0
            if not self._closed:
                self._reader = asyncio.create_task(self._read(seen))

    async def _read(self, seen: int) -> None:
        loop = asyncio.get_running_loop()
        stats_due, model = 0.0, self._model()
        alarms_due = loop.time()
        while self._watchers:
            self._recorded.clear()
            try:
                if self._alarms and loop.time() >= alarms_due:
                    alarms_due = loop.time() + STATS_S
                    for alarm in await asyncio.to_thread(self._alarms.changes):
                        self._send(message("alarm", alarm))
                if self._records:
                    seen = await self._send_after(self._records, seen)
                if self._records and self._stats_wanted and loop.time() >= stats_due:
                    began, self._stats_wanted = loop.time(), False
                    self._send(message("stats", await asyncio.to_thread(self._records.stats, Filters())))
                    # Counting a long season takes a while: never more than a tenth of the time goes to it.
                    stats_due = loop.time() + max(STATS_S, 10 * (loop.time() - began))
                if self._model() != model:
                    model = self._model()
                    self._send(message("model", model))
            except Exception:  # a database that is away for a moment must not end every page's stream
                log.exception("events could not be read from the records")
                self._stats_wanted = True
                await asyncio.sleep(STATS_S)
            try:
                await asyncio.wait_for(self._recorded.wait(), POLL_S)
            except TimeoutError:
                continue

    async def _send_after(self, records: Records, seen: int) -> int:
        """Send what is on record after a number; return the last one's."""
        for recorded in await asyncio.to_thread(records.after, seen, RESUME):
            self._send(message("grading", recorded.grading.to_json(), recorded.seq), recorded.seq)
            seen = recorded.seq
            self._stats_wanted = True
        return seen

    def _model(self) -> dict[str, Any] | None:
        if not self._champion.ready:
            return None
        ref = self._champion.current.ref
        return {"name": ref.name, "version": ref.version, "sha256": ref.sha256}

    def _send(self, text: bytes, number: int | None = None) -> None:
        for watcher in list(self._watchers):
            if watcher.qsize() < QUEUE:
                watcher.put_nowait((number, text))
            else:
                # What it has not read yet stays, so that it resumes without a gap.
                watcher.put_nowait(None)
                self._watchers.discard(watcher)
