"""Activation maximization: from noise to a picture that drives a channel or a neuron as high as it goes.

Erhan et al. 2009, "Visualizing Higher-Layer Features of a Deep Network"; priors after Simonyan et al. 2014 (L2), Yosinski et al.
2015 (blur), Mahendran and Vedaldi 2015 (total variation); gradient normalization, octaves and the Laplacian pyramid after
Mordvintsev et al. 2015. Shows what a feature responds to, not why a photograph was graded as it was.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from models.errors import InvalidParameter
from models.explain import laplacian
from models.explain.ascent import TILE_PX, Ascent, Climb, Progress, display, octave_sizes, resized
from models.explain.frozen import UnitNetwork
from models.explain.sight import Sight

Normalization = Literal["none", "gradient", "laplacian"]
GREY: Final = 100.5 / 255
"""Mean of the noise an ascent starts from, and the grey that decay leads to."""


def noise(channels: int, height: int, width: int, generator: torch.Generator) -> Tensor:
    """(1, channels, height, width) float32: uniform noise of 0..1 around 100, of 255; the generator alone is drawn from."""
    return (100 + torch.rand(1, channels, height, width, generator=generator)) / 255


def maximize(
    network: UnitNetwork,
    layer: str,
    *,
    channel: int = 0,
    channels: Sequence[int] | None = None,
    neuron: tuple[int, int] | None = None,
    normalization: Normalization = "gradient",
    octaves: int = 1,
    scale: float = 1.4,
    steps: int = 20,
    step: float = 1.0,
    decay: float = 0.0,
    variation: float = 0.0,
    blur_px: float = 0.0,
    jitter_px: int = 4,
    size: tuple[int, int] | None = None,
    tile_px: int = TILE_PX,
    frames: int = 0,
    seed: int = 0,
) -> Ascent:
    """A picture that raises `mean(T[:, channel])`, T being what `layer` gives before its ReLU; at the contrast of `display`.

    channels: the sum of the objectives of several channels in place of one. neuron: (row, column) of the layer's map for a
    picture of the final size, in place of the mean; a neuron is tied to a place, so jitter and tiles do not apply. size:
    (height, width) of the final picture, by default that of the network's input; `octaves` lead up to it, each `scale` times the
    one before, with `steps` steps of `step` (of 255) in each. normalization: "gradient" divides each gradient by its standard
    deviation, "laplacian" each level of its pyramid by its root mean square, "none" all of an octave by what the first was.
    Image prior, after each step: decay, share of its distance from grey that a pixel loses (0..1); variation, weight of the total
    variation beside the objective (0..1); blur_px, standard deviation of a Gaussian. frames: see Ascent. The same seed gives the
    same bits, and the global random numbers are left alone. The network sees the first of several views (`rbf`).

    Raises UnknownLayer; InvalidParameter for a channel or neuron that the layer does not have, an unknown normalization, or
    pictures smaller than the layer takes.
    """
    if normalization not in get_args(Normalization):
        raise InvalidParameter(
            f"normalization is {normalization!r}; choose one of: {', '.join(get_args(Normalization))}.",
            valid=list(get_args(Normalization)),
        )
    sight, spec = Sight(network, layer, before_relu=True), network.spec
    size = size or (spec.height, spec.width)
    sizes = octave_sizes(*size, octaves, scale)
    if neuron:
        jitter_px, tile_px = 0, max(size)
    sight.require(sizes[0], size, tile_px)
    objective = _Activation(sight, tuple(channels) if channels is not None else (channel,), neuron, size)

    prior = Prior(decay, variation, blur_px, step)
    generator = torch.Generator().manual_seed(seed)
    progress = Progress(octaves * steps, frames)
    picture = noise(spec.channels, *sizes[0], generator)
    for own in sizes:
        picture = resized(picture, own)
        climb = Climb(_direction(normalization), steps, step, jitter_px, tile_px, prior)
        picture = climb.run(picture, objective, generator, progress, lambda now: display(resized(now, size)))
    return progress.finish(display(picture))


@dataclass(frozen=True, slots=True)
class Prior:
    """What pictures are likely to be, applied after each step of `step` (of 255); see `maximize`."""

    decay: float
    variation: float
    blur_px: float
    step: float

    def __call__(self, picture: Tensor) -> Tensor:
        if self.variation:
            # Differences below 4 steps count as smooth: curvature is then at most 8 / (4 steps); no weight up to 1 overshoots.
            step = self.step / 255
            with torch.enable_grad():
                x = picture.detach().requires_grad_()
                (slope,) = torch.autograd.grad(total_variation(x, 4 * step), x)
            picture = picture - step * self.variation * slope
        if self.decay:
            picture = GREY + (picture - GREY) * (1 - self.decay)
        return blurred(picture, self.blur_px) if self.blur_px else picture


def total_variation(picture: Tensor, smooth: float = 0.0) -> Tensor:
    """Sum over pixels and channels of the length of the gradient, `sqrt(dx^2 + dy^2 + smooth^2)` (Rudin et al. 1992)."""
    down = F.pad(picture[:, :, 1:] - picture[:, :, :-1], (0, 0, 0, 1))
    across = F.pad(picture[:, :, :, 1:] - picture[:, :, :, :-1], (0, 1))
    return (down.square() + across.square() + smooth**2).sqrt().sum()


def blurred(picture: Tensor, sigma_px: float) -> Tensor:
    """(1, C, H, W) -> the same shape under a Gaussian of that standard deviation; pixels beyond the border repeat it."""
    reach, channels = math.ceil(3 * sigma_px), picture.shape[1]
    offsets = torch.arange(-reach, reach + 1, dtype=picture.dtype)
    weights = torch.exp(-0.5 * (offsets / sigma_px).square())
    row = (weights / weights.sum()).expand(channels, 1, 1, -1)
    padded = F.pad(picture, (reach, reach, reach, reach), mode="replicate")
    return F.conv2d(F.conv2d(padded, row, groups=channels), row.transpose(2, 3), groups=channels)


class _Activation:
    """Picture (1, channels, H, W) -> the sum over chosen channels of their mean, or of their value at one place."""

    def __init__(self, sight: Sight, channels: Sequence[int], neuron: tuple[int, int] | None, size: tuple[int, int]) -> None:
        shape = sight.shape(*size)
        self.sight, self.channels, self.neuron, self.map = sight, list(channels), neuron, shape[1:]
        wrong = [channel for channel in channels if not 0 <= channel < shape[0]]
        if wrong or not channels:
            raise InvalidParameter(
                f"{sight.layer} has the channels 0 to {shape[0] - 1}; {wrong[0] if wrong else 'none'} was asked for.",
                least=0,
                most=shape[0] - 1,
            )
        if neuron and not (len(shape) == 3 and 0 <= neuron[0] < shape[1] and 0 <= neuron[1] < shape[2]):
            raise InvalidParameter(
                f"{sight.layer} has no neuron at row {neuron[0]}, column {neuron[1]}: "
                + (f"its maps have {shape[1]} rows and {shape[2]} columns, from 0." if len(shape) == 3 else "it gives no maps."),
                shape=list(shape),
            )

    def __call__(self, picture: Tensor) -> Tensor:
        chosen = self.sight(picture)[0, self.channels]  # the first view of several; channels x h x w, or channels
        if not self.neuron:
            return chosen.flatten(1).mean(dim=1).sum() if chosen.ndim > 1 else chosen.sum()
        # in a smaller octave the map is smaller, and the place in proportion
        row, column = (at * now // whole for at, now, whole in zip(self.neuron, chosen.shape[1:], self.map, strict=True))
        return chosen[:, row, column].sum()


def _direction(normalization: Normalization) -> Callable[[Tensor], Tensor]:
    """What makes a step of a gradient."""
    if normalization == "laplacian":
        return laplacian.normalize
    if normalization == "gradient":
        return lambda gradient: gradient / (gradient.std(correction=0) + 1e-8)
    first: list[Tensor] = []

    def as_it_is(gradient: Tensor) -> Tensor:
        # Gradients of a mean over places are tiny: the spread of the first gives `step` its meaning, and changes no direction.
        if not first:
            first.append(gradient.std(correction=0) + 1e-8)
        return gradient / first[0]

    return as_it_is
