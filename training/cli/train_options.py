"""The options of `senka train`, in the panels that its help shows. None: what the architecture is trained with by default."""

from pathlib import Path
from typing import Annotated, Any, Final

import typer

_NETWORK: Final = "Network"
_LEARNING: Final = "Learning"
_PICTURES: Final = "Changes of the images that keep the grade"
_MACHINE: Final = "Machine"


def _set(text: str, panel: str, metavar: str = "X", **limits: Any) -> Any:
    return typer.Option(help=text, rich_help_panel=panel, metavar=metavar, show_default=False, **limits)


Out = Annotated[Path, typer.Option(metavar="RUN", help="Folder for checkpoint, curves, metrics.json and the error gallery.")]
Resume = Annotated[bool, typer.Option("--resume", help="Continue the run in RUN where it was stopped.")]
Seed = Annotated[int, typer.Option(min=0, metavar="N", help="Same seed, data, machine and threads: same weights.")]
Seeds = Annotated[
    int,
    typer.Option(
        min=1, metavar="N", help="Train N times, in RUN/seed-0 and so on: mean, spread and the best on the held-out images."
    ),
]
PicturesEvery = Annotated[int | None, _set("Pictures in TensorBoard after every N epochs; at the end anyway.", "Options", min=1)]

Arch = Annotated[str | None, _set("Architecture; `senka summary NAME` describes one. Default: lenet.", _NETWORK, "NAME")]
Recipe = Annotated[str | None, _set("Instead: best, or fruit. Decides all but --seed, --split, --size.", _NETWORK, "NAME")]
Changes = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Change a setting of the recipe, such as ridge=0.2; may repeat.",
        rich_help_panel=_NETWORK,
    ),
]
Size = Annotated[str | None, _set("Network input, pixels.", _NETWORK, "WIDTHxHEIGHT")]
From = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="START",
        help="Weights to start from: imagenet, champion or a version number, the folder of a run, a torchvision .pth file.",
        rich_help_panel=_NETWORK,
    ),
]
Freeze = Annotated[
    list[str] | None, typer.Option(metavar="MODULE", help="Do not train this module; may be repeated.", rich_help_panel=_NETWORK)
]
LayerDecay = Annotated[float | None, _set("Each layer learns at this times the rate of the next, such as 0.7.", _NETWORK)]

GroupBy = Annotated[str | None, _set("Hold out whole fruit, or whole lots.", _LEARNING, "fruit|lot")]
Epochs = Annotated[int | None, _set("Passes over the images.", _LEARNING, "N", min=1)]
BatchSize = Annotated[int | None, _set("Images in a batch.", _LEARNING, "N", min=2)]
Accumulate = Annotated[int | None, _set("Batches a step: large batches in little memory.", _LEARNING, "N", min=1)]
LearningRate = Annotated[float | None, _set("Peak step size.", _LEARNING)]
Schedule = Annotated[str | None, _set("Course of the learning rate.", _LEARNING, "one_cycle|constant")]
WeightDecay = Annotated[float | None, _set("Pull of the weights towards 0.", _LEARNING)]
ClipNorm = Annotated[float | None, _set("Greatest norm of a gradient.", _LEARNING)]
LabelSmoothing = Annotated[float | None, _set("Share of each label spread over all grades.", _LEARNING)]
Mixup = Annotated[float | None, _set("Mix pairs of images, Beta(a, a); 0.2 is usual.", _LEARNING)]
Balance = Annotated[
    str | None, _set("Rare grades count more in the loss, or are drawn more often.", _LEARNING, "none|weights|sampler")
]
Patience = Annotated[int | None, _set("Stop after so many epochs without a better one; keep the best.", _LEARNING, "N", min=1)]

Flip = Annotated[
    bool | None, typer.Option("--flip/--no-flip", help="Mirror them.", rich_help_panel=_PICTURES, show_default=False)
]
ShiftPx = Annotated[int | None, _set("Move by up to so many pixels.", _PICTURES, "N")]
RotateDeg = Annotated[float | None, _set("Turn by up to so many degrees.", _PICTURES)]
Light = Annotated[float | None, _set("Spread of brightness, contrast and colour of the light, such as 0.1.", _PICTURES)]
Gradient = Annotated[float | None, _set("Light that falls off across the frame, such as 0.1.", _PICTURES)]
Noise = Annotated[float | None, _set("Noise of each pixel, standard deviation on the scale 0 to 1.", _PICTURES)]

Amp = Annotated[str | None, _set("Half precision; auto: on GPUs.", _MACHINE, "auto|off|bf16")]
ChannelsLast = Annotated[str | None, _set("Memory order of the images; auto: on GPUs.", _MACHINE, "auto|on|off")]
