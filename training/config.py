"""Everything that decides what a training run computes; stored in the run and compared on resume."""

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from models.architectures.deep_mnist import LEARNING_RATE
from models.preprocess import PreprocessSpec


class Augmentation(BaseModel):
    """Changes that keep the grade true: length, thickness and bend are the label, so nothing is scaled, sheared or bent."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    flip: bool = Field(True, description="mirror left-right and up-down, each for half of the images")
    shift_px: int = Field(0, ge=0, description="move by up to this many pixels, filling with the border's pixels")
    light: float = Field(0.0, ge=0, description="spread of brightness, contrast and colour of the light")
    gradient: float = Field(0.0, ge=0, description="strength of an added light gradient across the frame")


class TrainingConfig(BaseModel):
    """Settings of one run. The same config, data and machine give the same weights."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    architecture: str
    preprocess: PreprocessSpec
    seed: int = 0
    epochs: int = Field(60, ge=1)
    batch_size: int = Field(48, ge=2)
    optimizer: Literal["adam", "adamw"] = "adamw"
    learning_rate: float = Field(2e-3, gt=0, description="peak of the one-cycle schedule, or the constant step")
    schedule: Literal["one_cycle", "constant"] = "one_cycle"
    weight_decay: float = Field(1e-2, ge=0)
    label_smoothing: float = Field(0.05, ge=0, lt=1)
    ema_decay: float | None = Field(0.98, description="exponential moving average of the weights; None: the last weights")
    validation_fraction: float = Field(0.15, gt=0, lt=0.5, description="held out of training: calibration and curves")
    augmentation: Augmentation = Augmentation()


_DEFAULTS: Final[dict[str, dict[str, object]]] = {
    "lenet": {},
    # as in the lecture: Adam at a constant 1e-4, batches of 50, no augmentation, the last weights
    "deep-mnist": {
        "epochs": 15,
        "batch_size": 50,
        "optimizer": "adam",
        "learning_rate": LEARNING_RATE,
        "schedule": "constant",
        "weight_decay": 0.0,
        "label_smoothing": 0.0,
        "ema_decay": None,
        "validation_fraction": 0.1,
        "augmentation": Augmentation(flip=False, shift_px=0, light=0.0, gradient=0.0),
    },
}


def default_config(architecture: str, preprocess: PreprocessSpec, **changes: object) -> TrainingConfig:
    """The settings an architecture is trained with unless told otherwise; `changes` that are None are left alone."""
    given = {name: value for name, value in changes.items() if value is not None}
    settings = {"architecture": architecture, "preprocess": preprocess, **_DEFAULTS.get(architecture, {}), **given}
    return TrainingConfig.model_validate(settings)
