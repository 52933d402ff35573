"""Fruit that look alike to the network: the nearest of the newest photographs, by embedding, or by probabilities without one."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

from service.grading import Grading
from service.looks import Floats, Looks
from service.records.repository import Records
from service.records.review import whole
from service.records.similar import Comparable, comparable, kept_photograph, vector

WITHIN_S: Final = 0.5
"""Embedding takes no longer, but for the batch that is in the network by then; the next question goes on from there."""

By = Literal["embedding", "probabilities"]


@dataclass(frozen=True, slots=True)
class _Near:
    seq: int
    distance: float
    """1 - cosine, 0 to 2."""


class Similar:
    """For the event loop: what blocks runs in threads."""

    def __init__(self, records: Records, looks: Looks) -> None:
        self._records, self._looks = records, looks

    async def of(self, one: Grading, limit: int) -> dict[str, Any]:
        """The answer of `GET /v1/gradings/{grading_id}/similar`. Raises RecordsUnavailable."""
        photograph, there = await asyncio.to_thread(self._there, one.id)
        # the same photograph once more tells nobody anything
        others = [other for other in there if other.id != one.id and other.photograph != one.photograph]
        given = [vector(other.probabilities) for other in others]
        by_probabilities = await asyncio.to_thread(_nearest, vector(one.probabilities), others, given)
        near, by, compared = by_probabilities, "probabilities", len(others)
        if photograph is not None:
            # the likeliest first: there may be time for no more of them
            by_seq = {other.seq: other for other in others}
            wanted = [Comparable(0, one.id, photograph, {}), *(by_seq[each.seq] for each in by_probabilities)]
            looks, all_seen = await self._looks.some(wanted, WITHIN_S)
            seen = [other for other in others if other.id in looks]
            if one.id in looks and (all_seen or len(seen) >= limit):
                near = await asyncio.to_thread(_nearest, looks[one.id], seen, [looks[other.id] for other in seen])
                by, compared = "embedding", len(seen)
        shown = await asyncio.to_thread(self._shown, near[:limit])
        return {"gradings": shown, "by": by, "compared": compared}

    def _there(self, grading_id: str) -> tuple[str | None, list[Comparable]]:
        return kept_photograph(self._records, grading_id), comparable(self._records)

    def _shown(self, near: Sequence[_Near]) -> list[dict[str, Any]]:
        gradings = whole(self._records, [each.seq for each in near])
        return [{**gradings[each.seq].to_json(), "distance": round(each.distance, 4)} for each in near if each.seq in gradings]


def _nearest(query: Floats, others: Sequence[Comparable], vectors: Sequence[Floats]) -> list[_Near]:
    """A query (D,) and (N, D) vectors -> all N, the nearest first, of equals the newest. Zeros are at 1 from everything."""
    if not others:
        return []
    rows = np.array(vectors, np.float64)
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(query.astype(np.float64))
    cosines = np.divide(rows @ query, lengths, out=np.zeros(len(rows)), where=lengths > 0)
    distances = np.clip(1 - cosines, 0.0, 2.0)
    # rounded: what differs by less is the order in which a product was added up
    return [_Near(others[index].seq, float(distances[index])) for index in np.argsort(distances.round(6), kind="stable")]
