"""What a photograph loses when a window of it is covered, by captum on a frozen network."""

from typing import Final

import torch
from captum import attr
from torch import Tensor

from models.errors import InvalidParameter
from models.explain.attributions import batch_of
from models.explain.cams import Target, require_target
from models.explain.frozen import UnitNetwork

COVERINGS: Final = {"black": 0.0, "grey": 0.5, "white": 1.0}
MOST_WINDOWS: Final = 4096
"""Each is a pass through the network for each photograph."""


def covering(x: Tensor, name: str) -> Tensor:
    """Something to cover x (B, channels, H, W) in 0..1 with, of its shape: one colour for each photograph.

    `belt` is the median of the outermost pixels, the colour that letterboxed photographs are padded with; `black`, `grey` and
    `white` are 0, 0.5 and 1. Raises InvalidParameter for any other name.
    """
    if name in COVERINGS:
        return torch.full_like(x, COVERINGS[name])
    if name != "belt":
        known = ["belt", *COVERINGS]
        raise InvalidParameter(f"There is no covering {name[:50]!r}; choose one of: {', '.join(known)}.", valid=known)
    border = torch.cat([x[:, :, 0], x[:, :, -1], x[:, :, :, 0], x[:, :, :, -1]], dim=2)  # B x channels x border pixels
    # the upper of two middle values, as in models.preprocess; torch.median takes the lower
    colour = border.sort(dim=2).values[:, :, border.shape[2] // 2]
    return colour[:, :, None, None].expand_as(x).clone()


def occlusion(network: UnitNetwork, x: Tensor, target: Target, window_px: int, stride_px: int, fill: Tensor) -> Tensor:
    """(B, H, W), in logits: the mean drop of the logit over the windows that cover a pixel (Zeiler and Fergus 2014).

    A square window of `window_px`, 0 for a quarter of the shorter side, moves by `stride_px`, 0 for a quarter of the window, and
    shows `fill`, like x or (1, channels, H, W). The last window of a row or column is cut off at the edge.
    Raises InvalidParameter when windows would leave gaps, or be more than MOST_WINDOWS.
    """
    channels, height, width = x.shape[1:]
    require_target(network, x, target)
    window = window_px or max(1, min(height, width) // 4)
    stride = stride_px or max(1, window // 4)
    if stride > window:
        raise InvalidParameter(
            f"stride_px is {stride}, more than the window's {window}: pixels would be left out. Give at most {window}.",
            least=1,
            most=window,
        )
    sides = min(window, height), min(window, width)
    count = windows_of(height, sides[0], stride) * windows_of(width, sides[1], stride)
    if count > MOST_WINDOWS:
        raise InvalidParameter(
            f"A window of {window} pixels every {stride} makes {count:,} windows; at most {MOST_WINDOWS:,} are tried. "
            "Give a greater stride_px.",
            windows=count,
            most=MOST_WINDOWS,
        )
    with torch.no_grad():
        drops: Tensor = attr.Occlusion(network).attribute(
            x.detach(),
            sliding_window_shapes=(channels, *sides),
            strides=(channels, min(stride, sides[0]), min(stride, sides[1])),
            baselines=fill.detach().expand_as(x),
            target=target,
            perturbations_per_eval=min(count, max(1, batch_of(x) // len(x))),
        )
    return drops[:, 0]  # a window covers all colours, so they share one value


def windows_of(side_px: int, window_px: int, stride_px: int) -> int:
    """Windows along one side."""
    return -(-(side_px - window_px) // min(stride_px, window_px)) + 1
