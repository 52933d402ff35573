"""Gradient ascent on the pixels of a picture: what activation maximization and DeepDream share.

Pictures are (1, channels, H, W) float32, where 0..1 is what a camera can give; steps are given on a scale of 0..255. During an
ascent nothing is clipped; the pictures that are handed out are, to 0..1.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from models.errors import InvalidParameter

Picture = NDArray[np.float32]
"""(H, W, 3) in 0..1."""
Objective = Callable[[Tensor], Tensor]
"""A picture -> the scalar to climb."""

TILE_PX: Final = 512
"""Side of the tiles that gradients are computed on: bounds the memory, whatever the picture."""


@dataclass(frozen=True, slots=True)
class Ascent:
    """Where an ascent arrived, and how it came there."""

    image: Picture
    """(H, W, 3) float32 in 0..1, grey networks' in three equal channels."""
    objective: list[float]
    """Its value before each step, over all octaves: octaves * steps numbers. Octaves differ in size, so the curve may jump."""
    frames: list[Picture]
    """Pictures along the way, evenly spaced, the first before any step and the last `image`; all of its size. Empty for 0."""
    frame_steps: list[int]
    """Steps done by each frame."""


@dataclass(slots=True)
class Progress:
    """The curve and the frames of a running ascent of `total` steps; `wanted` frames, and the last, are kept."""

    total: int
    wanted: int
    objective: list[float] = field(default_factory=list)
    frames: list[Picture] = field(default_factory=list)
    frame_steps: list[int] = field(default_factory=list)

    def keep(self, shown: Callable[[], Picture]) -> None:
        """Offer the picture as it is now; `shown` runs only when it is one of those to keep."""
        done = len(self.objective)
        if self.wanted and done in {round(index * self.total / self.wanted) for index in range(self.wanted)}:
            self.frames.append(shown())
            self.frame_steps.append(done)

    def finish(self, image: Picture) -> Ascent:
        frames, frame_steps = self.frames, self.frame_steps
        if self.wanted and frame_steps[-1:] != [len(self.objective)]:
            frames, frame_steps = [*frames, image], [*frame_steps, len(self.objective)]
        return Ascent(image, self.objective, frames, frame_steps)


@dataclass(frozen=True, slots=True)
class Climb:
    """How to climb. `direction` makes a step of length about 1 of a gradient; `prior` changes the picture after each step."""

    direction: Callable[[Tensor], Tensor]
    steps: int
    step: float
    """Of 255."""
    jitter_px: int = 0
    tile_px: int = TILE_PX
    prior: Callable[[Tensor], Tensor] = lambda picture: picture

    def run(
        self,
        picture: Tensor,
        objective: Objective,
        generator: torch.Generator,
        progress: Progress,
        shown: Callable[[Tensor], Picture],
    ) -> Tensor:
        """`steps` steps from a picture (1, channels, H, W); `shown` makes a frame of the picture on the way."""
        for _ in range(self.steps):
            progress.keep(partial(shown, picture))
            shift = random_shift(self.jitter_px, generator)
            jittered = torch.roll(picture, shift, (2, 3))
            # seams between tiles wander, so that none of them shows
            seams = random_shift(self.tile_px // 2, generator) if max(picture.shape[2:]) > self.tile_px else (0, 0)
            value, gradient = tiled_gradient(objective, jittered, self.tile_px, seams)
            gradient = torch.roll(gradient, (-shift[0], -shift[1]), (2, 3))
            picture = self.prior(picture + self.step / 255 * self.direction(gradient))
            progress.objective.append(value)
        return picture


def random_shift(most_px: int, generator: torch.Generator) -> tuple[int, int]:
    """Rows and columns to shift by, each from -most_px to most_px. Draws from the generator alone."""
    if most_px == 0:
        return 0, 0
    rows, columns = torch.randint(-most_px, most_px + 1, (2,), generator=generator).tolist()
    return rows, columns


def gradient_of(objective: Objective, picture: Tensor) -> tuple[float, Tensor]:
    """Value of the objective and its gradient, of the picture's shape. No parameter's gradient is touched."""
    with torch.enable_grad():
        x = picture.detach().requires_grad_()
        value = objective(x)
        (gradient,) = torch.autograd.grad(value, x)
    return value.item(), gradient


def tiled_gradient(
    objective: Objective, picture: Tensor, tile_px: int = TILE_PX, shift: tuple[int, int] = (0, 0)
) -> tuple[float, Tensor]:
    """As `gradient_of`, on tiles of at most tile_px a side, cut after the picture was rolled by `shift` (rows, columns).

    Each tile counts by its share of the area: for a mean over places that is the mean over the picture, but for the places at
    the seams, which see zeros beyond. A picture no larger than a tile is done in one pass, and not rolled.
    """
    height, width = picture.shape[2:]
    if max(height, width) <= tile_px:
        return gradient_of(objective, picture)
    rolled = torch.roll(picture, shift, (2, 3))
    total, gradient = 0.0, torch.empty_like(rolled)
    for top, bottom in _cuts(height, tile_px):
        for left, right in _cuts(width, tile_px):
            share = (bottom - top) * (right - left) / (height * width)
            value, own = gradient_of(objective, rolled[:, :, top:bottom, left:right])
            total += share * value
            gradient[:, :, top:bottom, left:right] = share * own
    return total, torch.roll(gradient, (-shift[0], -shift[1]), (2, 3))


def smallest_tile(height: int, width: int, tile_px: int) -> tuple[int, int]:
    """Height and width of the smallest tile that a picture is cut into."""
    rows, columns = (min(end - start for start, end in _cuts(side, tile_px)) for side in (height, width))
    return rows, columns


def _cuts(size_px: int, tile_px: int) -> list[tuple[int, int]]:
    """Starts and ends of parts as equal as can be: a sliver at the end would be too small for deep layers."""
    parts = -(-size_px // tile_px)
    edges = [size_px * index // parts for index in range(parts + 1)]
    return list(pairwise(edges))


def octave_sizes(height: int, width: int, octaves: int, scale: float) -> list[tuple[int, int]]:
    """(height, width) of each octave, the smallest first, the last the picture's own; each `scale` times the one before.

    Raises InvalidParameter for octaves below 1 or a scale that does not grow.
    """
    if octaves < 1 or not scale > 1:
        raise InvalidParameter(f"{octaves} octaves of {scale:g}: it takes 1 octave or more, of a scale above 1.")
    shrunk = [scale**-index for index in reversed(range(octaves))]
    return [(max(1, round(height * share)), max(1, round(width * share))) for share in shrunk]


def resized(picture: Tensor, size: Sequence[int]) -> Tensor:
    """(1, C, H, W) -> (1, C, *size), bilinear, smoothed where it shrinks."""
    if tuple(picture.shape[2:]) == tuple(size):
        return picture
    return F.interpolate(picture, size=tuple(size), mode="bilinear", align_corners=False, antialias=True)


def as_image(picture: Tensor) -> Picture:
    """(1, channels, H, W) -> (H, W, 3) float32, clipped to 0..1; one channel is shown as grey."""
    image: Picture = picture[0].detach().clamp(0, 1).permute(1, 2, 0).expand(-1, -1, 3).contiguous().numpy()
    return image


def display(picture: Tensor) -> Picture:
    """(1, channels, H, W) -> (H, W, 3) float32 in 0..1: `(a - mean) / max(std, 1e-4) * 0.1 + 0.5`, then clipped.

    An optimized picture has a range of its own; this gives all of them the same contrast (Mordvintsev et al. 2015).
    """
    spread = picture.std(correction=0).clamp(min=1e-4)
    return as_image((picture - picture.mean()) / spread * 0.1 + 0.5)
