"""Does a map depend on what the network learned? The sanity check of Adebayo et al. 2018.

Weights are replaced by random ones, layer after layer from the output down. A map that explains the grade must change; one that
stays draws the edges of the photograph, whatever the network: guided backprop and deconvolution do, which is why they are
labelled as showing features, not reasons.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from models.errors import UnknownLayer
from models.explain.frozen import UnitNetwork
from models.explain.layers import layers_of

Maps = Callable[[UnitNetwork, Tensor], Tensor | npt.NDArray[np.floating]]
"""(network, x (B, channels, H, W) in 0..1) -> one map a photograph, (B, ...)."""


@dataclass(frozen=True, slots=True)
class Step:
    """How alike maps are once everything from the output down to `layer` is random."""

    layer: str
    correlation: float
    """Spearman's rank correlation with the trained network's maps, mean over the photographs."""


def weighted_layers(network: UnitNetwork) -> list[str]:
    """Names of the layers with weights of their own that run when the network grades, the last one first.

    Batch normalisations are left out: they keep the signal's scale, which random weights need as much as trained ones.
    """
    modules = dict(network.bare.named_modules())
    names = [layer.name for layer in layers_of(network)]
    return [name for name in reversed(names) if _has_weights(modules[name])]


def randomized(network: UnitNetwork, layers: Sequence[str], seed: int = 0) -> UnitNetwork:
    """A copy whose named layers have random weights: normal, each of the mean and deviation of the trained ones.

    So the logits keep their scale and the signal its strength. A layer's weights depend on the seed and its name alone. Raises
    UnknownLayer naming those with weights.
    """
    valid = weighted_layers(network)
    copy = deepcopy(network)
    for name in layers:
        if name not in valid:
            raise UnknownLayer(name, valid)
        generator = torch.Generator().manual_seed(seed)
        generator.manual_seed(int(torch.randint(2**31, (), generator=generator)) + sum(map(ord, name)))
        for parameter in copy.bare.get_submodule(name).parameters(recurse=False):
            if parameter.numel() > 1:
                drawn = torch.randn(parameter.shape, generator=generator, dtype=torch.float32)
                parameter.copy_(drawn * parameter.std() + parameter.mean())
    return copy


def cascade(network: UnitNetwork, maps: Maps, x: Tensor, layers: Sequence[str] | None = None, seed: int = 0) -> list[Step]:
    """Randomize from the output down, one layer more with each step, and compare the maps of x (B, channels, H, W) in 0..1.

    `layers` are by default all of `weighted_layers`; the first step alone is the check of the last layer.
    """
    order = list(layers) if layers is not None else weighted_layers(network)
    original = _flat(maps(network, x))
    steps = []
    for count in range(1, len(order) + 1):
        changed = _flat(maps(randomized(network, order[:count], seed), x))
        found = [rank_correlation(a, b) for a, b in zip(original, changed, strict=True)]
        steps.append(Step(order[count - 1], float(np.mean(found))))
    return steps


def last_layer(network: UnitNetwork, maps: Maps, x: Tensor, seeds: int = 5) -> float:
    """Correlation of the maps once the last layer is random, mean over the photographs and `seeds` draws of it."""
    last = weighted_layers(network)[:1]
    return float(np.mean([cascade(network, maps, x, last, seed)[0].correlation for seed in range(seeds)]))


def rank_correlation(first: npt.NDArray[np.floating], second: npt.NDArray[np.floating]) -> float:
    """Spearman's rank correlation of two arrays of one size, -1 to 1; equal values share their mean rank.

    0 where one of them is constant: it has no order, so nothing agrees with it.
    """
    a, b = (_ranks(np.asarray(values, np.float64).reshape(-1)) for values in (first, second))
    a, b = a - a.mean(), b - b.mean()
    spread = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / spread if spread > 0 else 0.0


def _ranks(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[places], np.float64)


def _has_weights(module: nn.Module) -> bool:
    return not isinstance(module, _BatchNorm) and any(True for _ in module.parameters(recurse=False))


def _flat(maps: Tensor | npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    values = maps.detach().numpy() if isinstance(maps, Tensor) else maps
    return np.asarray(values).reshape(len(values), -1)
