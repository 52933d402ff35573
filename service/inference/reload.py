"""The champion in service: load, verify, warm, swap the reference, then let the old one finish its batches."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.errors import ModelNotFound, SenkaError
from models.imaging import Pixels
from models.repository import CHAMPION, Version
from service.errors import ModelNotReady
from service.grading import ModelRef
from service.inference.batcher import GreedyBatcher
from service.inference.session import LoadedModel, Scores, threads_for
from service.metrics import BATCH_SIZE, MODEL_INFO, QUEUE_DEPTH
from service.settings import Settings

log = logging.getLogger(__name__)

POLL_S = 1.0


@dataclass(frozen=True, slots=True)
class Serving:
    """A model and the batcher in front of it."""

    model: LoadedModel
    batcher: GreedyBatcher[Pixels, Scores]
    explaining: GreedyBatcher[Pixels, Scores]
    """For the photographs whose explanation is asked for: the others never wait for one."""

    @property
    def ref(self) -> ModelRef:
        version = self.model.version
        return ModelRef(version.name, version.number, version.sha256)

    async def close(self) -> None:
        """Finish what was accepted."""
        await self.batcher.close()
        await self.explaining.close()


class Champion:
    """Follows the repository's champion. A version that cannot be loaded is logged and the one in service stays."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.repository = settings.repository
        self._serving: Serving | None = None
        self._refused: tuple[Version, int] | None = None
        self._follower: asyncio.Task[None] | None = None
        self._retiring: set[asyncio.Task[None]] = set()
        self._told: Serving | None = None
        self._tell_failed = False
        self._unreadable = False
        self._refreshing = asyncio.Lock()
        self.on_serving: Callable[[Serving], None] = lambda _: None
        """Called in a thread once a model is in service; one that raises a SenkaError is called again later."""

    @property
    def current(self) -> Serving:
        """Raises ModelNotReady before the first champion is in service."""
        if self._serving is None:
            raise ModelNotReady(self.repository.name)
        return self._serving

    @property
    def ready(self) -> bool:
        return self._serving is not None

    async def start(self) -> None:
        """Serve the champion there is, if any, and follow it from now on. Raises when it cannot be loaded."""
        version = self._published()
        if version is not None:
            await self._serve(version)
        self._follower = asyncio.create_task(self._follow())

    async def stop(self) -> None:
        """Finish what was accepted."""
        if self._follower:
            self._follower.cancel()
            await asyncio.gather(self._follower, return_exceptions=True)
        if self._serving:
            await self._serving.close()
        await asyncio.gather(*self._retiring)

    async def refresh(self) -> None:
        """Swap to the repository's champion if it is another one; keep the current one when that fails.

        Raises RepositoryUnreadable and OSError.
        """
        async with self._refreshing:  # two who find the same new champion must not both load it
            await self._refresh()

    async def follow(self) -> None:
        """`refresh`, with a repository that cannot be read logged once, and once more when it can be again."""
        try:
            await self.refresh()
        except Exception as error:  # it may be unreadable for a moment; following must not end with it
            if not self._unreadable:
                self._unreadable = True
                expected = isinstance(error, (SenkaError, OSError))
                log.error("the model repository could not be read, what is in service stays: %s", error, exc_info=not expected)
            return
        if self._unreadable:
            self._unreadable = False
            log.warning("the model repository can be read again")

    async def _refresh(self) -> None:
        version = await asyncio.to_thread(self._published)
        if self._serving and version == self._serving.model.version:
            self._refused = None  # a version refused before gets another try when it is promoted once more
            return
        if version is None:
            return
        attempt = version, _changed_at(version)
        if attempt == self._refused:
            return
        try:
            await self._serve(version)
        except SenkaError as error:
            self._refused = attempt
            log.error("version %d was not loaded, the model in service stays: %s", version.number, error)

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(POLL_S)
            await self.follow()
            await self._tell()

    async def _tell(self) -> None:
        serving = self._serving
        if serving is None or serving is self._told:
            return
        try:
            await asyncio.to_thread(self.on_serving, serving)
        except SenkaError as error:
            if not self._tell_failed:
                log.warning("that version %d is in service could not be noted yet: %s", serving.model.version.number, error)
            self._tell_failed = True
        else:
            self._told, self._tell_failed = serving, False

    def _published(self) -> Version | None:
        try:
            return self.repository.get(CHAMPION)
        except ModelNotFound:
            return None

    async def _serve(self, version: Version) -> None:
        chosen = self._settings
        threads = threads_for(chosen.workers, chosen.threads)

        def load() -> LoadedModel:
            data = self.repository.load(version)
            loaded = LoadedModel.load(data, version, chosen.providers, threads, chosen.max_batch)
            if self._serving and self._serving.model.explains:  # who asked for reasons goes on asking
                spec = loaded.card.preprocess
                loaded.explained([np.zeros((spec.height, spec.width, 3), np.uint8)])
            return loaded

        model = await asyncio.to_thread(load)
        batcher = GreedyBatcher[Pixels, Scores](
            lambda inputs: [Scores(one) for one in model.probabilities(inputs)],
            chosen.max_batch,
            chosen.max_queue,
            chosen.max_queue_delay_ms,
            _watch,
        )
        explaining = GreedyBatcher[Pixels, Scores](model.explained, chosen.max_batch, chosen.max_queue)
        old, self._serving = self._serving, Serving(model, batcher, explaining)
        _show(model, 1)
        if old:
            _show(old.model, 0)
            retiring = asyncio.create_task(old.close())
            self._retiring.add(retiring)
            retiring.add_done_callback(self._retiring.discard)
        await self._tell()


def _changed_at(version: Version) -> int:
    """When the file changed last, ns: a refused one that was mended is tried again. 0 where it is missing."""
    try:
        return version.path.stat().st_mtime_ns
    except OSError:
        return 0


def _show(model: LoadedModel, value: int) -> None:
    MODEL_INFO.labels(str(model.version.number), model.version.sha256, model.provider).set(value)


def _watch(depth: int, size: int) -> None:
    QUEUE_DEPTH.set(depth)
    if size:
        BATCH_SIZE.observe(size)
