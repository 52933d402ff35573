"""Where a photograph lies in the network's input, against the input that preprocessing really makes."""

import numpy as np
import pytest

from models.explain.placement import Placement
from models.preprocess import PreprocessSpec

SPECS = [
    PreprocessSpec(width=32, height=32),
    PreprocessSpec(width=96, height=37),
    PreprocessSpec(width=21, height=64),
    PreprocessSpec(width=48, height=48, orient="as_is"),
    PreprocessSpec(width=40, height=30, fit="stretch"),
]
SIZES = [(64, 64), (101, 33), (33, 101), (7, 250), (640, 11), (1, 1), (31, 32)]
"""Width and height of photographs: odd, tall, thin."""

every = pytest.mark.parametrize(("spec", "size"), [(spec, size) for spec in SPECS for size in SIZES])


@every
def test_the_box_is_where_the_photograph_is_and_the_belt_is_around_it(spec: PreprocessSpec, size: tuple[int, int]) -> None:
    width, height = size
    photograph = np.full((height, width, 3), 200, np.uint8)
    placed = Placement.of(spec, width, height)
    inside = np.zeros((spec.height, spec.width), bool)
    inside[placed.top : placed.top + placed.height, placed.left : placed.left + placed.width] = True
    assert inside.sum() == placed.width * placed.height
    changed = spec.from_pixels(photograph)
    # the letterbox takes the border's colour: paint the middle, and only the box may differ from the border
    photograph[height // 3 : -(height // 3) or None, width // 3 : -(width // 3) or None] = 10
    changed = spec.from_pixels(photograph)
    if min(size) > 20:
        rows, columns = np.where(changed[:, :, 0] < 100)
        assert inside[rows, columns].all()
        assert len(rows) == pytest.approx(placed.width * placed.height / 9, rel=0.6, abs=6)
    assert placed.rotated == (spec.orient == "landscape" and height > width)


@every
def test_a_map_comes_back_to_the_photograph(spec: PreprocessSpec, size: tuple[int, int]) -> None:
    width, height = size
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    photograph = np.stack([x, y, np.zeros_like(x)], axis=2).astype(np.uint8)
    placed = Placement.of(spec, width, height)
    back = placed.to_photograph(spec.from_pixels(photograph))
    assert back.shape == (height, width, 3)
    assert back.dtype == np.float32
    if width > 30:  # a slope survives being made small and large again, but for its ends
        coarse = 255 / placed.height if placed.rotated else 255 / placed.width
        assert np.abs(back[:, :, 0] - photograph[:, :, 0]).max() <= coarse + 2
    if height > 30:
        coarse = 255 / placed.width if placed.rotated else 255 / placed.height
        assert np.abs(back[:, :, 1] - photograph[:, :, 1]).max() <= coarse + 2


@every
def test_boxes_go_there_and_back(spec: PreprocessSpec, size: tuple[int, int]) -> None:
    width, height = size
    placed = Placement.of(spec, width, height)
    assert placed.box_to_photograph((placed.left, placed.top, placed.left + placed.width, placed.top + placed.height)) == (
        0, 0, width, height,
    )  # fmt: skip
    box = (0.1 * width, 0.3 * height, 0.5 * width, 0.8 * height)
    np.testing.assert_allclose(placed.box_to_photograph(placed.box_to_input(box)), box, atol=1e-9 * max(size))
    assert placed.box_to_photograph((-50, -50, spec.width + 50, spec.height + 50)) == (0, 0, width, height)


def test_a_spot_in_a_tall_photograph_is_found_again() -> None:
    spec = PreprocessSpec(width=60, height=20)
    photograph = np.full((300, 100, 3), 200, np.uint8)
    photograph[10:40, 60:90] = 0  # upper right
    inputs = spec.from_pixels(photograph)
    rows, columns = np.where(inputs[:, :, 0] < 100)
    placed = Placement.of(spec, 100, 300)
    box = placed.box_to_photograph((columns.min(), rows.min(), columns.max() + 1, rows.max() + 1))
    np.testing.assert_allclose(box, (60, 10, 90, 40), atol=5)
    dark = placed.to_photograph(255 - inputs[:, :, 0].astype(np.float32))
    assert np.unravel_index(dark.argmax(), dark.shape) == pytest.approx((25, 75), abs=20)


def test_a_coarse_map_covers_the_whole_input_and_the_letterbox_is_cut_off() -> None:
    spec = PreprocessSpec(width=64, height=64)
    placed = Placement.of(spec, 640, 160)
    assert (placed.left, placed.top, placed.width, placed.height) == (0, 24, 64, 16)
    coarse = np.zeros((8, 8), np.float32)
    coarse[0] = coarse[7] = 1  # all on the letterbox
    assert placed.to_photograph(coarse).max() == 0
    coarse = np.tile(np.arange(8, dtype=np.float32), (8, 1))
    back = placed.to_photograph(coarse)
    assert (back[:, 0] == 0).all()
    assert (back[:, -1] == 7).all()


def test_pixels_that_the_decoder_made_smaller_may_round_differently() -> None:
    spec = PreprocessSpec(width=32, height=32)
    assert Placement.of(spec, 1001, 333).height == 11
    assert Placement.of(spec, 1001, 330, (126, 43)).height == spec.placed(126, 43)[4]


def test_json_is_the_contracts() -> None:
    assert set(Placement.of(PreprocessSpec(), 10, 20).to_json()) == {
        "rotated", "left", "top", "width", "height", "input_width", "input_height",
    }  # fmt: skip
