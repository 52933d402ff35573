"""DeepDream: a photograph in which whatever a layer sees in it is made stronger.

Mordvintsev et al. 2015, "Inceptionism: Going Deeper into Neural Networks", in the recipe of their TensorFlow notebook.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.explain.ascent import TILE_PX, Ascent, Climb, Picture, Progress, as_image, octave_sizes, resized
from models.explain.frozen import UnitNetwork
from models.explain.sight import Sight


def deepdream(
    network: UnitNetwork,
    photograph: Tensor | NDArray[np.uint8] | NDArray[np.float32],
    layer: str,
    *,
    octaves: int = 4,
    scale: float = 1.4,
    steps: int = 10,
    step: float = 1.5,
    jitter_px: int = 4,
    tile_px: int = TILE_PX,
    frames: int = 0,
    seed: int = 0,
) -> Ascent:
    """The photograph after climbing `mean(T ** 2)`, T being all that `layer` gives, in each of `octaves` sizes.

    photograph: (1, channels, H, W) float32 in 0..1, or (H, W, 3) uint8 or float32 in 0..1, of any size that the layer takes; grey
    networks dream in grey. The smallest octave comes first; the detail that each shrinking loses is set aside before, and
    added back when its octave comes, so that without steps the photograph is returned. Each of the `steps` steps of an octave
    moves pixels by `step` (of 255) on average: the gradient is divided by the mean of its absolute values. The image is clipped
    to 0..1; a frame is what the image would be if the ascent had ended there. The same seed gives the same bits, and the global
    random numbers are left alone.

    Raises UnknownLayer; InvalidParameter for pictures smaller than the layer takes.
    """
    picture = photograph if isinstance(photograph, Tensor) else _picture(photograph, network.spec.channels)
    height, width = picture.shape[2:]
    sight, sizes = Sight(network, layer), octave_sizes(height, width, octaves, scale)
    sight.require(sizes[0], (height, width), tile_px)

    details = []  # the finest first
    for size in reversed(sizes[:-1]):
        low = resized(picture, size)
        details.append(picture - resized(low, picture.shape[2:]))
        picture = low

    def shown(now: Tensor) -> Picture:
        for detail in reversed(details):
            now = resized(now, detail.shape[2:]) + detail
        return as_image(now)

    climb = Climb(lambda g: g / (g.abs().mean() + 1e-7), steps, step, jitter_px, tile_px)
    generator = torch.Generator().manual_seed(seed)
    progress = Progress(octaves * steps, frames)
    picture = climb.run(picture, lambda x: sight(x).square().mean(), generator, progress, shown)
    while details:
        detail = details.pop()
        picture = resized(picture, detail.shape[2:]) + detail
        picture = climb.run(picture, lambda x: sight(x).square().mean(), generator, progress, shown)
    return progress.finish(as_image(picture))


def _picture(photograph: NDArray[np.uint8] | NDArray[np.float32], channels: int) -> Tensor:
    """(H, W, 3) uint8, or float32 in 0..1 -> (1, channels, H, W) float32 in 0..1; grey is the mean, as in the network's graph."""
    scale = 255 if photograph.dtype == np.uint8 else 1
    picture = torch.from_numpy(photograph.astype(np.float32) / scale).permute(2, 0, 1)[None]
    return picture.mean(dim=1, keepdim=True) if channels == 1 else picture
