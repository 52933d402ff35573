"""Photographs told apart by the light on the belt, so that a fold can be a day that training has not seen."""

import numpy as np
import pytest

from models.errors import DataError
from training.lighting import by_light
from training.sources import LabelledSet, Sample
from training.splits import folds

LIGHTS = {"morning": (200, 200, 210), "noon": (150, 160, 220), "evening": (120, 130, 120)}


def photographs(groups: bool = False) -> LabelledSet:
    """Thirty, ten in each light, with a dark fruit at any height in the middle of the frame."""
    rng = np.random.default_rng(0)
    samples = []
    for index in range(30):
        light = list(LIGHTS)[index // 10]
        pixels = np.clip(np.array(LIGHTS[light]) + rng.normal(0, 2, (32, 32, 3)), 0, 255).astype(np.uint8)
        top = rng.integers(8, 18)
        pixels[top : top + 4, 4 : rng.integers(18, 28)] = (30, 60, 20)
        grade = ("M", "2S")[index % 2]
        samples.append(Sample(f"{light}{index}", grade, pixels=pixels, group=f"fruit{index // 2}" if groups else ""))
    return LabelledSet("photographs", tuple(samples))


def test_each_light_is_a_group():
    found = by_light(photographs(), 3)
    kinds = {name: {s.group for s in found.samples if s.name.startswith(name)} for name in LIGHTS}
    assert all(len(groups) == 1 for groups in kinds.values())
    assert len(set.union(*kinds.values())) == 3
    assert [(s.name, s.grade) for s in found.samples] == [(s.name, s.grade) for s in photographs().samples]


def test_a_fold_is_tested_in_light_that_it_was_not_trained_in():
    for kept, tested in folds(by_light(photographs(), 3), 3, seed=0):
        assert {s.name[:4] for s in kept}.isdisjoint(s.name[:4] for s in tested)


def test_photographs_of_one_fruit_stay_together():
    found = by_light(photographs(groups=True), 7)
    for pair in zip(found.samples[::2], found.samples[1::2], strict=True):
        assert len({sample.group for sample in pair}) == 1


@pytest.mark.parametrize("lights", [1, 31])
def test_impossible_numbers_are_named(lights):
    with pytest.raises(DataError, match=f"30 fruit; they cannot be of {lights} kinds of light"):
        by_light(photographs(), lights)
