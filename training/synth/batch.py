"""Writes a labelled batch of rendered cucumbers: a data set that needs no camera, no farm and no download."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import simplejpeg

from models.errors import InvalidBatch
from models.grades import GRADES
from models.labelled import LabelledImage, write_manifest
from training.synth.render import Rendered, render
from training.synth.scene import BELT, SceneRanges

DEFAULT_SIZES: Final[tuple[tuple[int, int], ...]] = (
    *((32, 32),) * 5,
    *((64, 48),) * 4,
    *((96, 96),) * 3,
    *((128, 96),) * 3,
    *((160, 120),) * 2,
    (96, 256),
    (320, 240),
    (640, 480),
)
"""(width, height) in pixels, each as often as its weight: mostly small, so that a batch is quick to write and to read."""

_SMALL_PX: Final = 64  # frames up to this long side are stored at one high quality: JPEG blocks of 8 pixels would hide the fruit
_SMALL_QUALITY: Final = 95


def synthesize(
    folder: Path,
    count: int,
    seed: int,
    sizes: Sequence[tuple[int, int]] = DEFAULT_SIZES,
    scene: SceneRanges = BELT,
    advance: Callable[[], None] | None = None,
) -> list[LabelledImage]:
    """Write `count` JPEGs and a manifest into an empty or new folder and return the manifest's rows.

    Grades are balanced; sizes are (width, height) in pixels, drawn with equal chance (repeat one to weight it). Image i depends
    on the seed and i alone, so a longer batch starts with the bytes of a shorter one. `advance` is called after every image.
    Raises InvalidBatch for a folder that holds anything, and for a count below 1.
    """
    if count < 1:
        raise InvalidBatch(f"A batch needs at least 1 image, not {count}.", count=count)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InvalidBatch(f"{folder} is not an empty folder; name a new one, nothing was written.", folder=str(folder))
    (folder / "images").mkdir(parents=True)
    rows = []
    for index in range(count):
        rng = np.random.default_rng([seed, index])
        rendered = render(grade_of(index, seed), sizes[int(rng.integers(len(sizes)))], rng, scene)
        path = f"images/{index:05d}_{rendered.grade}.jpg"
        (folder / path).write_bytes(_encode(rendered, rng, scene))
        rows.append(_row(path, rendered, seed))
        if advance:
            advance()
    write_manifest(folder, rows)
    return rows


def grade_of(index: int, seed: int) -> str:
    """Grade of image `index`: every run of nine images holds each grade once, in an order of its own."""
    block, place = divmod(index, len(GRADES))
    order = np.random.default_rng([seed, block, len(GRADES)]).permutation(len(GRADES))
    return GRADES[int(order[place])]


def _encode(rendered: Rendered, rng: np.random.Generator, scene: SceneRanges) -> bytes:
    low, high = scene.jpeg_quality
    quality = int(rng.integers(low, high + 1))
    small = max(rendered.pixels.shape[:2]) <= _SMALL_PX
    if small:
        quality = max(quality, _SMALL_QUALITY)
    return bytes(simplejpeg.encode_jpeg(rendered.pixels, quality, "RGB", "444" if small else "420"))


def _row(path: str, rendered: Rendered, seed: int) -> LabelledImage:
    facts = {name: f"{getattr(rendered, name):.3f}" for name in ("length_px", "width_px", "bend_ratio", "area_px")}
    lot = f"synth-{seed}"
    return LabelledImage(path, rendered.grade, lot=lot, camera="synth", labeller="synth", source="synth", facts=facts)
