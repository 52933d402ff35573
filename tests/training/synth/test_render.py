"""The facts of a render are the truth about its pixels, and its grade follows from them."""

import math
from dataclasses import replace
from functools import cache
from itertools import pairwise

import numpy as np
import pytest

from models.grades import BENT, GRADES, STRAIGHT
from training.synth import BELT, DEFAULT_SIZES, RIG, Rendered, SceneRanges, render
from training.synth.shape import bend_of, place

SCENES = {"belt": BELT, "rig": RIG}
PLAIN = replace(BELT, rotation_deg=(0.0, 0.0), straight_bend=(0.0, 0.0))
DETAILED = (320, 240)


@cache
def drawn(grade: str, size: tuple[int, int], seed: int, scene_name: str = "belt") -> Rendered:
    return render(grade, size, np.random.default_rng([seed, 7]), SCENES[scene_name])


@pytest.mark.parametrize("size", sorted(set(DEFAULT_SIZES)))
@pytest.mark.parametrize("scene_name", SCENES)
def test_every_grade_is_drawn_whole_inside_every_size(size: tuple[int, int], scene_name: str) -> None:
    draws = 1 if max(size) > 300 else 4
    for grade in GRADES:
        for seed in range(draws):
            rendered = drawn(grade, size, seed, scene_name)
            assert rendered.pixels.shape == (size[1], size[0], 3)
            assert rendered.pixels.dtype == np.uint8
            assert rendered.mask.shape == (size[1], size[0])
            rim = (rendered.mask[0], rendered.mask[-1], rendered.mask[:, 0], rendered.mask[:, -1])
            assert not any(side.any() for side in rim), f"{grade} {size} seed {seed} touches the rim"


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)
@pytest.mark.parametrize("size", [(32, 32), (96, 256), (640, 480)])
def test_outlines_of_many_fruit_stay_inside(size: tuple[int, int], scene: SceneRanges) -> None:
    for seed in range(12):
        for grade in GRADES:
            shape = place(grade, size, np.random.default_rng(seed), scene)
            tangents = shape.tangents()
            normals = np.stack([-tangents[:, 1], tangents[:, 0]], 1)
            for outline in (shape.line + normals * shape.left[:, None], shape.line - normals * shape.right[:, None]):
                assert (outline > 0.9).all()
                assert (outline < np.array(size) - 0.9).all()


@pytest.mark.parametrize("grade", GRADES)
def test_area_is_that_of_the_mask(grade: str) -> None:
    for seed in range(4):
        rendered = drawn(grade, DETAILED, seed)
        assert rendered.mask.sum() == pytest.approx(rendered.area_px, rel=0.03)


@pytest.mark.parametrize("grade", STRAIGHT)
@pytest.mark.parametrize("size", [DETAILED, (96, 256), (32, 32)])
def test_straight_fruit_reach_as_far_as_their_length_and_thickness(grade: str, size: tuple[int, int]) -> None:
    rendered = render(grade, size, np.random.default_rng(3), PLAIN)
    along, across = (1, 0) if size[0] >= size[1] else (0, 1)
    extents = [np.flatnonzero(rendered.mask.any(1 - axis)) for axis in (0, 1)]
    # A pixel counts from half coverage on; the thin stalk (up to 2.4 % of the length) may cover less than that.
    assert np.ptp(extents[along]) + 1 == pytest.approx(rendered.length_px, rel=0.03, abs=1.5)
    assert np.ptp(extents[across]) + 1 == pytest.approx(rendered.width_px, rel=0.05, abs=1.5)


@pytest.mark.parametrize("grade", BENT)
def test_the_pixels_follow_the_centre_line_that_the_facts_are_measured_on(grade: str) -> None:
    rendered = render(grade, (640, 480), np.random.default_rng(5))
    shape = place(grade, (640, 480), np.random.default_rng(5), BELT)
    assert (shape.length, shape.bend_ratio) == (rendered.length_px, rendered.bend_ratio)
    line = shape.line[np.argsort(shape.line[:, 0])]
    columns = np.flatnonzero(rendered.mask.any(0))
    inner = columns[len(columns) // 10 : -len(columns) // 10]
    middle = (rendered.mask * np.arange(480)[:, None]).sum(0)[inner] / rendered.mask.sum(0)[inner]
    assert np.abs(middle - np.interp(inner, line[:, 0], line[:, 1])).max() < 0.1 * rendered.width_px


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)
def test_straight_grades_keep_their_order_and_a_gap(scene: SceneRanges) -> None:
    lengths = {
        grade: [place(grade, (64, 48), np.random.default_rng(seed), scene).length / 64 for seed in range(50)] for grade in GRADES
    }
    for longer, shorter in pairwise(STRAIGHT):
        assert min(lengths[longer]) - max(lengths[shorter]) > 0.035, (longer, shorter)
    for longer, shorter in pairwise(BENT):
        assert min(lengths[longer]) - max(lengths[shorter]) > 0.03, (longer, shorter)
    for grade in GRADES:  # the ranges are used, not one value of them
        assert np.ptp(lengths[grade]) > 0.7 * (scene.lengths[grade][1] - scene.lengths[grade][0])


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES)
@pytest.mark.parametrize("size", [(128, 96), (96, 256)])
def test_bent_grades_bend_and_straight_ones_do_not(size: tuple[int, int], scene: SceneRanges) -> None:
    for seed in range(30):
        for grade in STRAIGHT:
            assert place(grade, size, np.random.default_rng(seed), scene).bend_ratio < 0.05
        for grade in BENT:
            assert 0.09 < place(grade, size, np.random.default_rng(seed), scene).bend_ratio < 0.21


def test_misshapen_fruit_are_clearly_misshapen() -> None:
    """Each is bent beyond the bent grades, swings to both sides of its chord, or varies in thickness as no other does."""
    for seed in range(30):
        shape = place("C", (128, 96), np.random.default_rng(seed), BELT)
        chord = shape.line[-1] - shape.line[0]
        away = (shape.line - shape.line[0]) @ np.array([-chord[1], chord[0]]) / (chord @ chord)
        swings = min(away.max(), -away.min()) > 0.04
        body = (shape.left + shape.right)[10:-10]
        uneven = body.min() / body.max() < 0.62
        assert shape.bend_ratio > 0.22 or swings or uneven, seed
    for seed in range(30):
        for grade in (*STRAIGHT, *BENT):
            shape = place(grade, (128, 96), np.random.default_rng(seed), BELT)
            body = (shape.left + shape.right)[10:-10]
            assert body.min() / body.max() > 0.66


def test_bend_of_a_half_circle_is_one_half() -> None:
    angle = np.linspace(0, math.pi, 181)
    assert bend_of(np.stack([np.cos(angle), np.sin(angle)], 1)) == pytest.approx(0.5, abs=1e-3)


def test_the_same_generator_state_gives_the_same_picture_and_another_a_different_one() -> None:
    first, again, other = (render("BM", (96, 96), np.random.default_rng(seed)) for seed in (11, 11, 12))
    assert np.array_equal(first.pixels, again.pixels)
    assert (first.length_px, first.bend_ratio) == (again.length_px, again.bend_ratio)
    assert not np.array_equal(first.pixels, other.pixels)


def test_the_fruit_is_the_green_thing_in_the_picture() -> None:
    for seed in range(3):
        for grade in GRADES:
            rendered = drawn(grade, DETAILED, seed)
            pixels = rendered.pixels.astype(np.int16)
            green = pixels[..., 1] - (pixels[..., 0] + pixels[..., 2]) // 2
            assert green[rendered.mask].mean() > green[~rendered.mask].mean() + 12


def test_a_scene_of_its_own_is_obeyed() -> None:
    black = replace(BELT, grounds=((0, 0, 0),), lane_mark_share=0.0, noise=(0.0, 0.0), blur_px=(0.0, 0.0), specks=(0, 0))
    rendered = render("L", (64, 48), np.random.default_rng(1), black)
    assert rendered.pixels[0].max() <= 1
    assert rendered.pixels[rendered.mask].mean() > 10


def test_frames_and_grades_that_cannot_be_drawn_are_refused() -> None:
    with pytest.raises(ValueError, match="no cucumber of grade BL fits a frame of 256 x 24"):
        render("BL", (256, 24), np.random.default_rng(0))
    with pytest.raises(ValueError, match="XL"):
        render("XL", (64, 48), np.random.default_rng(0))
