"""Each network at an input small enough to test in, and numbers that a network fresh from its start would not show."""

from functools import cache
from typing import Final

import torch
from torch import Tensor, nn

from models.architectures import build, default_spec, smallest_side
from models.preprocess import PreprocessSpec

SEED: Final = 7


def small_spec(name: str) -> PreprocessSpec:
    """The architecture's own preprocessing, at 32x32 or the least it takes."""
    spec = default_spec(name)
    side = max(32 if name != "deep-mnist" else 28, smallest_side(name))
    return spec.model_copy(update={"width": side, "height": side})


@cache
def network_of(name: str) -> nn.Module:
    """One for all tests that change nothing about it, in evaluation mode: VGG-19 takes seconds to build."""
    torch.manual_seed(SEED)
    return build(name, spec=small_spec(name)).eval()


def inputs_of(name: str, batch: int) -> Tensor:
    spec = small_spec(name)
    return torch.randn(batch, spec.channels, spec.height, spec.width, generator=torch.Generator().manual_seed(3))


def trained_statistics(network: nn.Module, seed: int = 5) -> None:
    """Give every batch normalisation statistics and weights as training leaves them: none is 0 or 1.

    Convolutions start as He et al. 2015 say, so that signals reach the end: else the biases alone would decide the logits.
    """
    generator = torch.Generator().manual_seed(seed)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu", generator=generator)
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            assert layer.running_mean is not None
            assert layer.running_var is not None
            layer.running_mean.normal_(0, 0.3, generator=generator)
            layer.running_var.uniform_(0.5, 2.0, generator=generator)
            nn.init.uniform_(layer.weight, 0.5, 1.5, generator=generator)
            nn.init.normal_(layer.bias, 0, 0.3, generator=generator)
