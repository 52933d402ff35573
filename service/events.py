"""What happens, for pages that watch: server-sent events (WHATWG HTML, section 9.2) read from the records.

The records are the one source: a page sees what is on record, also what other workers graded, and after a lost connection it
resumes at the number it saw last. With nobody watching nothing is read. What several pages want alike is read, counted and
written out once; pages that want the latest fruit only are spared the rest, so that fifty of them cost the line next to nothing.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import orjson

from service.grading import Grading, rfc3339
from service.inference.reload import Champion
from service.monitor.feed import AlarmFeed
from service.records.repository import Filters, Recorded, Records

log = logging.getLogger(__name__)

POLL_S: Final = 0.2
"""How long another worker's grading may take to show; this worker's own show at once."""
PACE_S: Final = 0.125
"""The records are read no more often: faster than anybody can see, and each look costs the line a little."""
RUSH_PER_S: Final = 100.0
RUSH_PACE_S: Final = 0.4
"""And so often while more fruit than that comes: it is gone from the page before anybody could read it."""
STATS_S: Final = 1.0
ACTIVITY_S: Final = 5.0
HEARTBEAT_S: Final = 2.0
"""A page that hears nothing for two of these is cut off, and says so."""
QUEUE: Final = 512
"""Messages a slow page may be behind before its connection is closed; it comes back and resumes."""
RESUME: Final = 200
"""Gradings sent again at most to a page that comes back."""
LOOKED_BACK: Final = 2_000
MOST_COUNTED: Final = 32
KINDS: Final = ("grading", "stats", "alarm", "model", "activity")
ALWAYS: Final = frozenset(KINDS) - {"activity"}

_Messages = Sequence[tuple[int | None, bytes]]
"""With the number of each that has one."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a page watches."""

    kinds: frozenset[str] = ALWAYS
    filters: Filters = field(default_factory=Filters)
    """Gradings by their line, lot and camera; figures by all that is given."""
    latest: int | None = None
    """Of what came at once at most so many, the newest; None is all."""

    @property
    def any_place(self) -> bool:
        """Whether gradings of every line, lot and camera fit."""
        return self.filters.line is self.filters.lot is self.filters.camera is None

    def shows(self, grading: Grading) -> bool:
        """Whether a grading fits."""
        wanted, origin = self.filters, grading.origin
        return all(
            want is None or want == has
            for want, has in ((wanted.line, origin.line), (wanted.lot, origin.lot), (wanted.camera, origin.camera))
        )


def message(event: str, data: Any, number: int | None = None) -> bytes:
    """One event on the wire."""
    head = f"id: {number}\n" if number is not None else ""
    return head.encode() + b"event: " + event.encode() + b"\ndata: " + orjson.dumps(data) + b"\n\n"


class _Watcher:
    """One page: what it wants, and what waits for it."""

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self.waiting = 0  # messages
        self._queue: asyncio.Queue[_Messages | None] = asyncio.Queue()

    def put(self, messages: _Messages) -> bool:
        """False for a page that is too far behind; what it has not read yet stays, so that it resumes without a gap."""
        if self.waiting >= QUEUE:
            self.hang_up()
            return False
        self.waiting += len(messages)
        self._queue.put_nowait(messages)
        return True

    def hang_up(self) -> None:
        self._queue.put_nowait(None)

    async def next(self, wait_s: float) -> _Messages | None:
        """What has come since. Raises TimeoutError."""
        async with asyncio.timeout(wait_s):  # wait_for makes a task each time, which fifty pages notice
            messages = await self._queue.get()
        if messages is not None:
            self.waiting -= len(messages)
        return messages


class Events:
    """Reads the records while somebody watches, and hands each page what it wants."""

    def __init__(
        self,
        records: Records | None,
        champion: Champion,
        alarms: AlarmFeed | None = None,
        activity: Callable[[str | None], dict[str, Any]] | None = None,
    ) -> None:
        self._records, self._champion, self._alarms, self._activity = records, champion, alarms, activity
        self._watchers: set[_Watcher] = set()
        self._recorded = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()
        self._stats_wanted = False
        self._activity_due_s = 0.0
        self._closed = False

    def nudge(self) -> None:
        """This worker has put something on record."""
        self._recorded.set()

    def close(self) -> None:
        """End every stream, so that a stopping server need not wait for pages."""
        self._closed = True
        for watcher in self._watchers:
            watcher.hang_up()
        if self._reader:
            self._reader.cancel()

    async def stream(self, last_seen: int | None, wanted: Wanted | None = None) -> AsyncGenerator[bytes, None]:
        """Messages from now on, or from after the number `last_seen`; ends when the service stops or the page is too slow.

        Whatever is recorded after the first message was yielded comes in a later one.
        """
        watcher = _Watcher(wanted or Wanted())
        self._watchers.add(watcher)
        try:
            await self._start_reading()
            yield b"retry: 1000\n\n"
            yield self._clock()
            told_s = time.monotonic()
            if self._champion.ready and "model" in watcher.wanted.kinds:
                yield message("model", self._model())
            if self._alarms and "alarm" in watcher.wanted.kinds:
                for alarm in await asyncio.to_thread(self._alarms.open):
                    yield message("alarm", alarm)
            replayed = 0
            if last_seen is not None and self._records and "grading" in watcher.wanted.kinds:
                missed = await asyncio.to_thread(_missed, self._records, last_seen, watcher.wanted)
                replayed = missed[-1].seq if missed else 0
                for _, text in _gradings(missed, watcher.wanted):
                    yield text
            while not self._closed:
                try:
                    messages = await watcher.next(HEARTBEAT_S)
                except TimeoutError:
                    messages = ()
                if messages is None:
                    return
                # some may have been recorded while the missed ones were read
                text = b"".join(text for number, text in messages if number is None or number > replayed)
                if time.monotonic() - told_s >= HEARTBEAT_S:
                    told_s = time.monotonic()
                    text += self._clock()
                if text:
                    yield text
        finally:
            self._watchers.discard(watcher)

    async def _start_reading(self) -> None:
        self._stats_wanted = True
        self._activity_due_s = 0.0
        async with self._starting:
            if self._closed or (self._reader and not self._reader.done()):
                return
            seen = await asyncio.to_thread(self._records.last_seq) if self._records else 0
            if not self._closed:
                self._reader = asyncio.create_task(self._watch(seen))

    async def _watch(self, seen: int) -> None:
        """Read and count until nobody watches. Counting goes on beside: fruit never waits for figures."""
        counter = asyncio.create_task(self._count())
        try:
            await self._read(seen)
        finally:
            counter.cancel()
            await asyncio.wait({counter})

    async def _read(self, seen: int) -> None:
        loop = asyncio.get_running_loop()
        model = self._model()
        alarms_due_s = began_s = loop.time()
        while self._watchers:
            before_s, began_s, before = began_s, loop.time(), seen
            self._recorded.clear()
            if self._model() != model:
                model = self._model()
                self._send("model", [(None, message("model", model))])
            try:
                if self._alarms and began_s >= alarms_due_s:
                    alarms_due_s = began_s + STATS_S
                    for alarm in await asyncio.to_thread(self._alarms.changes):
                        self._send("alarm", [(None, message("alarm", alarm))])
                if self._records:
                    seen = await self._send_after(self._records, seen)
            except Exception:  # a database that is away for a moment must not end every page's stream
                log.exception("events could not be read from the records")
                self._stats_wanted = True
                await asyncio.sleep(STATS_S)
            pace_s = self._pace_s((seen - before) / max(PACE_S, began_s - before_s))
            try:
                await asyncio.wait_for(self._recorded.wait(), POLL_S)
            except TimeoutError:
                continue
            await asyncio.sleep(max(0.0, began_s + pace_s - loop.time()))

    def _pace_s(self, per_s: float) -> float:
        """How long from one look to the next, by how much comes; who wants every grading has each look bring few enough."""
        rush = per_s > RUSH_PER_S and _most_of_the_latest(self._wanting("grading")) is not None
        return RUSH_PACE_S if rush else PACE_S

    async def _send_after(self, records: Records, seen: int) -> int:
        """Send what is on record after a number; return the last one's."""
        most = _most_of_the_latest(self._wanting("grading"))
        found = await asyncio.to_thread(records.newest_after, seen, most) if most else None
        watchers = self._wanting("grading")
        if found is None or _most_of_the_latest(watchers) != most:  # or somebody came meanwhile who wants more
            found = await asyncio.to_thread(records.after, seen, RESUME)
            watchers = self._wanting("grading")
        if not found:
            return seen
        self._stats_wanted = True
        for one in found:
            records.shown.note(one.grading.id, one.grading.photograph)
        written: dict[Wanted, _Messages] = {}
        for watcher in watchers:
            wanted = watcher.wanted
            if wanted not in written:
                written[wanted] = _gradings(found, wanted)
            if written[wanted]:
                self._give(watcher, written[wanted])
        return found[-1].seq

    async def _count(self) -> None:
        loop = asyncio.get_running_loop()
        stats_due_s = 0.0
        while True:
            if self._records and self._stats_wanted and loop.time() >= stats_due_s:
                self._stats_wanted = False
                stats_due_s = await self._counted("stats", STATS_S, self._stats)
            if self._activity and loop.time() >= self._activity_due_s:
                self._activity_due_s = loop.time() + ACTIVITY_S
                self._activity_due_s = await self._counted("activity", ACTIVITY_S, self._activity_of)
            await asyncio.sleep(min(POLL_S, STATS_S))

    async def _counted(self, kind: str, every_s: float, count: Callable[[Filters], dict[str, Any]]) -> float:
        """Send each page its figures; return when they are due again.

        Counting a long season, or a rush of fruit, takes a while: never more than a hundredth of the time goes to it, and of
        MOST_COUNTED kinds of figures that are asked for at once the others are not counted.
        """
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        made: dict[Filters, _Messages] = {}
        for watcher in self._wanting(kind):
            filters = watcher.wanted.filters if kind == "stats" else Filters(line=watcher.wanted.filters.line)
            if filters not in made and len(made) < MOST_COUNTED:
                try:
                    made[filters] = [(None, message(kind, await asyncio.to_thread(count, filters)))]
                except Exception:  # the database may be away, or the farm's time zone unknown: fruit is shown all the same
                    log.exception("%s could not be counted", kind)
                    self._stats_wanted = True
                    break
            if filters in made:
                self._give(watcher, made[filters])
        return loop.time() + max(every_s, 100 * (loop.time() - began_s))

    def _stats(self, filters: Filters) -> dict[str, Any]:
        assert self._records is not None  # noqa: S101 - only asked for where there are records
        return self._records.stats(filters)

    def _activity_of(self, filters: Filters) -> dict[str, Any]:
        assert self._activity is not None  # noqa: S101 - as above
        return self._activity(filters.line)

    def _model(self) -> dict[str, Any] | None:
        if not self._champion.ready:
            return None
        ref = self._champion.current.ref
        return {"name": ref.name, "version": ref.version, "sha256": ref.sha256}

    def _clock(self) -> bytes:
        """A sign of life, with the service's time and how many pages this worker has: many of them ask for fewer photographs."""
        return message("clock", {"now": rfc3339(datetime.now(UTC)), "pages": len(self._watchers)})

    def _wanting(self, kind: str) -> list[_Watcher]:
        return [watcher for watcher in self._watchers if kind in watcher.wanted.kinds]

    def _send(self, kind: str, messages: _Messages) -> None:
        for watcher in self._wanting(kind):
            self._give(watcher, messages)

    def _give(self, watcher: _Watcher, messages: _Messages) -> None:
        if not watcher.put(messages):
            self._watchers.discard(watcher)


def _most_of_the_latest(watchers: Sequence[_Watcher]) -> int | None:
    """How many of the newest gradings all of them need at most; None where somebody needs every one."""
    if not all(watcher.wanted.any_place and watcher.wanted.latest for watcher in watchers):
        return None
    return max((watcher.wanted.latest or 1 for watcher in watchers), default=1)


def _missed(records: Records, last_seen: int, wanted: Wanted) -> list[Recorded]:
    """What a page that comes back is sent again. Of a line, lot or camera: among the newest LOOKED_BACK."""
    if wanted.any_place:
        return records.newest_after(last_seen, wanted.latest) if wanted.latest else records.after(last_seen, RESUME)
    found = [one for one in records.newest_after(last_seen, LOOKED_BACK) if wanted.shows(one.grading)]
    return found[-(wanted.latest or RESUME) :]


def _gradings(found: Sequence[Recorded], wanted: Wanted) -> _Messages:
    fitting = [one for one in found if wanted.shows(one.grading)]
    shown = fitting[-wanted.latest :] if wanted.latest else fitting
    return [(one.seq, message("grading", one.grading.to_json(), one.seq)) for one in shown]
