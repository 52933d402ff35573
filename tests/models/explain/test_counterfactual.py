"""Hide this, and it becomes another grade: scorers whose answer is known, and a served graph."""

import subprocess
import sys

import numpy as np
import pytest

from models.architectures.served import ServedNetwork
from models.explain.counterfactual import SHAPES, area_px, belt_colour, counterfactual, hidden, windows
from models.graph import open_session, run_logits
from models.imaging import Pixels
from tests.models.explain.planted import HEIGHT, SOUND, WIDTH, planted, trained
from training.export import to_onnx

BELT = (110, 112, 108)


class CountsRed:
    """Grade 1 while more than `least_px` pixels are red, else grade 0; notes what it was asked."""

    def __init__(self, least_px: int, logit: float = 3.0) -> None:
        self.least_px, self.logit = least_px, logit
        self.asked: list[int] = []

    def __call__(self, photographs: Pixels) -> np.ndarray:
        assert photographs.dtype == np.uint8
        self.asked.append(len(photographs))
        red = (photographs[..., 0] > 200).sum(axis=(1, 2))
        return np.stack([np.where(red > self.least_px, 0.0, self.logit), np.full(len(red), 1.0)], axis=1).astype(np.float32)


def scene(height: int = 32, width: int = 64, spot: tuple[int, int, int, int] = (40, 20, 43, 23)) -> Pixels:
    picture = np.full((height, width, 3), BELT, np.uint8)
    x0, y0, x1, y1 = spot
    picture[y0:y1, x0:x1] = (250, 10, 10)
    return picture


def test_the_smallest_window_over_the_spot() -> None:
    found = counterfactual(CountsRed(0), scene())
    assert found is not None
    x0, y0, x1, y1 = found.box
    assert (x1 - x0, y1 - y0) == (8, 4)  # the eighth of each side
    assert x0 <= 40
    assert y0 <= 20
    assert x1 >= 43
    assert y1 >= 23
    assert found.grade == 0
    assert found.probability == pytest.approx(1 / (1 + np.exp(1.0 - 3.0)), rel=1e-6)


def test_temperature_is_that_of_the_card() -> None:
    found = counterfactual(CountsRed(0), scene(), temperature=4.0)
    assert found is not None
    assert found.probability == pytest.approx(1 / (1 + np.exp((1.0 - 3.0) / 4)), rel=1e-6)


def test_a_greater_spot_takes_a_greater_window() -> None:
    found = counterfactual(CountsRed(0), scene(spot=(33, 9, 44, 15)))
    assert found is not None
    assert area_px(found.box) == 16 * 8
    x0, y0, x1, y1 = found.box
    assert x0 <= 33 < 44 <= x1
    assert y0 <= 9 < 15 <= y1


def test_a_streak_along_the_fruit_takes_a_bar() -> None:
    found = counterfactual(CountsRed(0), scene(spot=(17, 13, 45, 15)))
    assert found is not None
    x0, y0, x1, y1 = found.box
    assert (x1 - x0, y1 - y0) == (32, 4)


def test_none_where_no_window_changes_the_grade_and_no_more_than_400_photographs_are_tried() -> None:
    score = CountsRed(0)
    picture = scene(spot=(2, 2, 62, 30))
    assert counterfactual(score, picture, batch=50) is None
    assert sum(score.asked) == 390
    assert max(score.asked) == 50


def test_among_equals_the_most_probable_and_then_the_first() -> None:
    def right_is_better(photographs: Pixels) -> np.ndarray:
        dark = (photographs[:, :, :, 0] < 50).astype(np.float32)
        columns = dark.any(axis=1)
        best = np.where(columns.any(axis=1), 1.5 + columns.argmax(axis=1) / 64, 0.0)
        return np.stack([np.full(len(dark), 1.0), best], axis=1).astype(np.float32)

    found = counterfactual(right_is_better, scene(), fill=np.zeros(3, np.uint8))
    assert found is not None
    assert found.box == (56, 0, 64, 4)
    assert found.grade == 1
    again = counterfactual(right_is_better, scene(), fill=np.zeros((32, 64, 3), np.uint8), batch=7)
    assert again == found


@pytest.mark.parametrize(("height", "width"), [(32, 32), (33, 47), (96, 96), (20, 31), (8, 8)])
def test_windows_reach_every_pixel_and_stay_inside(height: int, width: int) -> None:
    boxes = list(windows(height, width))
    assert 0 < len(boxes) <= 389
    assert len({area_px(box) for box in boxes}) <= len(SHAPES)
    seen = np.zeros((height, width), bool)
    for x0, y0, x1, y1 in boxes:
        assert 0 <= x0 < x1 <= width
        assert 0 <= y0 < y1 <= height
        if (y1 - y0, x1 - x0) == (-(-height // 8), -(-width // 8)):
            seen[y0:y1, x0:x1] = True
    assert seen.all()


def test_hiding_changes_the_box_alone() -> None:
    picture = np.random.default_rng(1).integers(0, 256, (12, 16, 3)).astype(np.uint8)
    before = picture.copy()
    (found,) = hidden(picture, [(3, 2, 9, 7)], np.array(BELT, np.uint8))
    assert np.array_equal(picture, before)
    assert (found[2:7, 3:9] == BELT).all()
    found[2:7, 3:9] = picture[2:7, 3:9]
    assert np.array_equal(found, picture)


def test_the_belt_is_the_median_of_the_border() -> None:
    picture = scene()
    picture[10:20, 0] = 255  # fruit that touches one side
    assert tuple(belt_colour(picture)) == BELT


@pytest.mark.parametrize("name", ["lenet", "small-googlenet"])
def test_a_served_graph_says_that_the_planted_defect_decides(name: str) -> None:
    network = trained(name)
    fruit = planted(45, seed=12).only_spotted()
    pixels = (fruit.x * 255).round().byte().permute(0, 2, 3, 1).numpy()
    session = open_session(to_onnx(ServedNetwork(network.bare, network.spec).eval(), pixels[:2]).SerializeToString())
    over, sound = 0, 0
    for picture, (x0, y0, x1, y1) in zip(pixels, fruit.boxes.tolist(), strict=True):
        found = counterfactual(lambda photographs: run_logits(session, photographs), picture)
        if found is not None:
            assert area_px(found.box) <= 9 / 64 * HEIGHT * WIDTH * 1.2
            left, top, right, bottom = found.box
            over += left < x1 and right > x0 and top < y1 and bottom > y0
            sound += found.grade == SOUND
    assert over >= 0.9 * len(pixels)
    assert sound >= 0.9 * len(pixels)


def test_it_needs_no_torch() -> None:
    check = "import sys, models.explain.counterfactual; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
