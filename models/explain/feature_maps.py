"""Feature maps: what every channel of a layer gives for a photograph, and what it gives over many of them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn

from models.errors import UnknownLayer
from models.explain.frozen import UnitNetwork
from models.explain.layers import output_of, outputs, spatial_layers, upright_views
from models.explain.receptive import DataFlow, data_flow


def feature_maps(network: UnitNetwork, x: Tensor, layer: str) -> Tensor:
    """x (B, channels, H, W) in 0..1 -> (B, C, h, w) float32, the layer's raw output; name a ReLU for maps that passed it.

    Of a network that looks at a photograph mirrored too, the maps are those of the view that is not. Nothing behind the layer
    runs, so x may be of any size that it takes. Raises UnknownLayer, also for a layer that gives no maps.
    """
    with torch.no_grad():
        output = output_of(network, x, layer)
    return _upright(network, output, layer, len(x))


def _upright(network: UnitNetwork, output: Tensor, layer: str, photographs: int) -> Tensor:
    if output.ndim != 4:
        raise UnknownLayer(layer, spatial_layers(network))
    return upright_views(output, photographs)[0]


@dataclass(frozen=True, slots=True)
class Strongest:
    """One photograph that drives a channel high."""

    index: int
    """Of the photograph, counted through all batches."""
    place: tuple[int, int]
    """Row and column in the layer's map where it is strongest; the first of equals."""
    activation: float


@dataclass(frozen=True, slots=True, eq=False)
class ChannelStatistics:
    """Of a layer's C channels over all places of all photographs, each (C,) float64."""

    photographs: int
    mean: Tensor
    maximum: Tensor
    active_share: Tensor
    """Share of the places where a channel is above 0, 0..1."""
    dead: list[int] | None
    """Channels that are above 0 nowhere; None where the layer's output is not that of a ReLU, and below 0 means something."""


class ChannelSurvey:
    """Collects the statistics and the strongest photographs of one layer's channels, batch by batch.

    Sums are in float64, so that they do not depend on how many photographs a batch holds beyond its last digits.
    """

    def __init__(self, rectified: bool, top: int = 9) -> None:
        self.rectified, self.top = rectified, top
        self.photographs = self.places = 0
        self._sum = self._active = self._maximum = torch.zeros(0, dtype=torch.float64)
        self._best = torch.zeros(0, 0)  # C x up to `top`: activations, strongest first
        self._where = torch.zeros(0, 0, 3, dtype=torch.int64)  # C x up to `top` x (photograph, row, column)

    def add(self, maps: Tensor) -> None:
        """Maps (B, C, h, w) of the next B photographs."""
        batch, channels, height, width = maps.shape
        if not self.photographs:
            self._sum = self._active = torch.zeros(channels, dtype=torch.float64)
            self._maximum = torch.full((channels,), -torch.inf, dtype=torch.float64)
            self._best, self._where = torch.zeros(channels, 0), torch.zeros(channels, 0, 3, dtype=torch.int64)
        strongest, at = maps.flatten(2).max(dim=2)  # B x C; of equals the first
        self._sum = self._sum + maps.sum(dim=(0, 2, 3), dtype=torch.float64)
        self._active = self._active + (maps > 0).sum(dim=(0, 2, 3))
        self._maximum = torch.maximum(self._maximum, strongest.amax(0).double())
        photograph = (torch.arange(batch) + self.photographs)[:, None].expand(batch, channels)
        where = torch.stack([photograph, at // width, at % width], dim=2).transpose(0, 1)  # C x B x 3
        # A stable sort of what was kept, then of what is new, puts the earlier photograph first among equals.
        best, order = torch.cat([self._best, strongest.T.float()], dim=1).sort(dim=1, descending=True, stable=True)
        where = torch.cat([self._where, where], dim=1).gather(1, order[..., None].expand(-1, -1, 3))
        self._best, self._where = best[:, : self.top], where[:, : self.top]
        self.photographs += batch
        self.places += batch * height * width

    def statistics(self) -> ChannelStatistics:
        """Raises ValueError where no photograph was added."""
        if not self.photographs:
            raise ValueError("no photograph was added: statistics need at least one")
        dead = torch.nonzero(self._maximum <= 0).flatten().tolist() if self.rectified else None
        return ChannelStatistics(self.photographs, self._sum / self.places, self._maximum, self._active / self.places, dead)

    def strongest(self) -> list[list[Strongest]]:
        """For each channel the photographs that drive it highest, strongest first; the earlier first among equals."""
        return [
            [Strongest(index, (y, x), value) for value, (index, y, x) in zip(values, places, strict=True)]
            for values, places in zip(self._best.tolist(), self._where.tolist(), strict=True)
        ]


def survey(network: UnitNetwork, batches: Iterable[Tensor], layers: Sequence[str], top: int = 9) -> dict[str, ChannelSurvey]:
    """Survey several layers in one pass over batches (B, channels, H, W) in 0..1 of the spec's size. Raises UnknownLayer."""
    rectified = rectified_layers(network)
    found = {layer: ChannelSurvey(layer in rectified, top) for layer in layers}
    with outputs(network, layers) as given, torch.no_grad():
        for x in batches:
            network(x)
            for layer in layers:
                if layer not in given:
                    raise UnknownLayer(layer, spatial_layers(network))
                found[layer].add(_upright(network, given[layer], layer, len(x)))
    return found


def channel_statistics(network: UnitNetwork, batches: Iterable[Tensor], layer: str) -> ChannelStatistics:
    """Of one layer; see `survey` for several. Raises UnknownLayer, ValueError where there is no photograph."""
    return survey(network, batches, [layer], top=1)[layer].statistics()


def strongest(network: UnitNetwork, batches: Iterable[Tensor], layer: str, top: int = 9) -> list[list[Strongest]]:
    """For each channel of one layer the `top` photographs that drive it highest; see `survey`. Raises UnknownLayer."""
    return survey(network, batches, [layer], top)[layer].strongest()


def pair_with_relu(network: UnitNetwork) -> dict[str, str]:
    """The ReLU that takes what a layer gives, by the name of the layer: its maps before and after.

    A convolution whose normalisation goes into a ReLU is paired with it too. Read off the data flow: names do not matter.
    """
    flow, pairs = data_flow(network), dict[str, str]()
    for node in flow.graph.nodes:
        if isinstance(flow.layer(node), nn.ReLU):
            source = node.args[0]
            while isinstance(source, fx.Node) and (layer := flow.layer(source)) is not None:
                pairs[str(source.target)] = str(node.target)
                source = source.args[0] if isinstance(layer, nn.BatchNorm2d | nn.BatchNorm1d) else None
    return pairs


def rectified_layers(network: UnitNetwork) -> set[str]:
    """The layers and blocks whose output is that of ReLUs, at most pooled, joined or flattened since: never below 0."""
    flow, rectified = data_flow(network), set[fx.Node]()
    for node in flow.graph.nodes:
        sources = node.all_input_nodes
        if isinstance(flow.layer(node), nn.ReLU) or (
            sources and _keeps_sign(flow, node) and all(source in rectified for source in sources)
        ):
            rectified.add(node)
    return {name for name, node in flow.outputs.items() if node in rectified}


def _keeps_sign(flow: DataFlow, node: fx.Node) -> bool:
    kept = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.LocalResponseNorm, nn.Dropout, nn.Identity, nn.Flatten)
    return isinstance(flow.layer(node), kept) or (node.op == "call_function" and node.target is torch.cat)
