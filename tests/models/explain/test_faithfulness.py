"""Insertion and deletion: closed forms on graders that read known pixels, and trained networks against random maps."""

import numpy as np
import pytest
import torch

from models.explain import faithfulness as module
from models.explain.attributions import saliency
from models.explain.cams import cam, chosen, grad_cam
from models.explain.faithfulness import Cover, curves, faithfulness, order_of
from models.explain.frozen import UnitNetwork
from models.explain.layers import last_spatial
from models.imaging import Pixels
from tests.models.explain.planted import planted, trained

SIDE = 20
PATCH = (slice(5, 9), slice(11, 16))
"""20 of 400 pixels."""


def patch_reader(photographs: Pixels) -> np.ndarray:
    """Probability of grade 1: the share of the patch that shows the white it had."""
    share = (photographs[:, *PATCH] > 250).mean(axis=(1, 2, 3))
    return np.stack([1 - share, share], axis=1)


def with_patch() -> tuple[Pixels, np.ndarray]:
    photograph, inside = np.full((1, SIDE, SIDE, 3), 60, np.uint8), np.zeros((1, SIDE, SIDE))
    photograph[0, *PATCH] = 255
    inside[0, *PATCH] = 1.0
    return photograph, inside


GRADE = np.array([1])


def test_a_perfect_map_and_its_opposite_have_the_areas_they_must() -> None:
    photograph, inside = with_patch()
    best = curves(patch_reader, photograph, inside, GRADE, steps=400)  # a pixel at a time
    # the first 20 of 400 pixels take the probability from 1 to 0, evenly: half of their share remains
    assert best.deletion_area[0] == pytest.approx(0.5 * 20 / 400, abs=1e-9)
    assert best.insertion_area[0] == pytest.approx(1 - 0.5 * 20 / 400, abs=1e-9)
    worst = curves(patch_reader, photograph, -inside, GRADE, steps=400)
    assert worst.deletion_area[0] == pytest.approx(1 - 0.5 * 20 / 400, abs=1e-9)
    assert worst.insertion_area[0] == pytest.approx(0.5 * 20 / 400, abs=1e-9)


def test_curves_run_from_the_whole_photograph_to_none_and_back() -> None:
    photograph, inside = with_patch()
    found = curves(patch_reader, photograph, inside, GRADE, steps=7)
    assert found.deletion.shape == found.insertion.shape == (1, 8)
    assert (found.deletion[0, 0], found.deletion[0, -1]) == (1, 0)
    assert (found.insertion[0, 0], found.insertion[0, -1]) == (0, 1)


def test_a_random_map_is_halfway_on_average() -> None:
    photograph, inside = with_patch()
    found = faithfulness(patch_reader, photograph, inside, GRADE, random_maps=30)
    assert found.random_deletion == pytest.approx(0.5, abs=0.05)
    assert found.random_insertion == pytest.approx(0.5, abs=0.05)
    assert found.deletion < 0.1 < 0.9 < found.insertion
    assert found.images == 1


@pytest.mark.parametrize("batch", [1, 5, 1000])
def test_batches_do_not_show(batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    photographs = rng.integers(0, 256, (3, 13, 17, 3), dtype=np.uint8)
    grades = np.array([0, 1, 0])

    def reader(pictures: Pixels) -> np.ndarray:
        share = pictures.mean(axis=(1, 2, 3)) / 255
        return np.stack([1 - share, share], axis=1)

    maps = rng.normal(size=(3, 4, 5))
    whole = curves(reader, photographs, maps, grades, steps=6)
    monkeypatch.setattr(module, "BATCH", batch)
    parted = curves(reader, photographs, maps, grades, steps=6)
    np.testing.assert_array_equal(whole.deletion, parted.deletion)
    np.testing.assert_array_equal(whole.insertion, parted.insertion)
    for index, grade in enumerate(grades):  # each photograph is read for its own grade
        assert whole.deletion[index, 0] == pytest.approx(reader(photographs[index : index + 1])[0, grade])


def test_the_order_is_that_of_the_map_and_chance_among_equals() -> None:
    values = np.random.default_rng(3).normal(size=(9, 7))
    rank = order_of(values, 9, 7, np.random.default_rng(0))
    assert sorted(rank.reshape(-1)) == list(range(63))
    assert (np.diff(values.reshape(-1)[np.argsort(rank.reshape(-1))]) <= 0).all()
    flat = order_of(np.zeros((9, 7)), 9, 7, np.random.default_rng(0))
    assert abs(np.corrcoef(flat.reshape(-1), np.arange(63))[0, 1]) < 0.35
    coarse = order_of(np.array([[0.0, 1.0], [2.0, 3.0]]), 8, 8, np.random.default_rng(0))
    assert coarse[7, 7] < coarse[7, 0] < coarse[0, 7] < coarse[0, 0]


METHODS = {
    "cam": lambda network, x, grades: chosen(cam(network, x)[1], grades),
    "grad_cam": lambda network, x, grades: grad_cam(network, x, last_spatial(network), grades),
    "saliency": saliency,
}


def spotted(network: UnitNetwork) -> tuple[Pixels, torch.Tensor]:
    x = planted(36, seed=3).only_spotted().x
    return (x.permute(0, 2, 3, 1).numpy() * 255).round().astype(np.uint8), network(x).argmax(dim=1)


@pytest.mark.parametrize("cover", ["belt", "blur"])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["lenet", "small-googlenet"])
def test_maps_of_trained_networks_beat_random_ones(name: str, method: str, cover: Cover) -> None:
    network = trained(name)
    photographs, grades = spotted(network)
    maps = METHODS[method](network, network.unit(photographs), grades).numpy()

    def probabilities(pictures: Pixels) -> np.ndarray:
        return network(network.unit(pictures)).softmax(dim=1).numpy()

    found = faithfulness(probabilities, photographs, maps, grades.numpy(), steps=20, cover=cover, random_maps=2)
    assert found.deletion <= 0.5 * found.random_deletion
    assert found.insertion >= 1.3 * found.random_insertion
