"""Layers, output shapes, parameters and multiply-accumulates of a network, computed by running it once.

Layers that do not run in evaluation mode, such as auxiliary classifiers, are not counted. A network built under
`torch.device("meta")` is described without its weights taking memory or its sums taking time.
"""

from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class LayerSummary:
    """One leaf layer. `macs` counts multiply-accumulates of convolutions and linear layers for one image."""

    name: str
    kind: str
    output: tuple[int, ...]
    """Output shape without the batch."""
    weights: int
    biases: int
    macs: int

    @property
    def parameters(self) -> int:
        return self.weights + self.biases


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over the layers of a network."""

    parameters: int
    macs: int
    fully_connected: int
    """Number of linear layers."""

    @classmethod
    def of(cls, rows: list[LayerSummary]) -> Self:
        return cls(sum(row.parameters for row in rows), sum(row.macs for row in rows), sum(row.kind == "Linear" for row in rows))


def summarize(network: nn.Module, channels: int, height: int, width: int) -> list[LayerSummary]:
    """Run one blank (1, channels, height, width) input and describe each leaf layer in the order it ran."""
    rows: list[LayerSummary] = []
    hooks = [
        layer.register_forward_hook(lambda layer, _, out, name=name: rows.append(_describe(name, layer, out)))
        for name, layer in network.named_modules()
        if not list(layer.children())
    ]
    device = next((p.device for p in network.parameters()), None)
    training = [layer for layer in network.modules() if layer.training]
    network.eval()
    try:
        with torch.no_grad():
            network(torch.zeros(1, channels, height, width, device=device))
    finally:
        for layer in training:  # not all of them at once: some may have been frozen
            layer.training = True
        for hook in hooks:
            hook.remove()
    return rows


def _describe(name: str, layer: nn.Module, output: Tensor) -> LayerSummary:
    shape = tuple(output.shape[1:])
    own: dict[str, Any] = dict(layer.named_parameters(recurse=False))
    biases = own["bias"].numel() if "bias" in own else 0
    weights = sum(p.numel() for p in own.values()) - biases
    macs = 0
    times = output.shape[0]  # a network may look at one image several times, such as mirrored
    if isinstance(layer, nn.Conv2d):
        macs = weights * shape[1] * shape[2] * times
    elif isinstance(layer, nn.Linear):
        macs = weights * times
    return LayerSummary(name, type(layer).__name__, shape, weights, biases, macs)
