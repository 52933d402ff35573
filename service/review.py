"""What to label next: an ordered queue of gradings, the most informative first, no two of the same look, and an audit sample.

The order is greedy: next comes what has the largest product of its score and its distance to all that were chosen before, the
k-centre greedy of Sener and Savarese (Active learning for convolutional neural networks, 2018) weighed by informativeness.
Places of the audit sample are set aside, so that it is not starved, and are filled by lot, so that it is no selection.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import numpy.typing as npt

from models.errors import ImageError, SenkaError
from models.graph import EMBEDDING, INPUT, network_values, open_session, session_options
from models.imaging import ImageLimits
from models.preprocess import PreprocessSpec
from models.repository import Version
from service.decision import MANUAL
from service.grading import Grading
from service.inference.reload import Champion
from service.records.filters import Filters
from service.records.photographs import PhotographStore
from service.records.repository import Records
from service.records.review import AUDIT, UNSURE_MARGIN, Candidate, Why, candidates, probabilities, whole

if TYPE_CHECKING:
    import onnxruntime as ort

log = logging.getLogger(__name__)

Floats = npt.NDArray[np.float32]
Run = Callable[..., Awaitable[Any]]
"""Runs a function with its arguments in a thread."""
Diversity = Literal["embedding", "probabilities"]

AUDIT_EVERY: Final = 10
"""One place of so many is the audit sample's."""
AUDIT_PLACE: Final = 4
"""Which of them, from 0: early enough for a queue of five to have one."""
BATCH: Final = 8
"""Photographs embedded in one go, in one thread: grading waits for a core no longer than that takes."""
WITHIN_S: Final = 2.0
"""Embedding takes no longer; the rest waits for the next question, which finds this part done."""
KEPT: Final = 2_000
"""Embeddings in memory, the least recently used forgotten first: 4 MB of a ResNet-34's."""


@dataclass(frozen=True, slots=True)
class Reviewed:
    """One place of the queue."""

    candidate: Candidate
    grading: Grading

    def to_json(self) -> dict[str, Any]:
        one = self.candidate
        because = " ".join(_words(one, self.grading))
        return {**self.grading.to_json(), "why": list(one.why), "score": round(one.score, 4), "because": because}


@dataclass(frozen=True, slots=True)
class Queue:
    """The answer of `GET /v1/review`."""

    places: list[Reviewed]
    considered: int
    diversity: Diversity | None
    """By what the looks were compared; None where there was nothing to compare."""

    def to_json(self) -> dict[str, Any]:
        shown = [one.to_json() for one in self.places]
        return {"gradings": shown, "considered": self.considered, "diversity": self.diversity}


class Review:
    """Queues of one application. For the event loop: what blocks runs in threads."""

    def __init__(self, records: Records, champion: Champion, limits: ImageLimits, run: Run) -> None:
        self._records = records
        self._looks = Looks(champion, records.photographs, limits, run)

    async def queue(self, filters: Filters, limit: int, why: Why | None = None) -> Queue:
        """At most `limit` places, of one reason alone where `why` names it. Raises RecordsUnavailable."""
        found = await asyncio.to_thread(candidates, self._records, filters, why)
        informative = found.informative if why != AUDIT else []
        sample = by_lot(found.sample) if why in (None, AUDIT) else []
        there, vectors, diversity = await self._vectors(informative)
        scores = np.array([one.score for one in there], np.float32)
        ordered = [there[index] for index in spread_out(scores, vectors, limit)]
        chosen = interleaved(ordered, sample, limit)
        gradings = await asyncio.to_thread(whole, self._records, chosen)
        places = [Reviewed(one, gradings[one.seq]) for one in chosen if one.seq in gradings]
        return Queue(places, found.considered, diversity)

    async def _vectors(self, wanted: Sequence[Candidate]) -> tuple[Sequence[Candidate], Floats, Diversity | None]:
        """Who of them can be shown, their vectors (N, D), and of what kind these are."""
        if not wanted:
            return wanted, np.zeros((0, 1), np.float32), None
        looks = await self._looks.of(wanted)
        if looks is None:
            known = await asyncio.to_thread(probabilities, self._records, wanted)
            there = [one for one in wanted if one.seq in known]
            return there, np.array([known[one.seq] for one in there], np.float32).reshape(len(there), -1), "probabilities"
        # a photograph that the store has no more can be shown to nobody
        there = [one for one in wanted if one.id in looks]
        return there, np.array([looks[one.id] for one in there], np.float32).reshape(len(there), -1), "embedding"


class Looks:
    """Embeddings of photographs by the model in service, which opens the graph that has them at the first question."""

    def __init__(self, champion: Champion, photographs: PhotographStore, limits: ImageLimits, run: Run) -> None:
        self._champion, self._photographs, self._limits, self._run = champion, photographs, limits, run
        self._one_at_a_time = asyncio.Lock()
        self._opened: tuple[Version, ort.InferenceSession | None] | None = None
        self._kept: OrderedDict[str, Floats] = OrderedDict()

    async def of(self, wanted: Sequence[Candidate]) -> dict[str, Floats] | None:
        """(D,) by the id of a grading, without those whose photograph is gone or broken.

        None where the model in service gives no embedding, the store is away, or it takes longer than WITHIN_S.
        """
        if not self._champion.ready:
            return None
        model = self._champion.current.model
        async with self._one_at_a_time:
            try:
                return await self._of(wanted, model.version, model.card.preprocess)
            except (SenkaError, OSError) as error:
                log.warning("photographs are compared by their probabilities for now: %s", error)
                return None

    async def _of(self, wanted: Sequence[Candidate], version: Version, spec: PreprocessSpec) -> dict[str, Floats] | None:
        until = time.monotonic() + WITHIN_S
        if self._opened is None or self._opened[0] != version:
            self._kept.clear()
            self._opened = version, await self._run(self._open, version)
        session = self._opened[1]
        if session is None:
            return None
        missing = [one for one in wanted if one.id not in self._kept]
        made: dict[str, Floats] = {}
        for start in range(0, len(missing), BATCH):
            if time.monotonic() > until:
                self._keep(made)
                return None
            made |= await self._run(self._embed, session, spec, missing[start : start + BATCH])
        known = {**self._kept, **made}
        found = {one.id: known[one.id] for one in wanted if one.id in known}
        self._keep(found)
        return found

    def _open(self, version: Version) -> "ort.InferenceSession | None":
        """A session of one thread; None where the graph has no embedding. Raises as ModelRepository.load."""
        session = open_session(self._champion.repository.load(version), session_options(threads=1))
        return session if EMBEDDING in [output.name for output in session.get_outputs()] else None

    def _embed(self, session: "ort.InferenceSession", spec: PreprocessSpec, batch: Sequence[Candidate]) -> dict[str, Floats]:
        inputs = {}
        for one in batch:
            stored = self._photographs.get(one.photograph)
            if stored is None:
                continue
            try:
                inputs[one.id] = spec.from_bytes(stored[0], self._limits)
            except ImageError:  # a disk that failed since
                continue
        if not inputs:
            return {}
        values = network_values(session, np.stack(list(inputs.values())))
        return dict(zip(inputs, session.run([EMBEDDING], {INPUT: values})[0], strict=True))

    def _keep(self, found: dict[str, Floats]) -> None:
        for one_id, embedding in found.items():
            self._kept[one_id] = embedding
            self._kept.move_to_end(one_id)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)


def spread_out(scores: Floats, vectors: Floats, count: int) -> list[int]:
    """(N,) scores and (N, D) vectors -> at most `count` indices, the first one the highest score's.

    Distances are between vectors brought to length 1. Of equals the one that stands first comes first, and what looks like one
    that was chosen already comes last, by its score.
    """
    chosen: list[int] = []
    if not len(scores):
        return chosen
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    units = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    apart = np.ones(len(scores), np.float32)
    left = np.ones(len(scores), bool)
    for _ in range(min(count, len(scores))):
        gain = np.where(left, scores * apart + 1e-6 * scores, -1.0)  # the rest decides among copies of what is chosen
        best = int(np.argmax(gain))
        chosen.append(best)
        left[best] = False
        distance = np.linalg.norm(units - units[best], axis=1)
        apart = distance if len(chosen) == 1 else np.minimum(apart, distance)
    return chosen


def by_lot(sample: Sequence[Candidate]) -> list[Candidate]:
    """In an order that has nothing to do with them, the same on every worker."""
    return sorted(sample, key=lambda one: blake2b(one.id.encode(), digest_size=8, person=b"review").digest())


def interleaved(ordered: Sequence[Candidate], sample: Sequence[Candidate], limit: int) -> list[Candidate]:
    """One place of AUDIT_EVERY from the sample, the others in order; where one of the two ends, the other goes on."""
    waiting, audits = list(reversed(ordered)), list(reversed(sample))
    chosen: dict[str, Candidate] = {}
    while len(chosen) < limit and (waiting or audits):
        audit = bool(audits) and (not waiting or len(chosen) % AUDIT_EVERY == AUDIT_PLACE)
        one = (audits if audit else waiting).pop()
        chosen.setdefault(one.id, one)
    return list(chosen.values())


def _words(one: Candidate, grading: Grading) -> list[str]:
    """Why somebody should look at it: a sentence for each reason."""
    said = []
    if one.margin < UNSURE_MARGIN and grading.runner_up and grading.confidence is not None:
        second, probability = grading.runner_up
        said.append(f"The two best grades are close: {grading.grade} {grading.confidence:.2f}, {second} {probability:.2f}.")
    if one.lane == MANUAL:
        said.append("It went to the manual lane.")
    if one.shadow:
        said.append(
            f"The challenger, version {one.shadow.version}, says {one.shadow.grade} {one.shadow.confidence:.2f} "
            f"and not {grading.grade}."
        )
    if one.in_sample:
        said.append("Drawn by lot from all photographs, whatever was decided.")
    return said
