"""A promoted model that sends too much of its first fruit to the manual lane is rolled back, without anybody being asked."""

import asyncio
import logging
from typing import Final

from sqlalchemy import Engine

from models.errors import SenkaError
from models.repository import ModelRepository
from service.decision import MANUAL
from service.grading import Grading
from service.inference.reload import Champion
from service.monitor.alarms import Alarms
from service.records.profiles import SERVICE
from service.records.resources import Signature
from service.rollout import ROLLED_BACK, put_on_trail

log = logging.getLogger(__name__)

MODEL_ROLLED_BACK: Final = "model_rolled_back"
FIRST: Final = 200
"""So many of a worker's gradings after a promotion are looked at."""


class RollbackWatch:
    """Counts one worker's gradings after each exchange of the champion. `note` is called on the event loop.

    Every worker counts its own; the first that has seen enough rolls back for all. A start is no promotion: what happened before
    it is not known here.
    """

    def __init__(self, share: float, champion: Champion, engine: Engine, alarms: Alarms) -> None:
        self._most = share * FIRST
        self._share, self._champion, self._engine, self._alarms = share, champion, engine, alarms
        self._serving = champion.current if champion.ready else None
        self._version = self._serving.ref.version if self._serving else None
        self._before: int | None = None
        self._seen, self._manual = FIRST, 0
        self._raised = False
        self._acting: asyncio.Task[None] | None = None
        alarms.clear(MODEL_ROLLED_BACK)  # one that a run of the service before this one left open

    def note(self, grading: Grading) -> None:
        """One more grading. Never waits and never raises."""
        serving = self._champion.current
        if serving is not self._serving:
            self._serving = serving
            self._start(serving.ref.version)
        version = grading.model.version
        if self._before is None or self._seen >= FIRST or version != self._version:
            return
        self._seen += 1
        self._manual += grading.lane == MANUAL
        # More than the share of all of them already, whatever the rest will be
        if self._manual > self._most and self._acting is None:
            self._seen = FIRST
            self._acting = asyncio.create_task(self._roll_back(self._before, version))

    def _start(self, version: int) -> None:
        """This version grades from now on; the same as before where it went and came back between two photographs."""
        back = version == self._before
        if version != self._version:
            # Whoever comes back was not promoted: were it watched too, two models in poor light would take turns
            self._before, self._version = None if back else self._version, version
        self._seen = self._manual = 0
        if self._raised and not back:
            self._raised = False
            self._alarms.clear(MODEL_ROLLED_BACK)

    async def close(self) -> None:
        """Finish what was begun."""
        if self._acting:
            await self._acting

    async def _roll_back(self, before: int, version: int) -> None:
        detail = (
            f"Version {version} sent {self._manual} of its first photographs to the manual lane, more than "
            f"{self._share:.0%} of {FIRST}; version {before} grades again."
        )
        try:
            if await asyncio.to_thread(_undo, self._champion.repository, self._engine, before, version):
                self._raised = True
                self._alarms.raise_(MODEL_ROLLED_BACK, detail, "critical")
        except (SenkaError, OSError) as error:
            log.error("version %d sends too much to the manual lane, but could not be rolled back: %s", version, error)
        finally:
            self._acting = None
        await self._champion.follow()


def _undo(repository: ModelRepository, engine: Engine, before: int, version: int) -> bool:
    """Whether it was this process that rolled back; another may have been first, or somebody promoted a third version."""
    done = repository.undo(before, version)
    if done is None:
        return False
    put_on_trail(engine, ROLLED_BACK, done, Signature(SERVICE))
    return True
