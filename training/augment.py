"""Random changes of training images that keep their grade, on whole batches and on whichever device they are.

Length, thickness and bend are the label: images are mirrored, moved and turned as they are, and their light changes. What would
hide an end of the fruit (cutout, random crops) or change its proportions (scaling, shear) is not here.
"""

import math

import numpy as np
import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from training.config import Augmentation


def augment(x: Tensor, settings: Augmentation, generator: Generator) -> Tensor:
    """(B, C, H, W) float32 in 0..1 -> the same shape, each image changed on its own; `generator` lives on the CPU."""
    if settings.flip:
        x = _flip(x, generator)
    if settings.rotate_deg:
        x = _rotate(x, settings.rotate_deg, generator)
    if settings.shift_px:
        x = _shift(x, settings.shift_px, generator)
    if settings.light:
        x = _relight(x, settings.light, generator)
    if settings.gradient:
        x = _shade(x, settings.gradient, generator)
    if settings.noise:
        x = _speckle(x, settings.noise, generator)
    return x


def mixup(x: Tensor, alpha: float, rng: np.random.Generator) -> tuple[Tensor, Tensor, float]:
    """mixup (Zhang et al. 2018): (B, C, H, W) -> (the same mixed with itself in another order, that order (B,) int64, share).

    `share`, drawn from Beta(alpha, alpha), is the part of each image that is itself; the loss mixes its two labels alike.
    """
    share = float(rng.beta(alpha, alpha))
    order = torch.from_numpy(rng.permutation(len(x))).to(x.device)
    return torch.lerp(x[order], x, share), order, share


def _flip(x: Tensor, generator: Generator) -> Tensor:
    flips = (torch.rand(len(x), 2, generator=generator) < 0.5).to(x.device)
    x = torch.where(flips[:, 0].view(-1, 1, 1, 1), x.flip(3), x)
    return torch.where(flips[:, 1].view(-1, 1, 1, 1), x.flip(2), x)


def _shift(x: Tensor, most_px: int, generator: Generator) -> Tensor:
    batch, _, height, width = x.shape
    offset = torch.randint(0, 2 * most_px + 1, (2, batch, 1), generator=generator).to(x.device)
    padded = F.pad(x, (most_px,) * 4, mode="replicate")  # B x C x H+2m x W+2m
    rows = (torch.arange(height, device=x.device) + offset[0]).view(batch, 1, height, 1)
    columns = (torch.arange(width, device=x.device) + offset[1]).view(batch, 1, 1, width)
    images = torch.arange(batch, device=x.device).view(batch, 1, 1, 1)
    channels = torch.arange(x.shape[1], device=x.device).view(1, -1, 1, 1)
    return padded[images, channels, rows, columns]


def _rotate(x: Tensor, most_deg: float, generator: Generator) -> Tensor:
    """About the middle of the frame, by bilinear interpolation; pixels are square also where the frame is not."""
    batch, _, height, width = x.shape
    angle = (torch.rand(batch, generator=generator) * 2 - 1) * math.radians(most_deg)
    cos, sin, zero = angle.cos(), angle.sin(), torch.zeros(batch)
    # grid_sample measures each axis in halves of the frame's side, so that the sines carry the ratio of the sides
    rows = [torch.stack([cos, -sin * height / width, zero], 1), torch.stack([sin * width / height, cos, zero], 1)]
    turn = torch.stack(rows, 1).to(x.device)  # B x 2 x 3
    grid = F.affine_grid(turn, [batch, 1, height, width], align_corners=False)  # B x H x W x 2
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)


def _relight(x: Tensor, spread: float, generator: Generator) -> Tensor:
    """Contrast about the image's mean, then brightness, then the colour of the light."""
    draw = torch.randn(len(x), 2 + x.shape[1], 1, 1, generator=generator).to(x.device) * spread
    mean = x.mean(dim=(1, 2, 3), keepdim=True)
    x = (x - mean) * (1 + draw[:, :1]) + mean
    return x * (1 + draw[:, 1:2]) + draw[:, 2:] * 0.5


def _shade(x: Tensor, strength: float, generator: Generator) -> Tensor:
    """Add a plane of light that falls off across the frame in a random direction."""
    slope = torch.randn(2, len(x), 1, 1, 1, generator=generator).to(x.device) * strength
    rows = torch.linspace(-1, 1, x.shape[2], device=x.device).view(1, 1, -1, 1)
    columns = torch.linspace(-1, 1, x.shape[3], device=x.device).view(1, 1, 1, -1)
    return x + slope[0] * rows + slope[1] * columns


def _speckle(x: Tensor, deviation: float, generator: Generator) -> Tensor:
    # Drawn where the images are: so many numbers would be slow to draw on the CPU and to send.
    local = Generator(x.device).manual_seed(int(torch.randint(2**62, (), generator=generator)))
    return x + deviation * torch.randn(x.shape, generator=local, device=x.device)
