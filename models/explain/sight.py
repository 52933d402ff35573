"""One layer of a network, looking at pictures of any size: what a picture is optimized for."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from models.errors import InvalidParameter
from models.explain.ascent import resized, smallest_tile
from models.explain.frozen import UnitNetwork
from models.explain.layers import output_of

_PASSED = ("CatBackward0", "MaxPool2DWithIndicesBackward0")
"""Steps of autograd that commute with a ReLU: a layer that ends in them ends in the ReLUs before them."""


class Sight:
    """`sight(picture)`: what a layer gives for (1, channels, H, W) in 0..1, attached to the graph; nothing behind it runs.

    A network whose layers want one size (`rbf` divides by the light at fixed places) sees the picture resized to it. With
    `before_relu`, ReLUs that the layer ends in let everything through: behind a ReLU a channel that is silent has no gradient.
    Raises UnknownLayer.
    """

    def __init__(self, network: UnitNetwork, layer: str, before_relu: bool = False) -> None:
        spec = network.spec
        self.network, self.layer = network, layer
        self.own = (spec.height, spec.width)
        self.opened = ending_relus(network, layer) if before_relu else []
        self.any_size = True
        self.any_size = self._fits(spec.height + 16, spec.width + 16)

    def __call__(self, picture: Tensor) -> Tensor:
        with _let_through(self.opened):
            return output_of(self.network, picture if self.any_size else resized(picture, self.own), self.layer)

    def shape(self, height: int, width: int) -> tuple[int, ...]:
        """Of what the layer gives for a picture of this size: (C, h, w) of maps, (D,) of a vector."""
        with torch.no_grad():
            return tuple(self(torch.zeros(1, self.network.spec.channels, height, width)).shape[1:])

    def require(self, smallest: tuple[int, int], largest: tuple[int, int], tile_px: int) -> None:
        """Raises InvalidParameter when the layer gives nothing for a picture as small as the smallest octave, or a tile."""
        if not self._fits(*smallest):
            least = self.least_px()
            raise InvalidParameter(
                f"The smallest octave is {smallest[1]}x{smallest[0]} pixels; {self.layer} needs at least {least}x{least}. Take "
                "fewer octaves or a larger picture.",
                least_px=least,
            )
        # A tile of a picture is no whole picture: a network of one size would see each enlarged.
        if max(largest) > tile_px and not (self.any_size and self._fits(*smallest_tile(*largest, tile_px))):
            least = 2 * self.least_px()
            raise InvalidParameter(
                f"Tiles of {tile_px} pixels are too small for {self.layer}; it takes "
                + (f"{least} or more." if self.any_size else "a picture in one piece."),
                least_px=least,
            )

    def least_px(self) -> int:
        """Least height and width for which the layer gives anything."""
        low, high = 0, min(self.own)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if self._fits(middle, middle) else (middle, high)
        return high

    def _fits(self, height: int, width: int) -> bool:
        try:
            self.shape(height, width)
        except RuntimeError:  # what torch raises for maps smaller than a window, and for matrices of another size
            return False
        return True


def before_relu(network: UnitNetwork, picture: Tensor, layer: str) -> Tensor:
    """What enters the ReLUs that a layer ends in, (B, C, h, w): of a ReLU its input, of a block that its ReLUs then cut.

    picture (B, channels, H, W) in 0..1, any size that the layer takes. `relu(before_relu(...))` is what the layer gives; a
    layer that does not end in ReLUs is taken as it is. Raises UnknownLayer.
    """
    with _let_through(ending_relus(network, layer)):
        return output_of(network, picture, layer)


def ending_relus(network: UnitNetwork, layer: str) -> list[nn.Module]:
    """The ReLU modules that cut what a layer gives: itself, the last of a block, the last of each branch that is concatenated.

    Also those before a max pooling at its end, since the largest of values cut at 0 is their largest, cut at 0. They are found in
    the graph of autograd. Raises UnknownLayer.
    """
    made: dict[Any, nn.Module] = {}

    def note(module: nn.Module, _: object, output: Tensor) -> None:
        made[output.grad_fn] = module

    spec = network.spec
    hooks = [module.register_forward_hook(note) for module in network.bare.modules() if isinstance(module, nn.ReLU)]
    try:
        with torch.enable_grad():
            output = output_of(network, torch.zeros(1, spec.channels, spec.height, spec.width, requires_grad=True), layer)
    finally:
        for hook in hooks:
            hook.remove()
    found, waiting = [], [output.grad_fn]
    while waiting:
        step = waiting.pop()
        if step in made:
            found.append(made[step])
        elif step is not None and step.name() in _PASSED:
            waiting += [before for before, _ in step.next_functions]
    return found


@contextmanager
def _let_through(relus: list[nn.Module]) -> Iterator[None]:
    """While open, these modules give what they take."""
    hooks = [relu.register_forward_hook(lambda _, inputs, __: inputs[0]) for relu in relus]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
