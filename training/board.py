"""What TensorBoard shows of a run: curves after each epoch, pictures now and then."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.special import softmax
from sklearn.metrics import confusion_matrix
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from training.arrays import Arrays
from training.pictures import confusion_picture, error_sheet, filter_grid


class Board:
    """The event files of one run; steps are epochs from 0, those from `first_step` on are written anew."""

    def __init__(self, folder: Path, grades: Sequence[str], validation: Arrays, first_step: int) -> None:
        self.grades = grades
        self.inputs, self.truth = validation.inputs.numpy(), validation.targets.numpy()
        self.writer = SummaryWriter(str(folder), purge_step=first_step)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.writer.close()

    def curves(
        self, step: int, loss: float, validation_loss: float, accuracy: float, learning_rates: Mapping[str, float]
    ) -> None:
        """Losses are mean cross-entropies: that of training with label smoothing and mixup where they are on."""
        self.writer.add_scalar("loss/train", loss, step)
        self.writer.add_scalar("loss/validation", validation_loss, step)
        self.writer.add_scalar("accuracy/validation", accuracy, step)
        for name, rate in learning_rates.items():
            self.writer.add_scalar("learning_rate" if len(learning_rates) == 1 else f"learning_rate/{name}", rate, step)

    def pictures(self, step: int, logits: npt.NDArray[np.floating], weights: Mapping[str, Tensor]) -> None:
        """Filters of the first convolution in `weights`; confusion matrix and errors of (N, grades) held-out logits."""
        every = np.arange(len(self.grades))
        confusion: Any = confusion_matrix(self.truth, logits.argmax(axis=1), labels=every)
        images = {
            "filters": next((filter_grid(value) for value in weights.values() if value.dim() == 4), None),
            "confusion": confusion_picture(confusion, self.grades),
            "errors": error_sheet(self.inputs, softmax(logits, axis=1), self.truth, self.grades),
        }
        for name, picture in images.items():
            if picture is not None:
                self.writer.add_image(name, picture, step, dataformats="HWC")
