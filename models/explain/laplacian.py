"""Laplacian pyramid of a picture, and the normalisation of a gradient by its levels.

Burt and Adelson 1983, "The Laplacian Pyramid as a Compact Image Code"; used on gradients by Mordvintsev et al. 2015
("DeepDream: visualizing every layer of GoogLeNet"): coarse and fine structure then grow at the same rate.
"""

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F

LEVELS: Final = 4
"""Times a picture is halved."""
SMALLEST_RMS: Final = 1e-10
"""A level below it is taken for empty and left as it is, all but 0."""
_BINOMIAL: Final = (1.0, 4.0, 6.0, 4.0, 1.0)


def kernel(like: Tensor) -> Tensor:
    """outer([1, 4, 6, 4, 1]) / 256, one for each channel of `like` (B, C, H, W), whose dtype it has: (C, 1, 5, 5), sum 1 each."""
    row = like.new_tensor(_BINOMIAL)
    return (torch.outer(row, row) / 256).expand(like.shape[1], 1, 5, 5)


def same_padding(size_px: int) -> tuple[int, int]:
    """Zeros before and after `size_px` values for a 'same' convolution of 5 with stride 2, as TensorFlow places them.

    Even sizes take (1, 2) and odd ones (2, 2): symmetric padding on even sizes would shift each level by half a pixel.
    """
    total = max((-(-size_px // 2) - 1) * 2 + 5 - size_px, 0)
    return total // 2, total - total // 2


def down(picture: Tensor) -> Tensor:
    """Blurred and halved: (B, C, H, W) -> (B, C, ceil(H/2), ceil(W/2)), a 'same' convolution with stride 2."""
    height, width = picture.shape[2:]
    padded = F.pad(picture, (*same_padding(width), *same_padding(height)))
    return F.conv2d(padded, kernel(picture), stride=2, groups=picture.shape[1])


def up(low: Tensor, height: int, width: int) -> Tensor:
    """The transpose of `down` with four times its kernel: (B, C, ceil(height/2), ceil(width/2)) -> (B, C, height, width)."""
    whole = F.conv_transpose2d(low, 4 * kernel(low), stride=2, groups=low.shape[1])
    top, left = same_padding(height)[0], same_padding(width)[0]
    return whole[:, :, top : top + height, left : left + width]


def split(picture: Tensor, levels: int = LEVELS) -> list[Tensor]:
    """(B, C, H, W) -> `levels` tensors of detail, the finest first, and the low remainder; `merge` gives the picture back."""
    pyramid = []
    for _ in range(levels):
        low = down(picture)
        pyramid.append(picture - up(low, *picture.shape[2:]))
        picture = low
    return [*pyramid, picture]


def merge(pyramid: Sequence[Tensor]) -> Tensor:
    """What `split` took apart, (B, C, H, W): exact but for rounding, for sizes odd and even."""
    picture = pyramid[-1]
    for high in reversed(pyramid[:-1]):
        picture = up(picture, *high.shape[2:]) + high
    return picture


def normalize(gradient: Tensor, levels: int = LEVELS) -> Tensor:
    """(B, C, H, W) -> the same shape: each level of each picture over its root mean square, merged again.

    The result does not depend on the scale of the gradient, as long as no level falls below SMALLEST_RMS.
    """
    return merge([level / _rms(level).clamp(min=SMALLEST_RMS) for level in split(gradient, levels)])


def _rms(level: Tensor) -> Tensor:
    return level.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
