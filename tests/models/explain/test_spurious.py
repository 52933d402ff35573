"""Fruit or background: two networks that are both right on the data, and the report that tells them apart."""

from functools import cache

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.explain.fruit import belt_surface, fruit_mask
from models.explain.spurious import Spurious, erased, pasted, relit, spurious
from models.imaging import Pixels
from training.synth import render

SIDE = 32
BELTS = np.array([[118, 122, 138], [140, 132, 112], [124, 142, 124]], np.float64)
SKINS = np.array([[20, 70, 25], [80, 95, 20], [70, 60, 45]], np.float64)
COUNT = 90


def scenes(belts: np.ndarray, skins: np.ndarray, seed: int) -> Pixels:
    """Bars of three skins on belts of three tints, in a slanting light, with noise."""
    rng = np.random.default_rng(seed)
    pictures = np.empty((len(belts), SIDE, SIDE, 3), np.uint8)
    x = np.linspace(-1, 1, SIDE)
    for index, (belt, skin) in enumerate(zip(belts, skins, strict=True)):
        picture = np.tile(BELTS[belt], (SIDE, SIDE, 1))
        top, left = rng.integers(4, 20), rng.integers(2, 8)
        picture[top : top + 7, left : left + 22] = SKINS[skin]
        picture *= rng.uniform(0.9, 1.1) * (1 + rng.uniform(-0.1, 0.1) * x)[None, :, None]
        pictures[index] = np.clip(np.rint(picture + rng.normal(0, 2, picture.shape)), 0, 255)
    return pictures


class Pooled(nn.Module):
    """Three 1x1 convolutions, global average pooling, one linear layer: its class activation map has a cell for each pixel."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 16, 1), nn.ReLU(), nn.Conv2d(16, 16, 1), nn.ReLU(), nn.Conv2d(16, 16, 1), nn.ReLU()
        )  # fmt: skip
        self.fc = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.fc(self.features(x).mean(dim=(2, 3)))
        return logits


def tensor(photographs: Pixels) -> Tensor:
    return torch.from_numpy(photographs.transpose(0, 3, 1, 2).astype(np.float32)) / 64 - 2


@cache
def trained(reads: str) -> Pooled:
    """A network that learned from pictures in which only the belt, or only the fruit, says the grade."""
    rng = np.random.default_rng(5)
    grades, other = rng.integers(0, 3, 360), rng.integers(0, 3, 360)
    photographs = scenes(grades, other, 6) if reads == "belt" else scenes(other, grades, 6)
    x, y = tensor(photographs), torch.from_numpy(grades)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        network = Pooled()
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    for step in range(150):
        some = slice(step % 15 * 24, step % 15 * 24 + 24)
        optimizer.zero_grad()
        loss = F.cross_entropy(network(x[some]), y[some])
        loss.backward()
        optimizer.step()
    return network.eval().requires_grad_(False)


def report(reads: str) -> Spurious:
    """On photographs of which each grade has a belt of its own: belt and fruit both say it."""
    network = trained(reads)
    labels = np.arange(COUNT) % 3
    photographs = scenes(labels, labels, 8)

    def map_of(some: Pixels, grades: np.ndarray) -> np.ndarray:
        maps = torch.einsum("kc,bchw->bkhw", network.fc.weight, network.features(tensor(some)))
        logits = maps.mean(dim=(2, 3))
        rest = (maps.sum(dim=1) - maps[torch.arange(len(maps)), torch.from_numpy(grades)]) / 2  # the other grades' mean
        assert logits.shape == (len(some), 3)
        return (maps[torch.arange(len(maps)), torch.from_numpy(grades)] - rest).numpy()

    return spurious(lambda some: network(tensor(some)).numpy(), photographs, labels, map_of)


def test_the_report_tells_who_reads_the_belt_from_who_reads_the_fruit() -> None:
    belt, fruit = report("belt"), report("fruit")
    for found in (belt, fruit):  # accuracy does not
        assert found.accuracy == 1
        assert found.images == COUNT
        assert found.kept_when_pasted_back >= 0.95
    assert fruit.kept_when_background_swapped >= 0.9
    assert belt.kept_when_background_swapped <= 0.1
    assert fruit.follows_background <= 0.1
    assert belt.follows_background >= 0.9
    assert belt.kept_when_light_swapped < 0.5 < fruit.kept_when_light_swapped
    assert belt.accuracy_background_swapped is not None
    assert fruit.accuracy_background_swapped is not None
    assert belt.accuracy_background_swapped <= 0.1 < 0.9 <= fruit.accuracy_background_swapped
    assert belt.fruit_share is not None
    assert fruit.fruit_share is not None
    assert fruit.fruit_area == pytest.approx(7 * 22 / SIDE**2, abs=0.02)
    assert belt.fruit_share < fruit.fruit_area < fruit.fruit_share  # what a map that knows nothing has is between
    assert fruit.fruit_share_most == 1  # a cell for each pixel


def test_a_coarse_map_cannot_put_all_on_the_fruit() -> None:
    labels = np.arange(6) % 3

    def score(some: Pixels) -> np.ndarray:
        return np.eye(3)[labels[: len(some)]]

    def all_cells(some: Pixels, _: np.ndarray) -> np.ndarray:
        return np.ones((len(some), 2, 2))

    found = spurious(score, scenes(labels, labels, 4), labels, all_cells)
    assert found.fruit_share == pytest.approx(found.fruit_area)
    assert found.fruit_share_most is not None
    assert found.fruit_area < found.fruit_share_most < 0.5


def test_without_labels_and_maps_the_figures_that_need_them_are_missing() -> None:
    network = trained("fruit")
    labels = np.arange(COUNT) % 3
    found = spurious(lambda some: network(tensor(some)).numpy(), scenes(labels, labels, 8))
    assert found.kept_when_background_swapped >= 0.9
    missing = {name for name, value in found.to_json().items() if value is None}
    assert missing == {"fruit_share", "fruit_share_most", "accuracy", "accuracy_background_swapped", "accuracy_light_swapped"}


def test_photographs_without_a_fruit_are_left_out() -> None:
    labels = np.arange(6) % 3
    photographs = scenes(labels, labels, 2)
    photographs[[1, 4]] = 128
    network = trained("fruit")
    assert spurious(lambda some: network(tensor(some)).numpy(), photographs, labels).images == 4
    photographs[1:] = 128
    with pytest.raises(ValueError, match="1 of 6 photographs show a fruit"):
        spurious(lambda some: network(tensor(some)).numpy(), photographs, labels)


def test_an_erased_fruit_leaves_a_belt_and_a_pasted_one_comes_back() -> None:
    rng = np.random.default_rng(1)
    rendered = render("L", (96, 96), rng)
    mask = fruit_mask(rendered.pixels)
    empty = erased(rendered.pixels, mask, rng)
    assert not (fruit_mask(empty) & mask).any()
    far = np.ones_like(mask)
    rows, columns = np.nonzero(mask)
    far[max(0, rows.min() - 14) : rows.max() + 14, max(0, columns.min() - 14) : columns.max() + 14] = False
    np.testing.assert_array_equal(empty[far], rendered.pixels[far])
    background = np.full_like(empty, 230)
    moved = pasted(rendered.pixels, mask, background)
    np.testing.assert_array_equal(moved[mask], rendered.pixels[mask])
    np.testing.assert_array_equal(moved[far], background[far])


def test_light_comes_over_with_its_gradient_and_its_cast() -> None:
    labels = np.zeros(2, int)
    first, second = scenes(labels, labels, 3)
    warm = np.clip(second * np.linspace(0.8, 1.2, SIDE)[None, :, None] * np.array([1.15, 1.0, 0.8]), 0, 255).astype(np.uint8)
    mask, other = fruit_mask(first), fruit_mask(warm)
    found = relit(first, mask, warm, other)
    np.testing.assert_allclose(belt_surface(found, mask), belt_surface(warm, other), atol=3)
    gain = found[mask].mean(axis=0) / first[mask].mean(axis=0)
    assert gain[0] > gain[2] * 1.2  # the fruit is lit as warmly as its new belt
