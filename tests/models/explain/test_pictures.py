"""Pictures say how much: even scales, white at 0, and nothing drawn of weak evidence."""

import cv2
import numpy as np
import pytest

from models.explain.pictures import FULL_LOGITS, diverging, encode, heat_map, overlay, scale_of, sequential
from models.explain.placement import Placement
from models.explain.result import WEAK_LOGITS, Explanation
from models.preprocess import PreprocessSpec

RNG = np.random.default_rng(0)


def lightness(colours: np.ndarray) -> np.ndarray:
    """L of CIELAB, 0..100."""
    return cv2.cvtColor(colours[None].astype(np.float32) / 255, cv2.COLOR_RGB2Lab)[0, :, 0]


def a_map(values: object, signed: bool = True, evidence: float | None = 2.0) -> Explanation:
    return Explanation(np.asarray(values, np.float32), "map", signed, evidence=evidence)


def test_the_signed_scale_is_white_in_the_middle_and_as_dark_on_either_side() -> None:
    light = lightness(diverging())
    assert diverging()[127].min() > 240
    np.testing.assert_allclose(light, light[::-1], atol=2.5)
    assert (np.diff(light[:128]) > 0).all()
    assert light[0] < 50
    assert diverging()[0, 2] > diverging()[0, 0] + 80  # blue below 0
    assert diverging()[-1, 0] > diverging()[-1, 2] + 80  # red above


def test_the_other_scale_grows_lighter_all_the_way() -> None:
    assert (np.diff(lightness(sequential())) > -0.5).all()
    assert lightness(sequential())[-1] - lightness(sequential())[0] > 60


def test_a_scale_is_symmetric_and_never_stretched_to_the_values() -> None:
    found = heat_map(a_map([[-1.0, 0.0, 4.0]]))
    width = found.shape[1] // 3
    blue, white, red = (found[5, width // 2 + i * width].astype(int) for i in range(3))
    assert (white == diverging()[127]).all()
    assert (red == diverging()[254]).all()
    assert (blue == diverging()[127 - 32]).all()  # a quarter of the scale, not its end
    low = heat_map(a_map([[3.0, 4.0]], signed=False))
    assert (low[0, 0] == sequential()[round(255 * 3 / 4)]).all()  # min-max would make it the darkest


def test_little_evidence_looks_like_little() -> None:
    values = [[0.0, 0.1]]
    assert scale_of(a_map(values)) == pytest.approx(0.1)
    assert scale_of(a_map(values, evidence=FULL_LOGITS / 5)) == pytest.approx(0.5)
    full, pale = (heat_map(a_map(values, evidence=evidence))[0, -1] for evidence in (1.0, FULL_LOGITS / 5))
    assert lightness(pale[None])[0] > lightness(full[None])[0] + 20


def test_weak_evidence_is_not_drawn() -> None:
    noise = a_map(RNG.normal(size=(5, 7)), evidence=WEAK_LOGITS / 2)
    assert len(np.unique(heat_map(noise))) == 1
    photograph = RNG.integers(0, 256, (20, 30, 3), np.uint8)
    placement = Placement.of(PreprocessSpec(width=14, height=10), 30, 20)
    drawn = overlay(noise, photograph, placement, 1.0, contour=True)
    assert np.array_equal(drawn, photograph)
    assert drawn is not photograph


def test_nothing_at_all_is_a_plain_field() -> None:
    assert len(np.unique(heat_map(a_map(np.zeros((3, 3)))).reshape(-1, 3), axis=0)) == 1


@pytest.mark.parametrize("size", [(9, 9), (31, 90), (90, 31)])
@pytest.mark.parametrize("signed", [True, False])
def test_an_overlay_covers_in_proportion(size: tuple[int, int], signed: bool) -> None:
    width, height = size
    photograph = np.full((height, width, 3), 60, np.uint8)
    placement = Placement.of(PreprocessSpec(width=24, height=16), width, height)
    values = np.zeros((16, 24), np.float32)
    values[:, 16:] = 2
    values[:, 8:16] = 1
    one = a_map(values, signed=signed)
    none, half, full = (overlay(one, photograph, placement, opacity).astype(int) for opacity in (0.0, 0.5, 1.0))
    assert np.array_equal(none, photograph)
    assert half.shape == photograph.shape
    np.testing.assert_allclose(half - none, (full - none) / 2, atol=1)
    moved = np.abs(full - none).sum(axis=2)
    strong = placement.to_photograph(values)
    assert (moved[strong == 0] == 0).all()
    assert moved[strong == 2].min() > moved[(strong > 0) & (strong < 1)].max(initial=0)
    assert (full[strong == 2] == (diverging()[254] if signed else sequential()[255])).all()


def test_a_large_photograph_is_blended_in_strips_without_seams() -> None:
    photograph = np.full((700, 40, 3), 60, np.uint8)
    placement = Placement.of(PreprocessSpec(width=8, height=8, orient="as_is"), 40, 700)
    drawn = overlay(a_map(np.ones((8, 8))), photograph, placement, 0.5)
    assert len(np.unique(drawn.reshape(-1, 3), axis=0)) == 1


def test_a_contour_is_drawn_around_what_is_strong() -> None:
    values = np.zeros((20, 20), np.float32)
    values[5:15, 5:15] = 1
    photograph = np.full((200, 200, 3), 128, np.uint8)
    placement = Placement.of(PreprocessSpec(width=20, height=20), 200, 200)
    plain, lined = (overlay(a_map(values), photograph, placement, 0.3, contour=contour) for contour in (False, True))
    different = (plain != lined).any(axis=2)
    assert different[45:56, 100].any()
    assert not different[100, 100]
    assert not different[:30].any()


@pytest.mark.parametrize("channels", [1, 3])
def test_pixels_are_colour_around_grey(channels: int) -> None:
    values = np.zeros((channels, 6, 9), np.float32)
    values[0, 2, 3] = -2
    values[-1, 4, 4] = 1
    found = heat_map(Explanation(values, "pixels", True))[:: -(-256 // 9), :: -(-256 // 9)]
    assert found.shape == (6, 9, 3)
    assert (found[0, 0] == 128).all()
    assert found[2, 3, 0] == 0
    assert found[4, 4, -1] == 191
    placement = Placement.of(PreprocessSpec(width=9, height=8), 90, 60)
    over = overlay(Explanation(values, "pixels", True), np.full((60, 90, 3), 7, np.uint8), placement, 1.0)
    assert (over[0, -1] == 7).all()


@pytest.mark.parametrize("shape", [(1, 5, 5), (7, 3, 4), (64, 8, 8), (1500, 1, 1)])
def test_maps_share_a_sheet_and_a_scale(shape: tuple[int, ...]) -> None:
    values = np.zeros(shape, np.float32)
    values[0] = 4
    found = heat_map(Explanation(values, "maps", False))
    assert max(found.shape) <= 2100
    shown = {tuple(colour) for colour in np.unique(found.reshape(-1, 3), axis=0)}
    assert tuple(sequential()[255]) in shown
    assert shape[0] == 1 or tuple(sequential()[0]) in shown


@pytest.mark.parametrize("shape", [(32, 3, 5, 5), (96, 3, 11, 11), (8, 1, 5, 5), (64, 32, 5, 5), (512, 512, 3, 3), (4, 70, 1, 1)])
def test_filters_are_tiles(shape: tuple[int, ...]) -> None:
    found = heat_map(Explanation(RNG.normal(size=shape).astype(np.float32), "filters", True))
    assert found.dtype == np.uint8
    assert 20 < max(found.shape) <= 2200


def test_an_image_is_as_it_is_and_png_loses_nothing() -> None:
    values = RNG.random((11, 13, 3)).astype(np.float32)
    found = heat_map(Explanation(values, "image", False))
    np.testing.assert_allclose(found / 255, values, atol=0.5 / 255 + 1e-6)
    back = cv2.imdecode(np.frombuffer(encode(found), np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]
    assert np.array_equal(back, found)
