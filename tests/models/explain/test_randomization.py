"""Sanity checks by random weights: rank correlation against scipy's, and what of a map depends on the weights."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from torch import Tensor, nn

from models.architectures import NAMES
from models.errors import UnknownLayer
from models.explain.attributions import guided_backprop
from models.explain.cams import grad_cam
from models.explain.frozen import UnitNetwork
from models.explain.layers import last_spatial
from models.explain.randomization import cascade, last_layer, randomized, rank_correlation, weighted_layers
from tests.models.architectures.small import network_of, small_spec
from tests.models.explain.planted import planted, trained


@pytest.mark.parametrize("levels", [2, 5, 10_000])
def test_rank_correlation_is_spearmans(levels: int) -> None:
    rng = np.random.default_rng(levels)
    for _ in range(20):
        first = rng.integers(0, levels, (6, 7)).astype(np.float32)
        second = (first + rng.integers(0, levels, (6, 7))).astype(np.float32)
        expected = spearmanr(first.reshape(-1), second.reshape(-1)).statistic
        assert rank_correlation(first, second) == pytest.approx(expected, abs=1e-12)


def test_a_constant_map_agrees_with_nothing() -> None:
    assert rank_correlation(np.zeros((3, 3)), np.arange(9.0)) == 0


@pytest.mark.parametrize("name", NAMES)
def test_layers_with_weights_are_listed_from_the_output(name: str) -> None:
    network = UnitNetwork(deepcopy(network_of(name)), small_spec(name))
    names = weighted_layers(network)
    modules = dict(network.bare.named_modules())
    last = {"rbf": "head", "googlenet": "fc", "resnet34": "fc", "lenet": "fc2", "deep-mnist": "fc2"}
    assert names[0] == last.get(name, names[0])
    assert list(modules[names[0]].parameters(recurse=False))
    assert isinstance(modules[names[-1]], nn.Conv2d)
    assert not [found for found in names if isinstance(modules[found], nn.BatchNorm1d | nn.BatchNorm2d) or "aux" in found]


def test_only_the_named_layer_of_a_copy_becomes_random_and_keeps_its_scale() -> None:
    network = trained("lenet")
    before = {name: value.clone() for name, value in network.bare.state_dict().items()}
    copy = randomized(network, ["conv2"], seed=4)
    for name, value in network.bare.state_dict().items():
        assert torch.equal(value, before[name])
        assert torch.equal(copy.bare.state_dict()[name], value) == (name != "conv2.weight"), name
    old, new = network.bare.conv2.weight, copy.bare.conv2.weight  # type: ignore[union-attr]
    assert float(new.std() / old.std()) == pytest.approx(1, abs=0.03)  # type: ignore[operator, arg-type, union-attr]
    assert abs(np.corrcoef(old.flatten(), new.flatten())[0, 1]) < 0.02  # type: ignore[operator, arg-type, union-attr]
    again, other = randomized(network, ["conv2"], seed=4), randomized(network, ["conv2"], seed=5)
    assert torch.equal(again.bare.conv2.weight, new)  # type: ignore[union-attr, arg-type]
    assert not torch.equal(other.bare.conv2.weight, new)  # type: ignore[union-attr, arg-type]


def test_a_layer_without_weights_is_refused_with_those_that_have_some() -> None:
    with pytest.raises(UnknownLayer, match="fc2, fc1, conv2, conv1"):
        randomized(trained("lenet"), ["relu1"])


@pytest.mark.parametrize("name", ["lenet", "small-googlenet"])
def test_grad_cam_depends_on_the_weights_and_guided_backprop_hardly_does(name: str) -> None:
    network = trained(name)
    x = planted(24, seed=3).only_spotted().x
    grades, layer = network(x).argmax(dim=1), last_spatial(network)

    def reasons(of: UnitNetwork, photographs: Tensor) -> Tensor:
        return grad_cam(of, photographs, layer, grades)

    def features(of: UnitNetwork, photographs: Tensor) -> Tensor:
        return guided_backprop(of, photographs, grades)

    assert last_layer(network, reasons, x) < 0.5
    assert last_layer(network, features, x) > 0.75


def test_the_cascade_goes_from_the_output_down_until_nothing_is_left() -> None:
    network = trained("lenet")
    x = planted(24, seed=3).only_spotted().x
    grades = network(x).argmax(dim=1)
    steps = cascade(network, lambda of, photographs: guided_backprop(of, photographs, grades), x)
    assert [step.layer for step in steps] == ["fc2", "fc1", "conv2", "conv1"]
    assert steps[-1].correlation < steps[0].correlation
    unchanged = cascade(network, lambda of, photographs: photographs, x, ["fc2"])
    assert unchanged[0].correlation == pytest.approx(1)  # a "map" that is the photograph itself
