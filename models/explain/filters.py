"""Learned filters: the weights of a convolution, laid out as pictures, and a figure for whether they show structure."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from models.errors import UnknownLayer
from models.explain.frozen import UnitNetwork
from models.explain.receptive import data_flow
from models.explain.result import Floats

GREY, GAP = 0.5, 1.0
"""What weights of 0, and the space between tiles, are drawn as."""


def convolution_layers(network: UnitNetwork) -> list[str]:
    """Names of the convolutions that run when the network grades, in running order."""
    flow = data_flow(network)
    return [name for name, node in flow.outputs.items() if isinstance(flow.layer(node), nn.Conv2d)]


def learned_filters(network: UnitNetwork, layer: str) -> Tensor:
    """The weights of a convolution: (N, C, kh, kw) float32, a copy.

    Raw: a batch normalisation behind it, which scales each filter as a whole, is not folded in. C of a grouped convolution is
    the number of channels that one filter sees: of AlexNet's conv2, half. Raises UnknownLayer naming the convolutions.
    """
    names = convolution_layers(network)
    if layer not in names:
        raise UnknownLayer(layer, names)
    weight = network.bare.get_submodule(layer).weight
    if not isinstance(weight, Tensor):
        raise UnknownLayer(layer, names)
    return weight.detach().clone()


def autocorrelation(filters: Tensor) -> float | None:
    """How alike neighbouring weights are: (N, C, kh, kw) -> the spatial autocorrelation at a lag of one, -1..1 or little beyond.

    Of each filter and channel, with its mean removed: the mean product of two weights side by side, over the mean square;
    averaged over left-right and up-down neighbours, then over filters and channels. Independent weights give
    -1 / (kh * kw - 1), slightly below 0 as the mean is removed; smooth filters are well above.

    None for kernels of 1x1, which have no neighbours, and where no filter has two different weights.
    """
    height, width = filters.shape[2:]
    if height * width == 1:
        return None
    centred = filters.double() - filters.double().mean(dim=(2, 3), keepdim=True)
    square = centred.square().mean(dim=(2, 3))
    along = [
        (a * b).mean(dim=(2, 3))
        for a, b in ((centred[..., :-1], centred[..., 1:]), (centred[..., :-1, :], centred[..., 1:, :]))
        if a.numel()
    ]
    different = square > 1e-12 * filters.double().square().mean(dim=(2, 3)) + 1e-300
    if not different.any():
        return None
    return float((torch.stack(along).mean(0)[different] / square[different]).mean())


@dataclass(frozen=True, slots=True)
class Structure:
    """The autocorrelation of a layer's filters beside that of random weights of the same shape."""

    trained: float
    random_mean: float
    random_std: float
    """Over draws of the whole layer."""

    @property
    def deviations(self) -> float:
        """Standard deviations that the filters lie above random weights."""
        return (self.trained - self.random_mean) / self.random_std

    @property
    def shows_structure(self) -> bool:
        """Whether that is more than chance gives: above 3 deviations. How much structure, `trained` itself says."""
        return self.deviations > 3.0


def structure(network: UnitNetwork, layer: str, draws: int = 20, seed: int = 0) -> Structure | None:
    """Whether the filters of a layer show structure or noise: against `draws` layers of normally distributed weights.

    None for kernels of 1x1. Raises UnknownLayer, ValueError below two draws.
    """
    if draws < 2:
        raise ValueError(f"{draws} draws have no standard deviation; take at least 2")
    filters = learned_filters(network, layer)
    trained = autocorrelation(filters)
    if trained is None:
        return None
    generator = torch.Generator().manual_seed(seed)
    random = [autocorrelation(torch.randn(filters.shape, generator=generator)) for _ in range(draws)]
    values = np.array([value for value in random if value is not None])
    return Structure(trained, float(values.mean()), float(values.std(ddof=1)))


def tiles(
    filters: Tensor,
    scale: Literal["layer", "filter"] = "layer",
    colour: bool | None = None,
    most_filters: int = 256,
    most_channels: int = 32,
    gap_px: int = 1,
) -> Floats:
    """Filters (N, C, kh, kw) laid out as a picture (height, width, 3) float32 in 0..1, a pixel for each weight.

    In colour (by default where C is 3, as in a first layer): a tile per filter, in rows as near to a square as they come. Else
    in grey: a row per filter with a tile per channel it sees. The first `most_filters` and `most_channels` are drawn.

    A weight of 0 is grey 0.5; the largest absolute weight, of the layer or with `scale` "filter" of each filter, reaches 0 or
    1. One scale for the layer shows which filters are strong; one for each shows the form of the weak ones. Tiles are `gap_px`
    apart, in white. Raises ValueError for filters in colour that do not see 3 channels.
    """
    colour = filters.shape[1] == 3 if colour is None else colour
    if colour and filters.shape[1] != 3:
        raise ValueError(f"filters that see {filters.shape[1]} channels have no colours; lay them out with colour=False")
    drawn = filters[:most_filters] if colour else filters[:most_filters, :most_channels]
    weights = drawn.detach().double().cpu().numpy()
    largest = np.abs(weights).max(axis=(1, 2, 3) if scale == "filter" else None, keepdims=True)
    unit = (GREY + 0.5 * weights / np.maximum(largest, np.finfo(np.float64).tiny)).astype(np.float32)
    count, channels, kh, kw = unit.shape
    if colour:
        columns = math.ceil(math.sqrt(count))
        pictures = list(unit.transpose(0, 2, 3, 1))
    else:
        columns = channels
        pictures = list(np.repeat(unit.reshape(count * channels, kh, kw, 1), 3, axis=3))
    rows = math.ceil(len(pictures) / columns)
    sheet = np.full((rows * (kh + gap_px) + gap_px, columns * (kw + gap_px) + gap_px, 3), GAP, dtype=np.float32)
    for index, picture in enumerate(pictures):
        top, left = gap_px + index // columns * (kh + gap_px), gap_px + index % columns * (kw + gap_px)
        sheet[top : top + kh, left : left + kw] = picture
    return sheet
