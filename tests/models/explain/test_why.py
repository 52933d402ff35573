"""The reason for a grade: shares that add up on networks with a map, and measured falls on those without."""

from copy import deepcopy

import numpy as np
import pytest
import torch

from models.architectures import NAMES
from models.architectures.lenet import LeNet
from models.architectures.network import Explained
from models.explain.counterfactual import counterfactual
from models.explain.frozen import UnitNetwork
from models.explain.fruit import belt_surface, fruit_mask, parts
from models.explain.result import WEAK_LOGITS
from models.explain.why import Why, cam_reduction, softmax, why
from models.imaging import Pixels
from models.preprocess import PreprocessSpec
from tests.models.architectures.small import network_of, small_spec, trained_statistics
from training.synth import render


def photograph_of(size: tuple[int, int], seed: int = 1) -> Pixels:
    """(width, height)"""
    return render("BM", size, np.random.default_rng(seed)).pixels


def never(_: Pixels) -> np.ndarray:
    raise AssertionError("the scorer was called")


def test_every_architecture_with_a_map_is_known_to_mean_or_sum() -> None:
    for name in NAMES:
        assert (cam_reduction(name) is not None) == isinstance(network_of(name), Explained), name
    assert cam_reduction("something-else") is None


@pytest.mark.parametrize("name", ["lenet", "googlenet", "resnet34"])
@pytest.mark.parametrize("size", [(32, 32), (52, 36)])
def test_shares_and_bias_make_up_the_margin(name: str, size: tuple[int, int]) -> None:
    if name == "lenet":
        torch.manual_seed(7)
        made: torch.nn.Module = LeNet(9, 3, size[1], size[0])
    else:
        made = deepcopy(network_of(name))
    trained_statistics(made)
    network = UnitNetwork(made, PreprocessSpec(width=size[0], height=size[1]))
    assert isinstance(network.bare, Explained)
    photographs = np.stack([photograph_of(size, seed) for seed in (1, 2, 3)])
    with torch.no_grad():
        logits, cam, embedding = network.bare.explained(network.standardise(network.unit(photographs)))
    for index, photograph in enumerate(photographs):
        found = why(
            photograph, logits[index].numpy(), cam[index].numpy(),
            score=never, reduction=cam_reduction(name), seek_counterfactual=False,
        )  # fmt: skip
        grade, runner_up = logits[index].topk(2).indices.tolist()
        assert (found.grade, found.runner_up, found.method) == (grade, runner_up, "contrastive_cam")
        assert found.additive
        assert found.bias is not None
        assert sum(share.logits for share in found.shares) + found.bias == pytest.approx(found.margin, abs=1e-4)
        assert found.margin == pytest.approx(logits[index, grade].item() - logits[index, runner_up].item(), abs=1e-9)
        bare = network.bare
        constant = bare.effective_bias(embedding)[index] if isinstance(bare, LeNet) else bare.fc.bias
        assert found.bias == pytest.approx(float(constant[grade] - constant[runner_up]), abs=1e-4)
        np.testing.assert_array_equal(found.values, (cam[index, grade] - cam[index, runner_up]).numpy())
        positive = (cam[index, grade] - cam[index, runner_up]).clamp(min=0)
        assert found.evidence == pytest.approx(float(positive.sum() if name == "lenet" else positive.mean()), rel=1e-5)


def linear(weights: np.ndarray, seen: list[int] | None = None) -> object:
    """A grader whose first logit is a weighted sum of all values of the photograph (H, W, 3), its second 0."""

    def score(photographs: Pixels) -> np.ndarray:
        if seen is not None:
            seen.append(len(photographs))
        first = (photographs * weights).sum(axis=(1, 2, 3))
        return np.stack([first, np.zeros(len(photographs))], axis=1)

    return score


@pytest.mark.parametrize("size", [(32, 32), (51, 37)])
def test_without_a_map_parts_and_windows_are_hidden_in_turn(size: tuple[int, int]) -> None:
    photograph = photograph_of(size)
    weights = np.random.default_rng(6).random((*photograph.shape,)) * 1e-3
    asked: list[int] = []
    score = linear(weights, asked)
    logits = score(photograph[None])[0]  # type: ignore[operator]
    found = why(photograph, logits, score=score, seek_counterfactual=False)  # type: ignore[arg-type]
    assert (found.additive, found.bias, found.method) == (False, None, "occlusion")
    assert asked == [1, 4 + 49]
    # of a linear grader, what hiding takes away is the weighted difference of the two pictures
    mask = fruit_mask(photograph)
    belt = np.rint(belt_surface(photograph, mask))
    taken = (weights * (photograph - belt)).sum(axis=2)
    for share, part in zip(found.shares, parts(mask), strict=True):
        assert share.part.name == part.name
        if part.name != "belt":
            assert share.logits == pytest.approx(taken[part.mask].sum(), abs=1e-9)
    rows, columns = (np.rint(np.linspace(0, side, 9)).astype(int) for side in photograph.shape[:2])
    cells = np.add.reduceat(np.add.reduceat(taken, rows[:-1], axis=0), columns[:-1], axis=1)
    for i, j in [(0, 0), (3, 7), (4, 4)]:
        windows = [
            cells[y : y + 2, x : x + 2].sum() for y in (i - 1, i) for x in (j - 1, j) if 0 <= y <= 6 and 0 <= x <= 6
        ]  # fmt: skip
        assert found.values[i, j] == pytest.approx(np.mean(windows), rel=1e-4, abs=1e-6)
    assert found.evidence == pytest.approx(max(0.0, float(found.values.max()), *(share.logits for share in found.shares)))


def of_patches(centre: slice) -> object:
    """A grader that finds grade 0 where there is anything dark between these columns, else grade 1."""

    def score(photographs: Pixels) -> np.ndarray:
        dark = 1 - photographs[:, :, centre].min(axis=(1, 2, 3)) / 255
        return np.stack([8 * dark, np.full(len(dark), 4.0), np.zeros(len(dark))], axis=1)

    return score


def fruit_on_belt() -> Pixels:
    photograph = np.full((32, 48, 3), 200, np.uint8)
    photograph[13:18, 6:42] = (30, 80, 25)
    return photograph


def test_the_part_that_decides_has_the_largest_share_and_hiding_it_changes_the_grade() -> None:
    photograph, score = fruit_on_belt(), of_patches(slice(34, 48))
    found = why(photograph, score(photograph[None])[0], score=score, temperature=2.0)  # type: ignore[operator, arg-type]
    by_name = {share.part.name: share.logits for share in found.shares}
    assert max(by_name, key=by_name.__getitem__) == "right end"
    assert by_name["left end"] == by_name["middle"] == 0
    assert found.counterfactual == counterfactual(score, photograph, 2.0)  # type: ignore[arg-type]
    assert found.counterfactual is not None
    assert found.counterfactual.grade == 1
    assert found.counterfactual.box[2] > 34
    np.testing.assert_allclose(found.probabilities, softmax(np.array(score(photograph[None])[0]) / 2))  # type: ignore[operator]
    assert found.probabilities.sum() == pytest.approx(1)


def additive(cam: np.ndarray, photograph: Pixels, reduction: str = "sum") -> Why:
    logits = np.array([1.0, 0.5])
    return why(photograph, logits, cam, score=never, reduction=reduction, seek_counterfactual=False)  # type: ignore[arg-type]


def test_a_map_that_accounts_for_nothing_is_weak() -> None:
    photograph = fruit_on_belt()
    cam = np.zeros((2, 4, 4), np.float32)
    cam[0, 1, 1] = WEAK_LOGITS * 1.2
    assert not additive(cam, photograph).weak
    assert additive(cam, photograph, "mean").weak  # over 16 cells
    cam[0, 1, 1] = 0
    assert additive(cam, photograph).weak
    assert additive(cam, photograph).fruit_share is None


def test_evidence_on_the_fruit_and_without_one() -> None:
    cam = np.zeros((2, 32, 48), np.float32)
    cam[0, 15, 10:40] = 1  # on the fruit
    cam[0, 2, 10:20] = 1  # on the belt
    cam[1, 25, 10:20] = 5  # for the other grade
    assert additive(cam, fruit_on_belt()).fruit_share == pytest.approx(0.75)
    found = additive(cam, np.full((32, 48, 3), 200, np.uint8))
    assert found.fruit_share is None
    assert [share.part.name for share in found.shares] == ["belt"]


def test_the_rbf_network_is_explained_by_hiding() -> None:
    network = UnitNetwork(deepcopy(network_of("rbf")), small_spec("rbf"))
    photograph = photograph_of((32, 32))

    def score(photographs: Pixels) -> np.ndarray:
        with torch.no_grad():
            return network(network.unit(photographs)).numpy()

    found = why(photograph, score(photograph[None])[0], score=score, reduction=cam_reduction("rbf"), seek_counterfactual=False)
    assert found.method == "occlusion"
    assert found.values.shape == (8, 8)
    assert np.ptp(found.values) > 0
