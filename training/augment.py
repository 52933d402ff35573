"""Random changes of training images that keep their grade, on whole batches and on whichever device they are."""

import torch
from torch import Generator, Tensor
from torch.nn import functional as F

from training.config import Augmentation


def augment(x: Tensor, settings: Augmentation, generator: Generator) -> Tensor:
    """(B, C, H, W) float32 in 0..1 -> the same shape, each image changed on its own; `generator` lives on the CPU."""
    if settings.flip:
        x = _flip(x, generator)
    if settings.shift_px:
        x = _shift(x, settings.shift_px, generator)
    if settings.light:
        x = _relight(x, settings.light, generator)
    if settings.gradient:
        x = _shade(x, settings.gradient, generator)
    return x


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
