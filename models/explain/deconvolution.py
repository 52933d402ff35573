"""Deconvolution: one activation, projected back to the pixels it came from (Zeiler and Fergus 2014, arXiv 1311.2901).

All activations of a layer but one are set to 0, and the rest goes down the network: unpooled along the recorded switches, through
ReLU, and through the transposed filters, layer by layer. What is none of these (batch normalisation, local response
normalisation, division by the light) passes its gradient. The picture shows features, not reasons: it barely changes when the
layers above are randomized.
"""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import torch
from captum.attr import Deconvolution as CaptumDeconvolution
from torch import Tensor, nn

from models.errors import InvalidParameter, UnknownLayer, UnknownMethod
from models.explain.catalogue import METHODS
from models.explain.feature_maps import Strongest, strongest
from models.explain.frozen import UnitNetwork
from models.explain.layers import output_of, spatial_layers, upright_views

_NEEDS_RELU: Final = ("deconvolution", "guided_backprop", "guided_grad_cam")


@dataclass(frozen=True, slots=True, eq=False)
class Deconvolution:
    """`values` (channels, H, W) float32, signed: units of the activation for a unit of light, at each pixel of the input."""

    values: Tensor
    place: tuple[int, int]
    """Row and column in the layer's map."""
    activation: float


def deconvolution(
    network: UnitNetwork, x: Tensor, layer: str, channel: int, place: tuple[int, int] | None = None
) -> Deconvolution:
    """Project what one photograph gives in `layer`, `channel` and `place` back to it; x (1, channels, H, W) in 0..1.

    `place` is (row, column) of the map, by default where it is strongest. Outside the place's receptive field the values are
    exactly 0, but for networks that divide each pixel by the light around it, which pass on what the light would change.

    Raises UnknownLayer, InvalidParameter for a channel or place that the layer does not have, UnknownMethod for a network whose
    ReLUs are no modules.
    """
    if len(x) != 1:
        raise ValueError(f"deconvolution takes one photograph, not {len(x)}; deconvolutions takes several")
    return deconvolutions(network, x, layer, channel, None if place is None else [place])[0]


def deconvolutions(
    network: UnitNetwork, x: Tensor, layer: str, channel: int, places: Sequence[tuple[int, int]] | None = None
) -> list[Deconvolution]:
    """The same for several photographs at once, x (B, channels, H, W) in 0..1, with a place for each."""
    x = x.detach().clone().requires_grad_()
    with torch.enable_grad():
        maps = _maps_of_modules(network, x, layer)
        if not 0 <= channel < maps.shape[1]:
            raise InvalidParameter(
                f"channel is {channel}; {layer} has {maps.shape[1]} channels: 0 to {maps.shape[1] - 1}.",
                least=0,
                most=maps.shape[1] - 1,
            )
        height, width = maps.shape[2:]
        if places is None:
            flat = maps[:, channel].flatten(1).argmax(1).tolist()
            places = [(index // width, index % width) for index in flat]
        for y, x_ in places:
            if not (0 <= y < height and 0 <= x_ < width):
                raise InvalidParameter(
                    f"place is {y},{x_}; the maps of {layer} have rows 0 to {height - 1} and columns 0 to {width - 1}.",
                    rows=height,
                    columns=width,
                )
        with warnings.catch_warnings():
            # captum announces at each call that it sets hooks; it takes them away again itself, whatever happens
            warnings.filterwarnings("ignore", message="Setting backward hooks on ReLU", category=UserWarning)
            projected = CaptumDeconvolution(_Neurons(network, layer, channel, places)).attribute(x)
    return [
        Deconvolution(values.detach(), (y, x_), float(maps[index, channel, y, x_].detach()))
        for index, (values, (y, x_)) in enumerate(zip(projected, places, strict=True))
    ]


def top_images(network: UnitNetwork, batches: Iterable[Tensor], layer: str, channel: int, top: int = 9) -> list[Strongest]:
    """The photographs of a stream of batches (B, channels, H, W) in 0..1 in which a channel is strongest, strongest first.

    Of equally strong ones the earlier comes first. `feature_maps.strongest` finds those of all channels in one pass. Raises
    UnknownLayer, InvalidParameter for a channel that the layer does not have.
    """
    channels = strongest(network, batches, layer, top)
    if not 0 <= channel < len(channels):
        raise InvalidParameter(
            f"channel is {channel}; {layer} has {len(channels)} channels: 0 to {len(channels) - 1}.",
            least=0,
            most=len(channels) - 1,
        )
    return channels[channel]


class _Neurons(nn.Module):
    """(B, channels, H, W) in 0..1 -> (B,), half the square of one neuron of each photograph: what its gradient starts as is
    the activation itself, which deconvolution keeps. Nothing behind the layer runs."""

    def __init__(self, network: UnitNetwork, layer: str, channel: int, places: Sequence[tuple[int, int]]) -> None:
        super().__init__()
        self.network, self.layer, self.channel, self.places = network, layer, channel, places

    def forward(self, x: Tensor) -> Tensor:
        maps = upright_views(output_of(self.network, x, self.layer), len(x))[0]  # B x C x h x w
        kept = torch.stack([maps[index, self.channel, *place] for index, place in enumerate(self.places)])
        return kept.square() / 2


def _maps_of_modules(network: UnitNetwork, x: Tensor, layer: str) -> Tensor:
    """The upright maps (B, C, h, w) of a layer, attached to the graph. Raises UnknownMethod unless every ReLU on the way to them
    is a module: one that is a plain function cannot be changed, and its plain gradient would pass for a deconvolution."""
    found: list[object] = []
    hooks = [
        module.register_forward_hook(lambda _, __, out: found.append(out.grad_fn))
        for module in network.modules()
        if isinstance(module, nn.ReLU)
    ]
    try:
        output = output_of(network, x, layer)
    finally:
        for hook in hooks:
            hook.remove()
    if not hooks or _relus_behind(output) - set(found):
        raise UnknownMethod(
            "deconvolution",
            [name for name in METHODS if name not in _NEEDS_RELU],
            "The network's ReLUs are no modules, so deconvolution would silently be the plain gradient.",
        )
    if output.ndim != 4:
        raise UnknownLayer(layer, spatial_layers(network))
    return upright_views(output, len(x))[0]


def _relus_behind(output: Tensor) -> set[object]:
    """The nodes of autograd's graph that are ReLUs."""
    waiting, seen = [output.grad_fn], set()
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            waiting += [source for source, _ in node.next_functions]
    return {node for node in seen if node.name() == "ReluBackward0"}
