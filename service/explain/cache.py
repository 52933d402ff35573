"""Explanations made before, the least recently used forgotten first."""

import json
from collections import OrderedDict
from hashlib import sha256

from service.explain.jobs import Explained, ExplainJob


def key_of(job: ExplainJob) -> str:
    """The same for the same question: pixels as the network sees them, model, method, layer, target, settled parameters."""
    subject = job.subject
    seen = [] if subject is None else [subject.pixels] if subject.enlarged is None else [subject.pixels, subject.enlarged]
    pixels = [sha256(one.tobytes()).hexdigest() for one in seen]
    facts = (pixels, job.model.version.sha256, job.method, job.layer, job.target, sorted(job.parameters.items()))
    return sha256(json.dumps(facts).encode()).hexdigest()


class ExplanationCache:
    """At most `limit_bytes` of explanations; 0 keeps none. For one thread, the event loop's."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._kept: OrderedDict[str, Explained] = OrderedDict()
        self.held_bytes = 0

    def get(self, key: str) -> Explained | None:
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
        return found

    def put(self, key: str, explained: Explained) -> None:
        """Keep it, unless it alone is larger than the limit."""
        if key in self._kept:
            self.held_bytes -= self._kept.pop(key).size_bytes
        if explained.size_bytes > self._limit_bytes:
            return
        self._kept[key] = explained
        self.held_bytes += explained.size_bytes
        while self.held_bytes > self._limit_bytes:
            _, oldest = self._kept.popitem(last=False)
            self.held_bytes -= oldest.size_bytes
