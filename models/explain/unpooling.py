"""Max pooling with its switches, and unpooling along them (Zeiler, Taylor and Fergus 2011; Zeiler and Fergus 2014)."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def pool_with_switches(x: Tensor, pool: nn.MaxPool2d) -> tuple[Tensor, Tensor]:
    """x (B, C, H, W) -> pooled (B, C, h, w) and switches (B, C, h, w) int64: where each maximum came from, y * W + x.

    As `pool` sets kernel, stride, padding, dilation and ceil_mode. Of equal values the first in reading order is taken.
    """
    both: Any = F.max_pool2d(
        x, pool.kernel_size, pool.stride, pool.padding, pool.dilation, ceil_mode=pool.ceil_mode, return_indices=True
    )
    pooled, switches = both
    return pooled, switches


def unpool(pooled: Tensor, switches: Tensor, height: int, width: int) -> Tensor:
    """(B, C, h, w) and its switches -> (B, C, height, width): every value where it came from, 0 elsewhere.

    Where windows overlap, one place may be the maximum of several: their values add up, as the transpose of pooling says.
    `torch.nn.functional.max_unpool2d` keeps only one of them.

    Raises ValueError unless both have the same shape and every switch lies inside height x width.
    """
    if pooled.shape != switches.shape:
        raise ValueError(f"values of shape {tuple(pooled.shape)} have switches of shape {tuple(switches.shape)}")
    if switches.numel() and not 0 <= int(switches.min()) <= int(switches.max()) < height * width:
        raise ValueError(f"a switch points outside of {height}x{width}: give the size of what was pooled")
    flat = torch.zeros(*pooled.shape[:2], height * width, dtype=pooled.dtype, device=pooled.device)
    flat.scatter_add_(2, switches.flatten(2), pooled.flatten(2))
    return flat.view(*pooled.shape[:2], height, width)
