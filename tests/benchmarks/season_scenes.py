"""The four conditions of the simulated season, and fruit photographed in them. Each condition keeps what came before it."""

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np

from models.grades import GRADES
from models.imaging import encode_png
from models.labelled import LabelledImage, write_manifest
from training.sources import LabelledSet, Sample
from training.synth import BELT, SceneRanges, render

SIZE: Final = (32, 32)
"""Width and height of a photograph, pixels: that of CUCUMBER-9."""
LOT: Final = 30
"""Fruit of one lot."""
FARTHER: Final = 0.95
"""Scale of the second camera: a grade keeps its place between its neighbours as the first camera sees them, so that no
photograph has one grade under one camera and another under the other."""

SPRING: Final = replace(
    BELT, grounds=((104, 122, 142), (96, 114, 134)), rib_share=0.3, exposure=(0.9, 1.15), warmth=(-0.05, 0.05)
)
"""One line: its belt, its lamps, its variety, its camera."""
LIGHT: Final = replace(SPRING, exposure=(0.62, 0.82), warmth=(0.04, 0.14), gradient=(0.30, 0.60), shadow=(0.30, 0.60))
"""Some lamps are out, the others are warmer, and stand on one side."""
VARIETY: Final = replace(
    LIGHT,
    skins=((112, 140, 72), (124, 150, 84), (100, 130, 64)),
    mottle=(0.10, 0.25),
    prickles=(0.05, 0.30),
    pale_tip=(0.5, 1.0),
    thickness=(0.100, 0.130),
)
"""Pale green, smooth and stouter fruit of the same lengths and bends."""
CAMERA: Final = replace(
    VARIETY,
    lengths=MappingProxyType({grade: (FARTHER * low, FARTHER * high) for grade, (low, high) in VARIETY.lengths.items()}),
    thickness=(FARTHER * VARIETY.thickness[0], FARTHER * VARIETY.thickness[1]),
    warmth=(-0.18, -0.08),
    exposure=(0.80, 1.00),
    blur_px=(0.6, 0.9),
    noise=(0.010, 0.025),
)
"""A little farther away, softer, noisier, with a white balance of its own."""

CONDITIONS: Final[dict[str, SceneRanges]] = {"spring": SPRING, "light": LIGHT, "variety": VARIETY, "camera": CAMERA}


def photographs(name: str, scene: SceneRanges, count: int, seed: int) -> LabelledSet:
    """`count` fruit of all grades alike, in lots of LOT; fruit i depends on the seed and i alone."""
    samples = []
    for i in range(count):
        pixels = render(GRADES[i % len(GRADES)], SIZE, np.random.default_rng([seed, i]), scene).pixels
        samples.append(Sample(f"{name}-{i:05d}", GRADES[i % len(GRADES)], pixels=pixels, lot=f"{name}-{i // LOT}"))
    return LabelledSet(name, tuple(samples))


def write_batch(data: LabelledSet, folder: Path) -> Path:
    """Write a set as a labelled batch, as the service exports one; returns its folder."""
    (folder / "images").mkdir(parents=True)
    rows = []
    for sample in data.samples:
        path = f"images/{sample.name}.png"
        (folder / path).write_bytes(encode_png(sample.whole()))
        rows.append(LabelledImage(path, sample.grade, lot=sample.lot, source=data.name))
    write_manifest(folder, rows)
    return folder
