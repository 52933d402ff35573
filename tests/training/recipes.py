"""A recipe small enough to follow in a second or two, and photographs to follow it on."""

from functools import cache

import numpy as np

from training.recipe import Recipe, find_recipe
from training.sources import LabelledSet, Sample
from training.synth import RIG, render

QUICK = {"renders": 128, "epochs": 1}


def quick(name: str = "best", **changes: object) -> Recipe:
    return find_recipe(name, **{**QUICK, **changes})


@cache
def fruit(count: int = 54) -> LabelledSet:
    """`count` rendered fruit of all grades in a photography box, 32x32."""
    grades = ("2L", "L", "M", "S", "2S", "BL", "BM", "BS", "C")
    samples = []
    for index in range(count):
        drawn = render(grades[index % 9], (32, 32), np.random.default_rng([11, index]), RIG)
        samples.append(Sample(f"fruit{index:03d}", drawn.grade, pixels=drawn.pixels))
    return LabelledSet("fruit", tuple(samples))
