"""The way of a photograph: bytes -> header -> pixels -> network input -> batch -> decision -> record. No HTTP in it."""

import asyncio
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from models.imaging import ImageHeader, ImageLimits, Pixels, decode, read_header
from service.decision import MISSED, decide
from service.errors import Draining, Overloaded, RecordsUnavailable
from service.explanation import explanation
from service.grading import Grading, Origin, new_id
from service.inference.batcher import Batched, GreedyBatcher
from service.inference.reload import Champion, Serving
from service.inference.session import Scores
from service.metrics import CONFIDENCE, GRADINGS, STAGE_SECONDS, line_label
from service.records.repository import Entry, Records
from service.settings import Settings

INLINE_PIXELS: Final = 300 * 300
"""A JPEG up to this size decodes in about the time that handing it to a thread takes, so it does so on the event loop."""
INLINE_BYTES: Final = 256 * 1024
"""More than that is hashed and decoded in a thread, however few pixels it declares."""
RECORD_BATCH: Final = 128
OPENS_WITHIN_S: Final = 2.0
"""The first photograph whose explanation is asked for waits until its graph is open, where its deadline leaves this much."""
LATE_MS: Final = 10.0
"""By so much a busy event loop may be late with an answer; it is set aside of every deadline."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a camera asks for beside sending a photograph."""

    origin: Origin = field(default_factory=Origin)
    deadline_ms: float | None = None
    """Milliseconds from reception; None takes the setting."""
    dry_run: bool = False
    """Grade, but keep nothing."""
    explain: bool = False
    """Answer with the class activation map."""


class Pipeline:
    """Grades photographs. Build it on a running event loop; `close` finishes what was accepted."""

    def __init__(self, settings: Settings, champion: Champion, records: Records | None) -> None:
        self._settings, self._champion, self._records = settings, champion, records
        self._limits = ImageLimits(settings.max_pixels)
        self._decoders = ThreadPoolExecutor(max(1, len(os.sched_getaffinity(0))), thread_name_prefix="decode")
        # One commit for everything that was graded while the last commit was written.
        self._recorder = (
            GreedyBatcher[Entry, None](records.add, RECORD_BATCH, 4 * settings.max_queue, isolate=_is_its_own)
            if records
            else None
        )
        self._decoding = self._open = 0
        self._warming: set[asyncio.Task[Batched[Scores]]] = set()
        self._all_answered = asyncio.Event()
        self._record_ms = 5.0  # what a commit has taken lately, at its slowest
        self.on_recorded: Callable[[], None] = lambda: None
        self.draining = False

    async def grade(self, data: bytes, order: Order = Order(), started: float | None = None) -> Grading:
        """Grade one photograph and put it on record; `started` is the `time.perf_counter` of its first byte.

        After the deadline the network is not waited for: the answer is the manual lane. Raises ImageError, Overloaded, Draining,
        ModelNotReady, and RecordsUnavailable when the grading is not on record: it was not answered then, and may be sent again.
        """
        if self.draining:
            raise Draining
        self._open += 1
        try:
            return await self._grade(data, order, started)
        finally:
            self._open -= 1
            if not self._open:
                self._all_answered.set()

    async def _grade(self, data: bytes, order: Order, started: float | None) -> Grading:
        received_at, started = datetime.now(UTC), started or time.perf_counter()
        serving = self._champion.current  # before anything is spent on the photograph: without a model it is refused
        header = read_header(data, self._limits)
        timing = {"decode": 0.0, "queue": 0.0, "infer": 0.0}
        expires = started + (order.deadline_ms or self._settings.deadline_ms) / 1e3
        keeps = self._recorder is not None and not order.dry_run
        # Recording comes after the decision and before the answer, so its time is not the network's to use.
        reserved_s = (LATE_MS + (2 * self._record_ms if keeps else 0.0)) / 1e3
        decide_by = expires - min(reserved_s, 0.5 * (expires - started))
        scores = None
        try:
            async with asyncio.timeout(decide_by - time.perf_counter()):
                serving, scores, batch_size = await self._score(data, header, decide_by, timing, order.explain)
                decision = decide(scores.probabilities, self._settings.manual_below)
        except TimeoutError:
            decision, batch_size = MISSED, 0
        timing["total"] = (time.perf_counter() - started) * 1e3
        grading = Grading(
            id=new_id(),
            received_at=received_at,
            origin=order.origin,
            model=serving.ref,
            grade=decision.grade,
            confidence=decision.confidence,
            runner_up=decision.runner_up,
            probabilities=decision.probabilities,
            lane=decision.lane,
            reasons=decision.reasons,
            timing_ms={name: round(value, 3) for name, value in timing.items()},
            batch_size=batch_size,
            photograph=await self._key(data, header) if keeps else None,
            explanation=explanation(scores, decision, serving.model.card) if order.explain else None,
        )
        if keeps:
            await self._record(Entry(grading, data if grading.photograph else None))
        _count(grading, timing, started, order.dry_run)
        return grading

    async def close(self) -> None:
        """Refuse new photographs, finish the accepted ones."""
        self.draining = True
        while self._open:
            self._all_answered.clear()
            await self._all_answered.wait()
        await self._champion.stop()
        if self._recorder:
            await self._recorder.close()
        self._decoders.shutdown()

    async def _score(
        self, data: bytes, header: ImageHeader, expires: float, timing: dict[str, float], explain: bool
    ) -> tuple[Serving, Scores, int]:
        while True:
            began = time.perf_counter()
            serving = self._champion.current
            pixels = await self._network_input(data, header, serving)
            timing["decode"] = (time.perf_counter() - began) * 1e3
            if explain and not serving.model.explains and expires - began < OPENS_WITHIN_S:
                # Opening the graph of explanations could cost this fruit its grade: for the next one it will be open.
                self._warm(serving, pixels)
                explain = False
            batcher = serving.explaining if explain else serving.batcher
            try:
                graded = await batcher.submit(pixels, expires)
            except Draining:
                if serving is self._champion.current:
                    raise
                continue  # the champion changed meanwhile: the photograph goes to the new one, prepared as that one wants
            timing["queue"], timing["infer"] = graded.queue_ms, graded.run_ms
            return serving, graded.result, graded.batch_size

    def _warm(self, serving: Serving, pixels: Pixels) -> None:
        task = asyncio.create_task(serving.explaining.submit(pixels))
        self._warming.add(task)
        task.add_done_callback(self._warming.discard)
        task.add_done_callback(lambda done: done.cancelled() or done.exception())  # asked for, so that nobody reports it

    async def _network_input(self, data: bytes, header: ImageHeader, serving: Serving) -> Pixels:
        spec = serving.model.card.preprocess

        def prepare() -> Pixels:
            return spec.from_pixels(decode(data, header, spec.decode_size(header.width, header.height)))

        if header.format == "jpeg" and header.width * header.height <= INLINE_PIXELS and len(data) <= INLINE_BYTES:
            return prepare()
        if self._decoding >= self._settings.max_queue:
            raise Overloaded(self._decoding)
        self._decoding += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._decoders, prepare)
        finally:
            self._decoding -= 1

    async def _key(self, data: bytes, header: ImageHeader) -> str | None:
        if self._records is None or self._settings.keep == "none":
            return None
        key = self._records.photographs.key
        if len(data) <= INLINE_BYTES:
            return key(data, header.format)
        return await asyncio.get_running_loop().run_in_executor(self._decoders, key, data, header.format)

    async def _record(self, entry: Entry) -> None:
        assert self._recorder is not None  # noqa: S101 - asked by the caller
        began = time.perf_counter()
        # Shielded: a camera that hangs up must not undo a grading that others are committed with.
        await asyncio.shield(self._recorder.submit(entry))
        took = time.perf_counter() - began
        self._record_ms = max(took * 1e3, 0.95 * self._record_ms)
        STAGE_SECONDS.labels("record").observe(took)
        self.on_recorded()


def _is_its_own(error: Exception) -> bool:
    """Whether an entry failed for a reason of its own. A database that is away fails them all: trying each would take ages."""
    return not isinstance(error, RecordsUnavailable)


def _count(grading: Grading, timing: dict[str, float], started: float, dry_run: bool) -> None:
    for name in ("decode", "queue", "infer"):
        if timing[name]:  # a stage that a late photograph never reached took no time that means anything
            STAGE_SECONDS.labels(name).observe(timing[name] / 1e3)
    STAGE_SECONDS.labels("total").observe(time.perf_counter() - started)
    if dry_run:
        return
    GRADINGS.labels(grading.grade or "none", grading.lane, line_label(grading.origin.line)).inc()
    if grading.confidence is not None:
        CONFIDENCE.observe(grading.confidence)
