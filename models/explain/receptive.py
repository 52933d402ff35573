"""Receptive fields: which pixels of a photograph a place in a layer can depend on, worked out from the layers' geometry.

The arithmetic is that of "Computing Receptive Fields of Convolutional Neural Networks" (Araujo, Norris and Sim, Distill 2019):
a window of k places with step s and padding p widens a field of size r and stride j to r + (k - 1) * j, its stride to j * s, and
moves its start by -p * j. Where branches meet, the field is the smallest window that holds those of all of them.
"""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import fx, nn

from models.architectures.measuring import Reflectance
from models.explain.frozen import UnitNetwork

Pair = tuple[int, int]


@dataclass(frozen=True, slots=True)
class ReceptiveField:
    """The pixels that a layer's place (row, column) depends on: pairs are (vertical, horizontal), in pixels of the input.

    Along each axis, place i sees pixels `start_px + i * stride_px` up to that plus `size_px - 1`; those outside of the input are
    padding. `start_px` may be negative. Towards the far edges a place may see less: maps of layers between, too, are padded.
    """

    size_px: Pair
    stride_px: Pair
    start_px: Pair
    whole: bool = False
    """Every place sees all of the input, as behind flattening. Then `stride_px` is (0, 0) and `size_px` the input's size."""

    @property
    def side_px(self) -> int:
        """The longer side."""
        return max(self.size_px)

    def window(self, place: Pair) -> tuple[int, int, int, int]:
        """(x0, y0, x1, y1) of a place (row, column), x1 and y1 exclusive; it may reach beyond the input."""
        y0, x0 = (start + at * stride for start, at, stride in zip(self.start_px, place, self.stride_px, strict=True))
        return x0, y0, x0 + self.size_px[1], y0 + self.size_px[0]


def crop_box(field: ReceptiveField, place: Pair, height: int, width: int) -> tuple[int, int, int, int]:
    """(x0, y0, x1, y1) in pixels, x1 and y1 exclusive: what a place (row, column) sees of a height x width input.

    Never empty: a place that sees nothing but padding gets the pixel that is nearest to it.
    """
    x0, y0, x1, y1 = field.window(place)
    left, top = min(max(x0, 0), width - 1), min(max(y0, 0), height - 1)
    return left, top, max(min(x1, width), left + 1), max(min(y1, height), top + 1)


def receptive_fields(network: UnitNetwork, height: int | None = None, width: int | None = None) -> dict[str, ReceptiveField]:
    """The field of every layer and block that runs, by name, in running order; `height` and `width` default to the spec's.

    What is not known to be local counts as seeing everything, and so does adaptive pooling to a size that does not divide its
    input's. Not counted: the light that `measuring.Reflectance` divides each pixel by, which is fitted to the frame's border.
    For networks that look at a photograph mirrored too, the fields are those of the view that is not.
    """
    flow = data_flow(network)
    size = (height or network.spec.height, width or network.spec.width)
    interpreter = _Fields(network.bare, flow.graph, size)
    with torch.no_grad():
        interpreter.run(torch.zeros(1, network.spec.channels, *size))
    return {name: interpreter.fields[node] for name, node in flow.outputs.items()}


@dataclass(frozen=True, slots=True)
class DataFlow:
    """Which layer takes what another one gave."""

    graph: fx.Graph
    outputs: Mapping[str, fx.Node]
    """What each layer and block gives, by its name, in the order in which they end."""
    modules: Mapping[str, nn.Module]

    def layer(self, node: fx.Node) -> nn.Module | None:
        """The layer that computes a node; None for plain operations."""
        return self.modules[str(node.target)] if node.op == "call_module" else None


class _Tracer(fx.Tracer):
    def __init__(self) -> None:
        super().__init__()
        self.outputs: dict[str, fx.Node] = {}

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, Reflectance) or super().is_leaf_module(m, module_qualified_name)

    def call_module(self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        output = super().call_module(m, forward, args, kwargs)
        if isinstance(output, fx.Proxy):
            self.outputs[self.path_of_module(m)] = output.node
        return output


def data_flow(network: UnitNetwork) -> DataFlow:
    """Follow the network's forward pass symbolically, by torch.fx: no photograph is needed, and nothing is computed."""
    tracer = _Tracer()
    graph = tracer.trace(network.bare)
    return DataFlow(graph, tracer.outputs, dict(network.bare.named_modules()))


LOCAL_LAYERS: Final = (nn.ReLU, nn.BatchNorm2d, nn.LocalResponseNorm, nn.Dropout, nn.Identity, Reflectance)
"""Each place of what they give sees that place of what they take, in all channels."""
_LOCAL_FUNCTIONS: Final = frozenset({operator.add, operator.sub, operator.mul, operator.truediv, torch.add, torch.relu})


class _Fields(fx.Interpreter):
    """Runs a graph, for the sizes of its maps, and keeps the field behind each of its nodes."""

    def __init__(self, network: nn.Module, graph: fx.Graph, size: Pair) -> None:
        super().__init__(network, graph=graph)
        self.whole = ReceptiveField(size, (0, 0), (0, 0), whole=True)
        self.fields: dict[fx.Node, ReceptiveField] = {}

    def run_node(self, n: fx.Node) -> Any:
        output = super().run_node(n)
        if n.op == "placeholder":
            self.fields[n] = ReceptiveField((1, 1), (1, 1), (0, 0))
        elif sources := [source for source in n.all_input_nodes if source in self.fields]:
            self.fields[n] = self._behind(n, sources, output) or self.whole
        return output

    def _behind(self, node: fx.Node, sources: list[fx.Node], output: Any) -> ReceptiveField | None:
        """The field of a node; None where each of its places may see everything."""
        fields = [self.fields[source] for source in sources]
        if node.target is torch.cat and node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else 0) == 0:
            return fields[0]  # views of a photograph, of which the first is upright
        if any(field.whole for field in fields):
            return None
        if node.op == "call_function":
            return _union(fields) if node.target is torch.cat or node.target in _LOCAL_FUNCTIONS else None
        layer = self.submodules[str(node.target)] if node.op == "call_module" else None
        if isinstance(layer, LOCAL_LAYERS):
            return fields[0]
        if isinstance(layer, nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d):
            return _through(fields[0], *_window(layer))
        if isinstance(layer, nn.AdaptiveAvgPool2d):
            taken, given = self.env[sources[0]].shape[2:], output.shape[2:]
            if any(before % after for before, after in zip(taken, given, strict=True)):
                return None
            step = (taken[0] // given[0], taken[1] // given[1])
            return _through(fields[0], step, step, (0, 0))
        return None


def _window(layer: nn.Conv2d | nn.MaxPool2d | nn.AvgPool2d) -> tuple[Pair, Pair, Pair]:
    """Extent, step and padding before the first place of a sliding window, along both axes."""
    dilation = (1, 1) if isinstance(layer, nn.AvgPool2d) else _pair(layer.dilation)
    kernel = _pair(layer.kernel_size)
    extent = (dilation[0] * (kernel[0] - 1) + 1, dilation[1] * (kernel[1] - 1) + 1)
    if layer.padding == "same":
        padding = ((extent[0] - 1) // 2, (extent[1] - 1) // 2)  # the odd one of an even kernel comes behind
    else:
        padding = (0, 0) if isinstance(layer.padding, str) else _pair(layer.padding)
    return extent, _pair(layer.stride), padding


def _pair(value: Any) -> Pair:
    return (int(value), int(value)) if isinstance(value, int) else (int(value[0]), int(value[1]))


def _through(field: ReceptiveField, extent: Pair, step: Pair, padding: Pair) -> ReceptiveField:
    size, stride, start = (
        (field.size_px[0] + (extent[0] - 1) * field.stride_px[0], field.size_px[1] + (extent[1] - 1) * field.stride_px[1]),
        (field.stride_px[0] * step[0], field.stride_px[1] * step[1]),
        (field.start_px[0] - padding[0] * field.stride_px[0], field.start_px[1] - padding[1] * field.stride_px[1]),
    )
    return ReceptiveField(size, stride, start)


def _union(fields: list[ReceptiveField]) -> ReceptiveField | None:
    """The smallest field that holds all of these; None where they do not move in step."""
    if any(field.stride_px != fields[0].stride_px for field in fields):
        return None
    start = (min(field.start_px[0] for field in fields), min(field.start_px[1] for field in fields))
    end = (
        max(field.start_px[0] + field.size_px[0] for field in fields),
        max(field.start_px[1] + field.size_px[1] for field in fields),
    )
    return ReceptiveField((end[0] - start[0], end[1] - start[1]), fields[0].stride_px, start)
