"""Explanations for the routes: finds the model, asks the cache, then the workers."""

import asyncio
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any, Final, TypeVar

from models.card import ModelCard, card_of
from models.errors import ModelNotFound
from models.explain.catalogue import method_of
from models.graph import open_session, session_options
from models.repository import ModelRepository, Version
from service.errors import TooManyExplanations
from service.explain.cache import ExplanationCache, key_of
from service.explain.jobs import ArchitecturesJob, DescribeJob, Explained, ExplainJob, Model, WhyJob
from service.explain.pool import ExplainPool
from service.grading import ModelRef
from service.inference.reload import Champion
from service.settings import Settings

DESCRIBE_WITHIN_S: Final = 20.0
WHY_WITHIN_S: Final = 20.0
_CARDS_KEPT: Final = 16
_DRAWERS: Final = 2
"""Threads that decode and draw: each may hold a photograph of the largest size, several times over."""
Answer = TypeVar("Answer")


class Explainer:
    """One for each application. Starts no process before the first question."""

    def __init__(self, settings: Settings, champion: Champion) -> None:
        self._settings, self._champion = settings, champion
        self.pool = ExplainPool(settings.explain_workers, settings.explain_queue, settings.explain_threads)
        self.cache = ExplanationCache(settings.explain_cache_bytes)
        self._cards: OrderedDict[str, ModelCard] = OrderedDict()
        self._described: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._architectures: dict[str, Any] | None = None
        self._drawers = ThreadPoolExecutor(_DRAWERS, thread_name_prefix="draw")
        self._finding = threading.Lock()
        self._admitted = 0

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """A place for one question from its photograph to its answer. Each may hold a photograph of the largest size, so places
        are as many as questions may wait or be worked on. Raises TooManyExplanations."""
        if self._admitted >= self._settings.explain_queue + self._settings.explain_workers + _DRAWERS:
            raise TooManyExplanations(self._admitted)
        self._admitted += 1
        try:
            yield
        finally:
            self._admitted -= 1

    async def model(self, wanted: str | None = None) -> Model:
        """A version by number or alias, or the champion in service. Raises ModelNotFound, ModelNotReady, InvalidCard."""
        if wanted is None:
            serving = self._champion.current.model
            return Model(self._root, serving.version, serving.card)
        return await asyncio.to_thread(self._find, wanted)

    async def model_of(self, ref: ModelRef) -> Model:
        """The model that graded. Raises ModelNotFound when it is gone, or the number is another model's now."""
        model = await self.model(str(ref.version))
        if model.version.sha256 != ref.sha256:
            raise ModelNotFound(ref.name, f"model {ref.sha256[:12]} any more, which graded", [str(ref.version)])
        return model

    async def explain(self, job: ExplainJob) -> Explained:
        """Raises ExplainError, ModelError, TooManyExplanations, ExplanationTimeout, ExplanationFailed, ..."""
        key = key_of(job)
        found = self.cache.get(key)
        if found is None:
            found = await _answer(self.pool.submit(job, method_of(job.method).deadline_s))
            self.cache.put(key, found)
        return found

    async def describe(self, model: Model) -> dict[str, Any]:
        """Methods and layers of a model's network."""
        key = model.version.sha256
        if key not in self._described:
            self._described[key] = await _answer(self.pool.submit(DescribeJob(model), DESCRIBE_WITHIN_S))
            if len(self._described) > _CARDS_KEPT:
                self._described.popitem(last=False)
        return self._described[key]

    async def why(self, job: WhyJob) -> dict[str, Any]:
        found: dict[str, Any] = await _answer(self.pool.submit(job, WHY_WITHIN_S))
        return found

    async def architectures(self) -> dict[str, Any]:
        """The table of all networks; made once."""
        if self._architectures is None:
            self._architectures = await _answer(self.pool.submit(ArchitecturesJob(), DESCRIBE_WITHIN_S))
        return self._architectures

    async def draw(self, work: Callable[..., Answer], *arguments: Any, **named: Any) -> Answer:
        """Run what decodes or draws in a thread, at most a few at a time."""
        return await asyncio.get_running_loop().run_in_executor(self._drawers, partial(work, *arguments, **named))

    async def close(self) -> None:
        """Leave no process and no thread behind."""
        await asyncio.to_thread(self.pool.close)
        await asyncio.to_thread(self._drawers.shutdown, cancel_futures=True)

    @property
    def _root(self) -> Any:
        return self._settings.models

    def _find(self, wanted: str) -> Model:
        repository: ModelRepository = self._champion.repository
        version: Version = repository.get(wanted)
        with self._finding:  # one at a time: a card costs the opening of a model
            card = self._cards.get(version.sha256)
            if card is None:
                session = open_session(repository.load(version), session_options(threads=1))
                card = self._cards[version.sha256] = card_of(session)
                if len(self._cards) > _CARDS_KEPT:
                    self._cards.popitem(last=False)
        return Model(self._root, version, card)


async def _answer(future: Future[Any]) -> Any:
    """Await a worker's answer; a caller that goes away takes its question back, if no worker has begun on it."""
    return await asyncio.wrap_future(future)
