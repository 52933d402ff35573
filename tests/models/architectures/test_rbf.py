"""The RBF network: what counts as alike, and checkpoints that bring their own number of centres."""

import numpy as np
import pytest
import torch

from models.architectures import build
from models.architectures.rbf import CENTRES, RbfNetwork, squared_distance


@pytest.fixture
def network() -> RbfNetwork:
    torch.manual_seed(5)
    return RbfNetwork(4, 3, 16, 16, centres=7, components=5).eval()


def test_logits_are_the_formula(network: RbfNetwork) -> None:
    photographs = torch.rand(3, 3, 16, 16)
    with torch.no_grad():
        measures, light = (value.numpy() for value in network.features(photographs))
        p = {name: value.numpy() for name, value in network.head.state_dict().items()}
        expected = np.zeros((3, 4))
        for i in range(3):
            at = (measures[i] - p["fruit_mean"]) * p["fruit_scale"]
            lit = (light[i] - p["light_mean"]) @ p["light_map"]
            for n in range(7):
                fruit = np.exp(-((at - p["fruit_centres"][n]) ** 2).sum())
                same = np.exp(-((lit - p["light_centres"][n]) ** 2).sum())
                expected[i] += fruit * (p["fruit_share"] + p["light_share"] * same) * p["weight"][:, n]
        np.testing.assert_allclose(network(photographs).numpy(), expected + p["bias"], atol=1e-5)


def test_in_light_never_seen_the_fruit_alone_decides(network: RbfNetwork) -> None:
    photographs = torch.rand(3, 3, 16, 16)
    with torch.no_grad():
        network.head.light_centres += 100.0
        strange = network(photographs)
        network.head.light_share.zero_()
        assert torch.equal(network(photographs), strange)
        network.head.fruit_share.zero_()
        torch.testing.assert_close(network(photographs), network.head.bias.expand(3, 4))


def test_distances_keep_their_digits_beside_the_centres() -> None:
    torch.manual_seed(1)
    points, centres = torch.randn(5, 24), torch.randn(9, 24)
    exact = ((points.double()[:, None] - centres.double()[None]) ** 2).sum(-1)
    torch.testing.assert_close(squared_distance(points, centres).double(), exact, atol=1e-4, rtol=1e-5)
    assert squared_distance(points, points).diagonal().abs().max() < 1e-4


def test_a_checkpoint_brings_its_own_centres(network: RbfNetwork) -> None:
    other = RbfNetwork(4, 3, 16, 16).eval()
    assert other.head.weight.shape == (4, CENTRES)
    other.load_state_dict(network.state_dict())
    photographs = torch.rand(2, 3, 16, 16)
    with torch.no_grad():
        assert torch.equal(other(photographs), network(photographs))
    assert all(parameter.requires_grad for parameter in other.parameters())


def test_loading_its_own_shapes_keeps_its_parameters(network: RbfNetwork) -> None:
    before = list(network.parameters())  # as an optimizer holds them
    network.load_state_dict(network.state_dict())
    assert all(one is other for one, other in zip(before, network.parameters(), strict=True))


def test_other_grades_are_still_refused(network: RbfNetwork) -> None:
    with pytest.raises(RuntimeError, match=r"head\.weight|head\.bias"):
        build("rbf", 9).load_state_dict(network.state_dict())
