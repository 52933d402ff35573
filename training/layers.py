"""Which layers train, and how fast each: freezing, and learning rates that fall from the head to the first layer."""

from collections.abc import Sequence
from typing import Any

from torch import nn

from models.errors import RunError


def layers_of(network: nn.Module) -> list[tuple[str, list[nn.Parameter]]]:
    """Layers from the first to the head: (name, parameters) pairs that hold every parameter once.

    A layer is a child of the network (an inception module, a residual block, a convolution), where children that are Sequential
    stand for what they hold; a normalisation belongs to the layer before it. Auxiliary heads (`aux...`) belong to the last layer,
    the head: like it they start fresh, wherever they branch off.
    """
    found: list[tuple[str, list[nn.Parameter]]] = []
    heads: list[nn.Parameter] = list(network.parameters(recurse=False))
    for name, module in _units(network, ""):
        parameters = list(module.parameters())
        if name.startswith("aux"):
            heads += parameters
        elif found and all(p.dim() < 2 for p in parameters):
            found[-1][1].extend(parameters)
        elif parameters:
            found.append((name, parameters))
    if not found:
        return [("network", heads)]
    found[-1][1].extend(heads)
    return found


def parameter_groups(network: nn.Module, learning_rate: float, decay: float) -> list[dict[str, Any]]:
    """Groups for an optimizer, first layer first, of what is to be trained.

    With `decay` below 1 each layer learns at `decay` times the rate of the one above it (discriminative fine-tuning, Howard and
    Ruder 2018; layer-wise decay, Bao et al. 2022); with 1 there is a single group.
    """
    layers = layers_of(network) if decay < 1 else [("network", list(network.parameters()))]
    groups = [
        {"name": name, "params": trained, "lr": learning_rate * decay ** (len(layers) - 1 - index)}
        for index, (name, parameters) in enumerate(layers)
        if (trained := [p for p in parameters if p.requires_grad])
    ]
    if not groups:
        raise RunError("Every layer is frozen, nothing is left to train. Freeze fewer with --freeze.")
    return groups


def freeze(network: nn.Module, names: Sequence[str]) -> list[nn.Module]:
    """Stop training the modules of these names and all inside them; returns them, to be kept in evaluation mode.

    In evaluation mode their batch normalisation keeps its statistics too. Raises RunError naming what can be frozen.
    """
    modules = {name: module for name, module in network.named_modules() if name and any(True for _ in module.parameters())}
    if unknown := [name for name in names if name not in modules]:
        shown = [name for name in modules if name.count(".") < 2]
        raise RunError(
            f"The network has no {' and no '.join(unknown)} to freeze. It has: {', '.join(shown)}.", unknown=unknown, valid=shown
        )
    frozen = [modules[name] for name in names]
    for module in frozen:
        module.requires_grad_(False)
    return frozen


def _units(module: nn.Module, prefix: str) -> list[tuple[str, nn.Module]]:
    units: list[tuple[str, nn.Module]] = []
    for name, child in module.named_children():
        units += _units(child, f"{prefix}{name}.") if isinstance(child, nn.Sequential) else [(prefix + name, child)]
    return units
