"""The layers of a network by name, and what they gave for a photograph."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.errors import UnknownLayer
from models.explain.frozen import UnitNetwork


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer that gives a tensor of its own, in the order it runs."""

    name: str
    """As in `bare.named_modules()`, such as `inception4c.branch1.conv`."""
    kind: str
    shape: tuple[int, ...]
    """Of its output for one photograph: (C, h, w) of maps, (D,) of a vector."""

    @property
    def spatial(self) -> bool:
        return len(self.shape) == 3


def layers_of(network: UnitNetwork, height: int | None = None, width: int | None = None) -> list[Layer]:
    """Every layer and block of layers that runs, in the order in which each ends; `height` and `width` default to the spec's.

    Blocks are named too (`inception4c`): their output is what the next block sees.
    """
    spec, found = network.spec, dict[str, Layer]()

    def note(name: str, layer: nn.Module, output: object) -> None:
        if isinstance(output, Tensor) and output.ndim in (2, 4) and name not in found:
            found[name] = Layer(name, type(layer).__name__, tuple(output.shape[1:]))

    named = [(name, layer) for name, layer in network.bare.named_modules() if name]
    hooks = [layer.register_forward_hook(lambda layer, _, out, name=name: note(name, layer, out)) for name, layer in named]
    try:
        with torch.no_grad():
            network(torch.zeros(1, spec.channels, height or spec.height, width or spec.width))
    finally:
        for hook in hooks:
            hook.remove()
    return list(found.values())


def spatial_layers(network: UnitNetwork) -> list[str]:
    """Names of the layers that give maps."""
    return [layer.name for layer in layers_of(network) if layer.spatial]


def last_spatial(network: UnitNetwork) -> str:
    """The last layer that gives maps: where class activation maps are usually taken. A layer that pools to 1x1 is passed over."""
    names = [layer.name for layer in layers_of(network) if layer.spatial and min(layer.shape[1:]) > 1]
    return names[-1] if names else spatial_layers(network)[-1]


def module_of(network: UnitNetwork, layer: str, valid: Sequence[str] | None = None) -> nn.Module:
    """The module of that name. Raises UnknownLayer naming `valid`, by default the layers that give maps."""
    names = list(valid) if valid is not None else spatial_layers(network)
    if layer not in names:
        raise UnknownLayer(layer, names)
    module: nn.Module = network.bare.get_submodule(layer)
    return module


class _Reached(Exception):
    """No error: it ends a forward pass early."""


@contextmanager
def outputs(network: UnitNetwork, names: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """While open, each forward pass leaves the outputs of these layers in the dict, attached to the graph of autograd.

    The hooks are gone afterwards, whatever happens. Raises UnknownLayer before anything runs.
    """
    valid = [name for name, _ in network.bare.named_modules() if name]
    kept: dict[str, Tensor] = {}

    def keep(name: str, output: Tensor) -> None:
        kept[name] = output

    hooks = [
        module_of(network, name, valid).register_forward_hook(lambda _, __, out, name=name: keep(name, out)) for name in names
    ]
    try:
        yield kept
    finally:
        for hook in hooks:
            hook.remove()


def output_of(network: UnitNetwork, x: Tensor, layer: str) -> Tensor:
    """What one layer gives for x (B, channels, H, W) in 0..1, attached to the graph; nothing behind it runs.

    So x may be of any size, also where the network ends in layers that want one size. Raises UnknownLayer.
    """
    valid = [name for name, _ in network.bare.named_modules() if name]
    kept: list[Tensor] = []

    def stop(_: nn.Module, __: object, output: Tensor) -> None:
        kept.append(output)
        raise _Reached

    hook = module_of(network, layer, valid).register_forward_hook(stop)
    try:
        network(x)
    except _Reached:
        pass
    finally:
        hook.remove()
    if not kept:
        raise UnknownLayer(layer, spatial_layers(network), f"The layer {layer!r} does not run when the network grades.")
    return kept[0]


def upright_views(maps: Tensor, photographs: int) -> Tensor:
    """(V*B, C, h, w) -> (V, B, C, h, w), the maps of each view of a photograph with its mirroring undone.

    V is 1 but for networks that look at every photograph four times: as it is, and mirrored left to right, top to bottom, and
    both (`models.architectures.measuring`).
    """
    views = maps.view(-1, photographs, *maps.shape[1:])
    if len(views) == 1:
        return views
    flips: tuple[tuple[int, ...], ...] = ((), (3,), (2,), (2, 3))
    return torch.stack([view.flip(flip) if flip else view for view, flip in zip(views, flips, strict=True)])
