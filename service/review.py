"""What to label next: an ordered queue of gradings, the most informative first, no two of the same look, and an audit sample.

The order is greedy: next comes what has the largest product of its score and its distance to all that were chosen before, the
k-centre greedy of Sener and Savarese (Active learning for convolutional neural networks, 2018) weighed by informativeness.
Places of the audit sample are set aside, so that it is not starved, and are filled by lot, so that it is no selection.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any, Final, Literal

import numpy as np

from service.decision import MANUAL
from service.grading import Grading
from service.looks import WITHIN_S, Floats, Looks
from service.records.filters import Filters
from service.records.repository import Records
from service.records.review import AUDIT, UNSURE_MARGIN, Candidate, Why, candidates, probabilities, whole

Diversity = Literal["embedding", "probabilities"]

SPAN: Final = timedelta(days=7)
"""Looked back on where `since` is not given."""
AUDIT_EVERY: Final = 10
"""One place of so many is the audit sample's."""
AUDIT_PLACE: Final = 4
"""Which of them, from 0: early enough for a queue of five to have one."""


@dataclass(frozen=True, slots=True)
class Asked:
    """Of which gradings a queue is asked for; None is any, and a week before `until` or now for `since`."""

    since: datetime | None = None
    until: datetime | None = None
    line: str | None = None
    lot: str | None = None
    why: Why | None = None

    def filters(self, now: datetime) -> Filters:
        """As the records know them."""
        since = self.since
        if since is None:
            end = self.until or now
            since = end - min(SPAN, end - datetime.min.replace(tzinfo=UTC))  # the calendar begins there
        return Filters(since=since, until=self.until, line=self.line, lot=self.lot)


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


@dataclass(frozen=True, slots=True)
class Order:
    """Who comes next, without the gradings themselves."""

    candidates: Sequence[Candidate]
    considered: int
    diversity: Diversity | None


class Review:
    """Queues of one application. For the event loop: what blocks runs in threads."""

    def __init__(self, records: Records, looks: Looks) -> None:
        self._records, self._looks = records, looks

    async def queue(self, filters: Filters, limit: int, why: Why | None = None) -> Queue:
        """At most `limit` places, of one reason alone where `why` names it. Raises RecordsUnavailable."""
        order = await self.order(filters, limit, why)
        gradings = await asyncio.to_thread(whole, self._records, [one.seq for one in order.candidates])
        places = [Reviewed(one, gradings[one.seq]) for one in order.candidates if one.seq in gradings]
        return Queue(places, order.considered, order.diversity)

    async def order(self, filters: Filters, limit: int, why: Why | None = None, within_s: float = WITHIN_S) -> Order:
        """As `queue`; looks are compared by probabilities where embedding takes longer than `within_s`."""
        found = await asyncio.to_thread(candidates, self._records, filters, why)
        informative = found.informative if why != AUDIT else []
        sample = by_lot(found.sample) if why in (None, AUDIT) else []
        there, vectors, diversity = await self._vectors(informative, within_s)
        scores = np.array([one.score for one in there], np.float32)
        indices = await asyncio.to_thread(spread_out, scores, vectors, limit)
        chosen = interleaved([there[index] for index in indices], sample, limit)
        return Order(chosen, found.considered, diversity)

    async def _vectors(
        self, wanted: Sequence[Candidate], within_s: float
    ) -> tuple[Sequence[Candidate], Floats, Diversity | None]:
        """Who of them can be shown, their vectors (N, D), and of what kind these are."""
        if not wanted:
            return wanted, np.zeros((0, 1), np.float32), None
        looks = await self._looks.of(wanted, within_s)
        if looks is None:
            known = await asyncio.to_thread(probabilities, self._records, wanted)
            there = [one for one in wanted if one.seq in known]
            return there, np.array([known[one.seq] for one in there], np.float32).reshape(len(there), -1), "probabilities"
        # a photograph that the store has no more can be shown to nobody
        there = [one for one in wanted if one.id in looks]
        return there, np.array([looks[one.id] for one in there], np.float32).reshape(len(there), -1), "embedding"


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
