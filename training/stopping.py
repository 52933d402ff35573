"""Early stopping (Prechelt 1998): end when the held-out part no longer gains, and go back to the best epoch."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

Weights = dict[str, Tensor]


class EarlyStopping:
    """Remembers the best epoch and its weights; with `patience` None it remembers nothing and never stops.

    An epoch is better than another with higher validation accuracy, or with the same and a lower validation loss: accuracy is
    what counts, but a few dozen images give it in large steps. Figures of a chosen epoch on the images that chose it are
    optimistic.

    The one-cycle schedule is laid out over all epochs and stopping leaves it as it is: a run that stops in its middle ends at a
    high learning rate. So keep `patience` at a fifth of the epochs or more there, or use a constant schedule.
    """

    def __init__(self, patience: int | None) -> None:
        self.patience = patience
        self.best: tuple[float, float] | None = None
        self.best_epoch = 0
        """Counted from 1; 0 before the first."""
        self.weights: Weights | None = None
        self.waited = 0

    @property
    def done(self) -> bool:
        return self.patience is not None and self.waited >= self.patience

    def see(self, epoch: int, accuracy: float, loss: float, weights: Callable[[], Weights]) -> None:
        """Hear the validation figures of `epoch` (from 1); `weights` is asked for a copy only when they are the best."""
        if self.patience is None:
            return
        if self.best is None or (accuracy, -loss) > self.best:
            self.best, self.best_epoch, self.waited = (accuracy, -loss), epoch, 0
            self.weights = weights()
        else:
            self.waited += 1

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "best_epoch": self.best_epoch, "weights": self.weights, "waited": self.waited}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best, self.best_epoch = state["best"], state["best_epoch"]
        self.weights, self.waited = state["weights"], state["waited"]
