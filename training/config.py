"""Everything that decides what a training run computes; stored in the run and compared on resume."""

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from models.architectures.deep_mnist import LEARNING_RATE
from models.preprocess import PreprocessSpec


class Augmentation(BaseModel):
    """Changes that keep the grade true: length, thickness and bend are the label, so nothing is scaled, sheared or bent."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    flip: bool = Field(True, description="mirror left-right and up-down, each for half of the images")
    shift_px: int = Field(0, ge=0, description="move by up to this many pixels, filling with the border's pixels")
    light: float = Field(0.0, ge=0, description="spread of brightness, contrast and colour of the light")
    gradient: float = Field(0.0, ge=0, description="strength of an added light gradient across the frame")
    rotate_deg: float = Field(0.0, ge=0, le=45, description="turn by up to this many degrees, filling with the border's pixels")
    noise: float = Field(0.0, ge=0, le=1, description="standard deviation of the noise of each pixel, on the scale 0 to 1")


class TrainingConfig(BaseModel):
    """Settings of one run. The same config, data and machine give the same weights."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    architecture: str
    preprocess: PreprocessSpec
    seed: int = 0
    split_seed: int | None = Field(None, description="which images are held out; None: by `seed`, as everything else")
    epochs: int = Field(60, ge=1)
    batch_size: int = Field(48, ge=2)
    accumulate: int = Field(1, ge=1, description="batches whose gradients make one step: large batches in little memory")
    optimizer: Literal["adam", "adamw"] = "adamw"
    learning_rate: float = Field(2e-3, gt=0, description="peak of the one-cycle schedule, or the constant step")
    schedule: Literal["one_cycle", "constant"] = "one_cycle"
    weight_decay: float = Field(1e-2, ge=0)
    clip_norm: float | None = Field(None, gt=0, description="greatest norm of a step's gradient; None: not clipped")
    layer_decay: float = Field(1.0, gt=0, le=1, description="the learning rate of each layer, times that of the one above it")
    freeze: tuple[str, ...] = Field((), description="modules that are not trained, by name, with all inside them")
    label_smoothing: float = Field(0.05, ge=0, lt=1)
    mixup: float = Field(0.0, ge=0, description="alpha of mixup's Beta distribution, 0.1 to 0.4 is usual; 0: none")
    balance: Literal["none", "weights", "sampler"] = Field(
        "none", description="weights: rare grades count more in the loss; sampler: they are drawn more often"
    )
    ema_decay: float | None = Field(0.98, ge=0, lt=1, description="moving average of the weights; None: the last weights")
    patience: int | None = Field(None, ge=1, description="stop after so many epochs without a better one, and return to that one")
    validation_fraction: float = Field(0.15, gt=0, lt=0.5, description="held out of training: calibration and curves")
    group_by: Literal["fruit", "lot"] = Field("fruit", description="what stays on one side of the split: a fruit, or a lot too")
    amp: Literal["auto", "off", "bf16"] = Field("auto", description="half precision; auto: on GPUs, off on CPUs")
    channels_last: Literal["auto", "on", "off"] = Field("auto", description="memory order of the images; auto: on GPUs")
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
    """The settings an architecture is trained with unless told otherwise; `changes` that are None are left alone.

    `augmentation` may be a dict of the changes to the architecture's own. Raises pydantic's ValidationError.
    """
    given = {name: value for name, value in changes.items() if value is not None}
    settings = {"architecture": architecture, "preprocess": preprocess, **_DEFAULTS.get(architecture, {})}
    if isinstance(augmentation := given.get("augmentation"), dict):
        own = TrainingConfig.model_validate(settings).augmentation.model_dump()
        given["augmentation"] = own | {name: value for name, value in augmentation.items() if value is not None}
    return TrainingConfig.model_validate({**settings, **given})
