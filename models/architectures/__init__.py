"""Networks by name, pure: no downloads, no paths, no globals. `build("lenet", grades=9)` -> a torch module giving logits.

Every network takes (B, channels, H, W) float32, already normalised, and returns (B, grades) logits; what some offer beside
them is in `network`. What stands before it in the exported graph (uint8 photographs, scaling, normalisation) is
`served.ServedNetwork`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from torch import nn

from models.architectures import alexnet, googlenet, vgg
from models.architectures.deep_mnist import DeepMnist
from models.architectures.lenet import LeNet
from models.architectures.rbf import RbfNetwork
from models.architectures.resnet import ResNet34
from models.preprocess import PreprocessSpec


@dataclass(frozen=True, slots=True)
class _Architecture:
    build: Callable[[int, PreprocessSpec], nn.Module]
    spec: PreprocessSpec
    smallest_px: int = 8
    """Least height and width that the network takes."""


def _imagenet(side_px: int) -> PreprocessSpec:
    """Square input, normalised by the mean and deviation of ImageNet's colours."""
    return PreprocessSpec(width=side_px, height=side_px, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))


_ARCHITECTURES: Final = {
    # The fully connected layers want 6x6 and 7x7 maps; a smaller input would only repeat each value of a smaller map.
    "alexnet": _Architecture(
        lambda grades, spec: alexnet.AlexNet(grades, spec.channels), _imagenet(224), smallest_px=alexnet.SMALLEST_PX
    ),
    "vgg19": _Architecture(lambda grades, spec: vgg.VGG19(grades, spec.channels), _imagenet(224), smallest_px=vgg.SMALLEST_PX),
    # 0..1 without normalisation, as in the lecture
    "deep-mnist": _Architecture(
        lambda grades, spec: DeepMnist(grades, spec.channels, spec.height, spec.width),
        PreprocessSpec(width=28, height=28, channels=1, mean=(0.0,), std=(1.0,), orient="as_is"),
    ),
    # Networks that pool globally take any size: 96x96 keeps a 3x3 class activation map at a fifth of the work of 224x224, and
    # a CPU grades in milliseconds.
    "googlenet": _Architecture(
        lambda grades, spec: googlenet.GoogLeNet(grades, spec.channels),
        # Its published weights were trained on -1..1, not on ImageNet's mean and deviation.
        PreprocessSpec(width=96, height=96, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
        smallest_px=googlenet.SMALLEST_PX,
    ),
    "resnet34": _Architecture(lambda grades, spec: ResNet34(grades, spec.channels), _imagenet(96)),
    "lenet": _Architecture(
        lambda grades, spec: LeNet(grades, spec.channels, spec.height, spec.width),
        PreprocessSpec(),
    ),
    "rbf": _Architecture(
        lambda grades, spec: RbfNetwork(grades, spec.channels, spec.height, spec.width),
        # 0..1 as it is: the network divides by the light itself
        PreprocessSpec(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)),
    ),
}
NAMES: Final = tuple(sorted(_ARCHITECTURES))


def default_spec(name: str) -> PreprocessSpec:
    """The preprocessing an architecture was designed for. Raises ValueError naming the known architectures."""
    return _known(name).spec


def smallest_side(name: str) -> int:
    """Least height and width, in pixels, that an architecture takes. Raises ValueError naming the known architectures."""
    return _known(name).smallest_px


def require_size(name: str, spec: PreprocessSpec) -> None:
    """Raises ValueError unless the architecture takes photographs of the spec's size."""
    smallest = smallest_side(name)
    if min(spec.width, spec.height) < smallest:
        raise ValueError(
            f"{name} takes photographs of at least {smallest}x{smallest} pixels; {spec.width}x{spec.height} is smaller."
        )


def build(name: str, grades: int = 9, spec: PreprocessSpec | None = None) -> nn.Module:
    """A freshly initialised network for `grades` classes and the input that `spec` describes.

    Raises ValueError naming the known architectures, or the smallest size the named one takes.
    """
    known = _known(name)
    spec = spec or known.spec
    require_size(name, spec)
    return known.build(grades, spec)


def _known(name: str) -> _Architecture:
    if name not in _ARCHITECTURES:
        raise ValueError(f"There is no architecture {name!r}. Known: {', '.join(NAMES)}.")
    return _ARCHITECTURES[name]
