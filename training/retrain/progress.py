"""How far a retraining is, for whoever watches it: on disk for the service, and to a function for the command line."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from models.errors import SenkaError
from models.retrainings import Retraining, Retrainings, Stage

WRITTEN_EVERY_S: Final = 0.5

Watch = Callable[[Retraining], None]


class RetrainingCancelled(SenkaError):
    code = "retraining_cancelled"

    def __init__(self, retraining_id: str) -> None:
        super().__init__(f"Retraining {retraining_id} was cancelled. Go on with it: senka retrain --resume {retraining_id}.")


class Reporter:
    """Writes `state.json` at every stage and twice a second between; hears there whether the retraining was cancelled."""

    def __init__(self, retrainings: Retrainings, state: Retraining, watch: Watch | None = None) -> None:
        self._retrainings, self.state, self._watch = retrainings, state, watch
        self._written = 0.0

    def stage(self, stage: Stage, doing: str = "", **facts: Any) -> None:
        """A new stage begins. Raises RetrainingCancelled."""
        self._note(stage=stage, doing=doing or stage, done=0, of=0, **facts)
        self._write()
        self.stop_if_cancelled()

    def tell(self, doing: str, done: int = 0, of: int = 0) -> None:
        """What is being done, how far, of how many. Raises RetrainingCancelled."""
        changed = doing != self.state.doing
        self._note(doing=doing, done=done, of=of)
        if changed or time.monotonic() - self._written >= WRITTEN_EVERY_S:
            self._write()
            self.stop_if_cancelled()
        elif self._watch:
            self._watch(self.state)

    def end(self, **facts: Any) -> Retraining:
        """How it ended. A later word of somebody who cancels comes too late."""
        self._note(finished_at=_now(), **facts)
        self._write()
        return self.state

    def stop_if_cancelled(self) -> None:
        """Raises RetrainingCancelled."""
        if self._retrainings.is_cancelled(self.state.id):
            raise RetrainingCancelled(self.state.id)

    def _note(self, **facts: Any) -> None:
        self.state = self.state.model_copy(update={**facts, "updated_at": _now()})

    def _write(self) -> None:
        self._retrainings.write(self.state)
        self._written = time.monotonic()
        if self._watch:
            self._watch(self.state)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
