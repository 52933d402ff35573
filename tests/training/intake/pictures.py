"""Rendered fruit to examine, as arrays and as a batch of files with something wrong in every row that a test wants."""

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import simplejpeg

from models.grades import GRADES
from models.imaging import Pixels, encode_png
from models.labelled import LabelledImage, write_manifest
from training.sources import LabelledSet, Sample
from training.synth import render


@cache
def fruit(count: int, seed: int = 3, size: tuple[int, int] = (64, 48)) -> LabelledSet:
    """`count` different fruit of all grades on a belt."""
    samples = []
    for index in range(count):
        drawn = render(GRADES[index % 9], size, np.random.default_rng([seed, index]))
        samples.append(Sample(f"fruit{seed}-{index:03d}", drawn.grade, pixels=drawn.pixels))
    return LabelledSet(f"fruit{seed}", tuple(samples))


def as_batch(folder: Path, pictures: Sequence[tuple[str, str, Pixels]]) -> Path:
    """(path, grade, pixels) -> a labelled batch of PNG files."""
    folder.mkdir()
    for path, _, pixels in pictures:
        (folder / path).write_bytes(encode_png(pixels))
    write_manifest(folder, [LabelledImage(path, grade) for path, grade, _ in pictures])
    return folder


def jpeg(rgb: Pixels, quality: int = 80) -> Pixels:
    return np.asarray(simplejpeg.decode_jpeg(simplejpeg.encode_jpeg(np.ascontiguousarray(rgb), quality, "RGB", "420")))


def resized(rgb: Pixels, scale: float) -> Pixels:
    size = (round(rgb.shape[1] * scale), round(rgb.shape[0] * scale))
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC), np.uint8)


def lit(rgb: Pixels, gain: float, offset: float = 0) -> Pixels:
    return np.clip(rgb * gain + offset, 0, 255).astype(np.uint8)


ALTERED: dict[str, tuple[str, Callable[[Pixels], Pixels]]] = {
    "re-encoded": ("", lambda rgb: jpeg(rgb, 60)),
    "smaller": ("", lambda rgb: jpeg(resized(rgb, 0.75))),
    "larger": ("", lambda rgb: jpeg(resized(rgb, 1.5))),
    "brightened": ("", lambda rgb: jpeg(lit(rgb, 1.2, 10))),
    "darkened": ("", lambda rgb: jpeg(lit(rgb, 0.7))),
    "left-right": ("left-right", lambda rgb: jpeg(rgb[:, ::-1])),
    "up-down": ("up-down", lambda rgb: jpeg(rgb[::-1])),
    "both": ("both", lambda rgb: jpeg(rgb[::-1, ::-1])),
    "all at once": ("left-right", lambda rgb: jpeg(lit(resized(rgb[:, ::-1], 0.75), 1.15))),
}
"""Name -> how it is mirrored, and how the copy is made."""
