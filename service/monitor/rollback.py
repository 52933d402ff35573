"""A promoted model whose first fruit go wrong is rolled back, without anybody being asked.

Two signs, each with its bound: too much goes to the manual lane, or it contradicts the champion before too often, which grades
the same photographs in the shadow meanwhile.
"""

import asyncio
import logging
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine

from models.errors import SenkaError
from models.repository import ModelRepository
from service.decision import MANUAL
from service.grading import Grading
from service.inference.reload import Champion
from service.inference.shadow import Shadow
from service.monitor.alarms import Alarms
from service.records.profiles import SERVICE
from service.records.resources import Signature
from service.rollout import ROLLED_BACK, put_on_trail

log = logging.getLogger(__name__)

MODEL_ROLLED_BACK: Final = "model_rolled_back"
FIRST: Final = 200
"""So many of a worker's gradings after a promotion are looked at."""


@dataclass
class _Count:
    """How many of the first photographs show a sign; a share of 0 is not looked at."""

    share: float
    words: str
    seen: int = 0
    found: int = 0

    @property
    def done(self) -> bool:
        return self.share == 0 or self.seen >= FIRST

    def restart(self) -> None:
        self.seen = self.found = 0

    def note(self, shows: bool) -> bool:
        """One more photograph; whether more than the share of all FIRST show the sign already, whatever the rest will be."""
        if self.done:
            return False
        self.seen += 1
        self.found += shows
        return self.found > self.share * FIRST

    def __str__(self) -> str:
        return f"{self.words.format(self.found)}, more than {self.share:.0%} of {FIRST}"


class RollbackWatch:
    """Counts one worker's gradings after each exchange of the champion. `note` is called on the event loop.

    Every worker counts its own; the first that has seen enough rolls back for all. A start is no promotion: what happened before
    it is not known here.
    """

    def __init__(
        self, manual_share: float, disagreement: float, champion: Champion, shadow: Shadow, engine: Engine, alarms: Alarms
    ) -> None:
        self._manual = _Count(manual_share, "sent {} of its first photographs to the manual lane")
        self._against = _Count(disagreement, "contradicted the version before on {} of the first photographs that both graded")
        self._champion, self._shadow, self._engine, self._alarms = champion, shadow, engine, alarms
        self._serving = champion.current if champion.ready else None
        self._version = self._serving.ref.version if self._serving else None
        self._before: int | None = None
        self._acting: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        shadow.on_compared = self._compared

    def note(self, grading: Grading) -> None:
        """One more grading. Never waits and never raises."""
        serving = self._champion.current
        if serving is not self._serving:
            self._serving = serving
            self._start(serving.ref.version)
        if grading.model.version == self._version:
            self._count(self._manual, grading.lane == MANUAL)

    def _compared(self, champion: int, shadow: int, agree: bool) -> None:
        """In the shadow's thread."""
        if shadow == self._shadow.former:
            self._loop.call_soon_threadsafe(self._note_compared, champion, shadow, agree)

    def _note_compared(self, champion: int, shadow: int, agree: bool) -> None:
        if (champion, shadow) == (self._version, self._before):
            self._count(self._against, not agree)
            if self._against.done:
                self._shadow.former = None

    def _count(self, sign: _Count, shows: bool) -> None:
        version, before = self._version, self._before
        if version is not None and before is not None and sign.note(shows) and self._acting is None:
            self._manual.seen = self._against.seen = FIRST
            self._shadow.former = None
            self._acting = asyncio.create_task(self._roll_back(before, version, str(sign)))

    def _start(self, version: int) -> None:
        """This version grades from now on; the same as before where it went and came back between two photographs."""
        back = version == self._before
        if version != self._version and not back:
            self._alarms.clear(MODEL_ROLLED_BACK)  # not at a start: a worker that takes another's place has seen nothing
        if version != self._version:
            # Whoever comes back was not promoted: were it watched too, two models in poor light would take turns
            self._before, self._version = None if back else self._version, version
        self._manual.restart()
        self._against.restart()
        self._shadow.former = None if self._against.done else self._before

    async def close(self) -> None:
        """Finish what was begun."""
        if self._acting:
            await self._acting

    async def _roll_back(self, before: int, version: int, why: str) -> None:
        try:
            if await asyncio.to_thread(_undo, self._champion.repository, self._engine, before, version):
                self._alarms.raise_(MODEL_ROLLED_BACK, f"Version {version} {why}; version {before} grades again.", "critical")
            elif self._champion.repository.aliases().champion == version:  # there was another between the two
                log.error("version %d %s; roll it back by hand", version, why)
                self._alarms.raise_(
                    MODEL_ROLLED_BACK, f"Version {version} {why}. It grades on: roll it back by hand.", "critical"
                )
        except (SenkaError, OSError) as error:
            log.error("version %d %s, but could not be rolled back: %s", version, why, error)
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
