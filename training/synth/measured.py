"""Rendered fruit with their measures, in memory: what a measuring network learns from."""

import math
from collections.abc import Callable
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from models.errors import DataError
from models.grades import GRADES
from models.imaging import Pixels
from training.synth.render import render
from training.synth.scene import MEASURING, SceneRanges

_FINE_PX: Final = 128


def measured_renders(
    count: int,
    size: tuple[int, int],
    seed: int,
    scene: SceneRanges = MEASURING,
    advance: Callable[[], None] | None = None,
) -> tuple[Pixels, npt.NDArray[np.float32]]:
    """`count` photographs of size = (width, height) pixels -> ((N, H, W, 3) uint8 RGB, (N, 4) float32).

    The measures are length_px, width_px, bend_ratio and area_px, in pixels of these photographs. Small ones are drawn finer and
    scaled down, half of them by area and half by taking every n-th pixel: small photographs come from both kinds of camera
    software, and the second kind has ragged outlines. Image i depends on the seed and i alone. Raises DataError for a frame
    so narrow that no fruit fits.
    """
    finer = max(1, math.ceil(_FINE_PX / max(size)))
    pixels = np.empty((count, size[1], size[0], 3), np.uint8)
    measures = np.empty((count, 4), np.float32)
    for index in range(count):
        rng = np.random.default_rng([seed, index])
        try:
            drawn = render(GRADES[index % len(GRADES)], (size[0] * finer, size[1] * finer), rng, scene)
        except ValueError as error:
            raise DataError(f"{error}. Choose another --size.") from error
        if index % 2:
            y, x = rng.integers(finer, size=2)
            pixels[index] = drawn.pixels[y::finer, x::finer]
        else:
            pixels[index] = cv2.resize(drawn.pixels, size, interpolation=cv2.INTER_AREA)
        measures[index] = (drawn.length_px / finer, drawn.width_px / finer, drawn.bend_ratio, drawn.area_px / finer**2)
        if advance:
            advance()
    return pixels, measures
