"""The way of a photograph: bytes -> header -> pixels -> network input -> batch -> decision -> record. No HTTP in it."""

import asyncio
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final, TypeVar

from models.imaging import ImageHeader, ImageLimits, Pixels, decode, read_header
from service.decision import MISSED, decide
from service.errors import Draining, Overloaded
from service.explanation import explanation
from service.grading import Grading, Origin, new_id
from service.idempotency import REPLAYED, Answered, body_hash, scoped
from service.inference.batcher import Batched
from service.inference.reload import Champion, Serving
from service.inference.session import Scores
from service.inference.shadow import Seen, Shadow
from service.metrics import CONFIDENCE, GRADINGS, STAGE_SECONDS, line_label
from service.recording import Recording
from service.records.entry import Entry
from service.records.keeping import interest_of
from service.records.repository import Records
from service.settings import Settings

Result = TypeVar("Result")

INLINE_PIXELS: Final = 300 * 300
"""A JPEG up to this size decodes in about the time that handing it to a thread takes, so it does so on the event loop."""
INLINE_BYTES: Final = 256 * 1024
"""More than that is hashed and decoded in a thread, however few pixels it declares."""
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
    idempotency_key: str | None = None
    """A photograph that comes again under it is answered as the first time; of no meaning in a dry run."""
    key_id: str | None = None
    """The credential that posts it; idempotency keys of two of them have nothing to do with each other."""


class Pipeline:
    """Grades photographs. Build it on a running event loop; `close` finishes what was accepted."""

    def __init__(self, settings: Settings, champion: Champion, records: Records | None) -> None:
        self._settings, self._champion, self._records = settings, champion, records
        self._limits = ImageLimits(settings.max_pixels)
        self._decoders = ThreadPoolExecutor(max(1, len(os.sched_getaffinity(0))), thread_name_prefix="decode")
        self._recording = Recording(records, settings) if records else None
        self._decoding = self._open = 0
        self._warming: set[asyncio.Task[Batched[Scores]]] = set()
        self._all_answered = asyncio.Event()
        self.on_recorded: Callable[[], None] = lambda: None
        self.lot_of: Callable[[str | None], str | None] = lambda line: None
        """The lot that runs on a line, for photographs that name none."""
        self.profile_version: int | None = None
        """Of the rules that decide, as the records know them."""
        self.shadow: Shadow | None = None
        """The challenger, which grades what is on record too; None where there are no records."""
        self.on_graded: Callable[[Grading], None] = lambda grading: None
        """Hears of every photograph that counts in the figures: on record, and no dry run."""
        self.draining = False

    async def grade(self, data: bytes, order: Order = Order(), started: float | None = None) -> Grading:
        """The grading of `answer`."""
        return (await self.answer(data, order, started)).grading

    async def answer(self, data: bytes, order: Order = Order(), started: float | None = None) -> Answered:
        """Grade one photograph and put it on record; `started` is the `time.perf_counter` of its first byte.

        After the deadline the network is not waited for: the answer is the manual lane. A photograph that was graded before
        under the same idempotency key is answered as it was then, whatever the state of the model. Raises ImageError, Overloaded,
        Draining, ModelNotReady, IdempotencyConflict, and RecordsUnavailable when the grading is not on record: it was not
        answered then, and may be sent again.
        """
        if self.draining:
            raise Draining
        self._open += 1
        try:
            if self._recording is None or order.idempotency_key is None or order.dry_run:
                return await self._grade(data, order, started)
            return await self._grade_once(self._recording, order.idempotency_key, data, order, started)
        finally:
            self._open -= 1
            if not self._open:
                self._all_answered.set()

    async def _grade_once(self, recording: Recording, key: str, data: bytes, order: Order, started: float | None) -> Answered:
        body_sha256 = body_hash(data) if len(data) <= INLINE_BYTES else await self._aside(body_hash, data)
        answered = await recording.once(
            scoped(key, order.key_id), body_sha256, lambda: self._grade(data, order, started, body_sha256)
        )
        if not answered.replayed:
            return answered
        return replace(answered, grading=replace(answered.grading, explanation=REPLAYED if order.explain else None))

    async def _grade(self, data: bytes, order: Order, started: float | None, body_sha256: str | None = None) -> Answered:
        received_at, started = datetime.now(UTC), started or time.perf_counter()
        serving = self._champion.current  # before anything is spent on the photograph: without a model it is refused
        header = read_header(data, self._limits)
        timing = {"decode": 0.0, "queue": 0.0, "infer": 0.0}
        expires = started + (order.deadline_ms or self._settings.deadline_ms) / 1e3
        recording = None if order.dry_run else self._recording
        # Recording comes after the decision and before the answer, so its time is not the network's to use.
        reserved_s = (LATE_MS + (2 * recording.slowest_ms if recording else 0.0)) / 1e3
        decide_by = expires - min(reserved_s, 0.5 * (expires - started))
        scores = pixels = None
        try:
            async with asyncio.timeout(decide_by - time.perf_counter()):
                serving, scores, batch_size, pixels = await self._score(data, header, decide_by, timing, order.explain)
                decision = decide(scores.probabilities, self._settings.manual_below)
        except TimeoutError:
            decision, batch_size = MISSED, 0
        timing["total"] = (time.perf_counter() - started) * 1e3
        grading = Grading(
            id=new_id(),
            received_at=received_at,
            origin=self._origin(order.origin),
            model=serving.ref,
            grade=decision.grade,
            confidence=decision.confidence,
            runner_up=decision.runner_up,
            probabilities=decision.probabilities,
            lane=decision.lane,
            reasons=decision.reasons,
            timing_ms={name: round(value, 3) for name, value in timing.items()},
            batch_size=batch_size,
            explanation=explanation(scores, decision, serving.model.card) if order.explain else None,
            profile_version=self.profile_version,
            idempotency_key=scoped(order.idempotency_key or "", order.key_id) if body_sha256 else None,
            body_sha256=body_sha256,
            key_id=order.key_id,
        )
        counts = await self._keep(recording, grading, data, header) if recording else grading
        on_record = recording is not None and counts.id == grading.id
        _count(grading, timing, started, on_record)
        if on_record:
            self.on_graded(grading)
        if self.shadow and on_record and pixels is not None:
            self.shadow.offer(Seen(grading, pixels, serving.model.card.preprocess, data, header), serving.batcher.depth)
        return Answered(counts, replayed=counts.id != grading.id)

    async def close(self) -> None:
        """Refuse new photographs, finish the accepted ones."""
        self.draining = True
        while self._open:
            self._all_answered.clear()
            await self._all_answered.wait()
        await self._champion.stop()
        if self._recording:
            await self._recording.close()
        self._decoders.shutdown()

    async def _score(
        self, data: bytes, header: ImageHeader, expires: float, timing: dict[str, float], explain: bool
    ) -> tuple[Serving, Scores, int, Pixels]:
        """Who graded it, the result, the size of its batch, and the network input, (H, W, 3) uint8."""
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
            return serving, graded.result, graded.batch_size, pixels

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

    async def _keep(self, recording: Recording, grading: Grading, data: bytes, header: ImageHeader) -> Grading:
        """Put it on record, with its photograph if that is worth its space and there is any."""
        assert self._records is not None  # noqa: S101 - there is no recording without
        photographs = self._records.photographs
        interest = interest_of(grading.id, grading, self._settings)
        if interest is None or not photographs.has_room():
            counts = await recording.keep(Entry(grading))
        else:
            key = (
                photographs.key(data, header.format)
                if len(data) <= INLINE_BYTES
                else await self._aside(photographs.key, data, header.format)
            )
            kept = replace(grading, photograph=key, photograph_bytes=len(data), interest=int(interest))
            counts = await recording.keep(Entry(kept, data))
        self.on_recorded()
        return counts

    def _origin(self, origin: Origin) -> Origin:
        if origin.lot is not None or (lot := self.lot_of(origin.line)) is None:
            return origin
        return replace(origin, lot=lot)

    async def _aside(self, function: Callable[..., Result], *arguments: object) -> Result:
        """What would hold the event loop up, in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._decoders, function, *arguments)


def _count(grading: Grading, timing: dict[str, float], started: float, counted: bool) -> None:
    for name in ("decode", "queue", "infer"):
        if timing[name]:  # a stage that a late photograph never reached took no time that means anything
            STAGE_SECONDS.labels(name).observe(timing[name] / 1e3)
    STAGE_SECONDS.labels("total").observe(time.perf_counter() - started)
    if not counted:
        return
    GRADINGS.labels(grading.grade or "none", grading.lane, line_label(grading.origin.line)).inc()
    if grading.confidence is not None:
        CONFIDENCE.observe(grading.confidence)
