"""Fruit masks against the exact ones of rendered fruit and on real photographs; maps shared out without loss."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.explain.fruit import belt_surface, box_of, cover, fruit_mask, parts, positive_share, shares, spread
from models.grades import GRADES
from models.imaging import decode_whole
from models.preprocess import PreprocessSpec
from tests.data import require_data
from training.sources import load
from training.synth import BELT, RIG, SceneRanges, render


def overlap(found: np.ndarray, true: np.ndarray) -> float:
    """Intersection over union."""
    return float((found & true).sum() / (found | true).sum())


@pytest.mark.parametrize("scene", [BELT, RIG], ids=["belt", "rig"])
@pytest.mark.parametrize(("size", "mean", "least"), [((32, 32), 0.9, 0.45), ((64, 48), 0.93, 0.8), ((320, 240), 0.94, 0.8)])
def test_rendered_fruit_are_found(size: tuple[int, int], mean: float, least: float, scene: SceneRanges) -> None:
    overlaps = []
    for index in range(27):
        rendered = render(GRADES[index % 9], size, np.random.default_rng([5, index]), scene)
        overlaps.append(overlap(fruit_mask(rendered.pixels), rendered.mask))
    assert np.mean(overlaps) >= mean
    assert min(overlaps) >= least


def test_a_turned_photograph_has_a_turned_mask() -> None:
    rendered = render("BM", (160, 120), np.random.default_rng(2))
    assert overlap(fruit_mask(np.ascontiguousarray(np.rot90(rendered.pixels))), np.rot90(rendered.mask)) >= 0.9


@pytest.mark.parametrize("size", [(1, 1), (3, 9), (8, 8), (41, 30), (96, 128)])
def test_an_empty_belt_has_no_fruit(size: tuple[int, int]) -> None:
    light = np.linspace(90, 150, size[1])[None, :, None] * np.linspace(0.8, 1, size[0])[:, None, None] * np.ones(3)
    noisy = light + np.random.default_rng(1).normal(0, 4, light.shape)
    for picture in (np.full((*size, 3), 120, np.uint8), noisy.astype(np.uint8)):
        mask = fruit_mask(picture)
        assert mask.shape == size
        assert not mask.any()


def test_close_ups_that_a_fruit_nearly_fills() -> None:
    for path in sorted((require_data() / "cucumber-frames").glob("*.jpg")):
        photograph = decode_whole(path.read_bytes())
        dark = cv2.cvtColor(photograph, cv2.COLOR_RGB2GRAY) < 110  # a dark fruit before a light wall: another way to tell them
        assert overlap(fruit_mask(photograph), dark) >= 0.95
        assert [part.name for part in parts(fruit_mask(photograph))] == ["upper end", "middle", "lower end", "belt"]


def test_a_fruit_is_found_on_every_real_photograph() -> None:
    spec = PreprocessSpec()
    for sample in load(require_data() / "cucumber-9").samples[::4]:
        mask = fruit_mask(sample.network_input(spec))
        assert 0.05 <= mask.mean() <= 0.25
        assert cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)[0] == 2  # belt and one fruit
        x0, _, x1, _ = box_of(mask) or (0, 0, 0, 0)
        assert x1 - x0 >= 12  # a 2S is half as long as the frame is wide


@pytest.mark.parametrize("upright", [False, True])
def test_parts_are_a_partition_from_left_to_right(upright: bool) -> None:
    mask = render("L", (96, 64), np.random.default_rng(3)).mask
    names = ["left end", "middle", "right end", "belt"]
    if upright:
        mask, names = np.ascontiguousarray(np.rot90(mask, -1)), ["upper end", "middle", "lower end", "belt"]
    found = parts(mask)
    assert [part.name for part in found] == names
    np.testing.assert_array_equal(np.sum([part.mask for part in found], axis=0), 1)
    np.testing.assert_array_equal(found[-1].mask, ~mask)
    middles = [np.nonzero(part.mask)[0 if upright else 1].mean() for part in found[:3]]
    assert middles == sorted(middles)
    assert all(part.mask.sum() > 0.2 * mask.sum() for part in found[:3])


def test_without_a_fruit_all_is_belt() -> None:
    (belt,) = parts(np.zeros((5, 7), np.bool_))
    assert (belt.name, belt.box) == ("belt", (0, 0, 7, 5))
    assert box_of(~belt.mask) is None


sides = st.integers(1, 40)


@settings(max_examples=60, deadline=None)
@given(sides, sides, sides, sides, st.integers(0, 99))
def test_spreading_a_map_keeps_its_sum_and_each_cells_place(height: int, width: int, h: int, w: int, seed: int) -> None:
    values = np.random.default_rng(seed).normal(0, 3, (h, w))
    found = spread(values, height, width)
    # the same on a grid so fine that cells and pixels are both whole squares of it
    fine = np.kron(values, np.full((height, width), 1 / (height * width)))
    expected = fine.reshape(height, h, width, w).sum(axis=(1, 3))
    np.testing.assert_allclose(found, expected, atol=1e-12)
    assert found.sum() == pytest.approx(values.sum(), abs=1e-10)


@pytest.mark.parametrize("size", [(32, 32), (33, 71)])
@pytest.mark.parametrize("cells", [(8, 8), (3, 5), (50, 90)])
def test_shares_add_up_to_what_the_map_explains(size: tuple[int, int], cells: tuple[int, int]) -> None:
    rng = np.random.default_rng(4)
    mask = np.zeros(size, np.bool_)
    mask[10:20, 5:27] = True
    values = rng.normal(1, 2, cells).astype(np.float32)
    assert sum(shares(values, parts(mask), "sum")) == pytest.approx(float(values.sum(dtype=np.float64)), abs=1e-9)
    assert sum(shares(values, parts(mask), "mean")) == pytest.approx(float(values.mean(dtype=np.float64)), abs=1e-11)


def test_the_share_on_the_fruit_counts_positive_evidence_alone() -> None:
    mask = np.zeros((4, 4), np.bool_)
    mask[:2, :2] = True  # the first cell of a 2x2 map
    assert positive_share(np.array([[3.0, 1.0], [-50.0, 0.0]]), mask) == pytest.approx(0.75)
    assert positive_share(np.array([[-1.0, 0.0], [0.0, 0.0]]), mask) is None
    mask[:2, 1] = False  # half of it
    np.testing.assert_allclose(cover(mask, 2, 2), [[0.5, 0], [0, 0]])
    assert positive_share(np.array([[3.0, 1.0], [-50.0, 0.0]]), mask) == pytest.approx(0.375)


def test_the_belts_light_is_seen_through_the_fruit() -> None:
    y, x = np.meshgrid(np.linspace(-1, 1, 40), np.linspace(-1, 1, 60), indexing="ij")
    light = 150 + 20 * x - 15 * y + 10 * x * y - 12 * x * x
    belt = np.stack([light, light * 0.9, light * 0.8], -1)
    fruit = (np.abs(y) < 0.3) & (np.abs(x) < 0.7)
    photograph = np.rint(np.where(fruit[..., None], [40, 90, 30], belt)).astype(np.uint8)
    np.testing.assert_allclose(belt_surface(photograph, fruit), belt, atol=0.6)
