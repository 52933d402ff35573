"""What photographs look like to the network: embeddings by the model in service, made when asked for and kept in memory."""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from models.errors import ImageError, SenkaError
from models.graph import EMBEDDING, INPUT, network_values, open_session, session_options
from models.imaging import ImageLimits
from models.preprocess import PreprocessSpec
from models.repository import Version
from service.inference.reload import Champion
from service.records.photographs import PhotographStore

if TYPE_CHECKING:
    import onnxruntime as ort

log = logging.getLogger(__name__)

Floats = npt.NDArray[np.float32]
Run = Callable[..., Awaitable[Any]]
"""Runs a function with its arguments in a thread."""

BATCH: Final = 8
"""Photographs embedded in one go, in one thread: grading waits for a core no longer than that takes."""
WITHIN_S: Final = 2.0
"""Embedding takes no longer; the rest waits for the next question, which finds this part done."""
KEPT: Final = 2_000
"""Embeddings in memory, the least recently used forgotten first: 4 MB of a ResNet-34's."""


class Pictured(Protocol):
    """A grading and the key of its photograph."""

    @property
    def id(self) -> str: ...

    @property
    def photograph(self) -> str: ...


class Looks:
    """Embeddings of photographs by the model in service, which opens the graph that has them at the first question."""

    def __init__(self, champion: Champion, photographs: PhotographStore, limits: ImageLimits, run: Run) -> None:
        self._champion, self._photographs, self._limits, self._run = champion, photographs, limits, run
        self._one_at_a_time = asyncio.Lock()
        self._opened: tuple[Version, ort.InferenceSession | None] | None = None
        self._kept: OrderedDict[str, Floats] = OrderedDict()

    async def of(self, wanted: Sequence[Pictured], within_s: float = WITHIN_S) -> dict[str, Floats] | None:
        """(D,) by the id of a grading, without those whose photograph is gone or broken.

        None where the model in service gives no embedding, the store is away, or it takes longer than `within_s`.
        """
        found = await self._asked(wanted, within_s)
        return found[0] if found and found[1] else None

    async def some(self, wanted: Sequence[Pictured], within_s: float) -> tuple[dict[str, Floats], bool]:
        """As `of`, but what is done in time of them, in their order, and whether that is all; else nothing."""
        return await self._asked(wanted, within_s) or ({}, False)

    async def _asked(self, wanted: Sequence[Pictured], within_s: float) -> tuple[dict[str, Floats], bool] | None:
        """And whether these are all."""
        if not self._champion.ready:
            return None
        until = time.monotonic() + within_s
        try:
            async with asyncio.timeout(within_s):
                await self._one_at_a_time.acquire()
        except TimeoutError:
            return None
        try:
            model = self._champion.current.model
            return await self._until(until, wanted, model.version, model.card.preprocess)
        except (SenkaError, OSError) as error:
            log.warning("photographs are compared by their probabilities for now: %s", error)
            return None
        finally:
            self._one_at_a_time.release()

    async def _until(
        self, until: float, wanted: Sequence[Pictured], version: Version, spec: PreprocessSpec
    ) -> tuple[dict[str, Floats], bool] | None:
        if self._opened is None or self._opened[0] != version:
            self._kept.clear()
            self._opened = version, await self._run(self._open, version)
        session = self._opened[1]
        if session is None:
            return None
        missing = [one for one in wanted if one.id not in self._kept]
        made: dict[str, Floats] = {}
        done = True
        for start in range(0, len(missing), BATCH):
            if time.monotonic() > until:
                done = False
                break
            made |= await self._run(self._embed, session, spec, missing[start : start + BATCH])
        known = {**self._kept, **made}
        found = {one.id: known[one.id] for one in wanted if one.id in known}
        self._keep(found)
        return found, done

    def _open(self, version: Version) -> "ort.InferenceSession | None":
        """A session of one thread; None where the graph has no embedding. Raises as ModelRepository.load."""
        session = open_session(self._champion.repository.load(version), session_options(threads=1))
        return session if EMBEDDING in [output.name for output in session.get_outputs()] else None

    def _embed(self, session: "ort.InferenceSession", spec: PreprocessSpec, batch: Sequence[Pictured]) -> dict[str, Floats]:
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
