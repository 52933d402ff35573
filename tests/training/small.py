"""A data set and settings small enough to train in a second: bars of three lengths, which a network can tell apart."""

import numpy as np

from models.preprocess import PreprocessSpec
from training.config import TrainingConfig, default_config
from training.sources import LabelledSet, Sample

LENGTHS = {"2L": 14, "M": 9, "2S": 4}
SPEC = PreprocessSpec(width=16, height=16)


def bars(count: int = 60, seed: int = 0) -> LabelledSet:
    """`count` pictures of 16x16 with a green bar whose length is the grade."""
    rng = np.random.default_rng(seed)
    samples = []
    for index in range(count):
        grade = list(LENGTHS)[index % len(LENGTHS)]
        pixels = rng.integers(150, 200, (16, 16, 3), np.uint8)
        top, left = rng.integers(2, 12), rng.integers(0, 16 - LENGTHS[grade] + 1)
        pixels[top : top + 3, left : left + LENGTHS[grade]] = (30, 110, 40)
        samples.append(Sample(f"bar{index}", grade, pixels=pixels))
    return LabelledSet("bars", tuple(samples))


def config(architecture: str = "lenet", **changes: object) -> TrainingConfig:
    """A network on those, a few epochs."""
    return default_config(architecture, SPEC, **{"epochs": 4, "batch_size": 8, **changes})
