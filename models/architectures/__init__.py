"""Networks by name, pure: no downloads, no paths, no globals. `build("lenet", grades=9)` -> a torch module giving logits.

Every network takes (B, channels, H, W) float32, already normalised, and returns (B, grades) logits. What stands before it in
the exported graph (uint8 photographs, scaling, normalisation) is `served.ServedNetwork`.
"""

from collections.abc import Callable
from typing import Final

from torch import nn

from models.architectures.deep_mnist import DeepMnist
from models.architectures.lenet import LeNet
from models.preprocess import PreprocessSpec

_BUILDERS: Final[dict[str, Callable[[int, PreprocessSpec], nn.Module]]] = {
    "deep-mnist": lambda grades, spec: DeepMnist(grades, spec.channels, spec.height, spec.width),
    "lenet": lambda grades, spec: LeNet(grades, spec.channels, spec.height, spec.width),
}
_SPECS: Final = {
    # 0..1 without normalisation, as in the lecture
    "deep-mnist": PreprocessSpec(width=28, height=28, channels=1, mean=(0.0,), std=(1.0,), orient="as_is"),
    "lenet": PreprocessSpec(),
}
NAMES: Final = tuple(sorted(_BUILDERS))


def default_spec(name: str) -> PreprocessSpec:
    """The preprocessing an architecture was designed for. Raises ValueError naming the known architectures."""
    _known(name)
    return _SPECS[name]


def build(name: str, grades: int = 9, spec: PreprocessSpec | None = None) -> nn.Module:
    """A freshly initialised network for `grades` classes and the input that `spec` describes.

    Raises ValueError naming the known architectures.
    """
    _known(name)
    return _BUILDERS[name](grades, spec or _SPECS[name])


def _known(name: str) -> None:
    if name not in _BUILDERS:
        raise ValueError(f"There is no architecture {name!r}. Known: {', '.join(NAMES)}.")
