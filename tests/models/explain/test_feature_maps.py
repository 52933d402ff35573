"""Feature maps and what channels do over many photographs, against the layers called by hand and plain arithmetic."""

from copy import deepcopy
from functools import cache

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from models.architectures import NAMES, build
from models.errors import UnknownLayer
from models.explain.feature_maps import (
    ChannelSurvey,
    channel_statistics,
    feature_maps,
    pair_with_relu,
    rectified_layers,
    strongest,
    survey,
)
from models.explain.frozen import UnitNetwork
from models.explain.layers import layers_of, outputs
from tests.models.architectures.small import network_of, small_spec, trained_statistics

SIZES = {"lenet": (37, 30), "googlenet": (75, 98), "alexnet": (99, 131)}
"""Height and width: odd, not square."""


@cache
def unit(name: str) -> UnitNetwork:
    """One for all tests that change nothing about it."""
    height, width = SIZES.get(name, (small_spec(name).height, small_spec(name).width))
    spec = small_spec(name).model_copy(update={"height": height, "width": width})
    torch.manual_seed(1)
    network = build(name, spec=spec)
    trained_statistics(network)
    return UnitNetwork(network, spec)


def small_unit(name: str) -> UnitNetwork:
    return UnitNetwork(network_of(name), small_spec(name))


def photographs(network: UnitNetwork, batch: int) -> Tensor:
    spec = network.spec
    return torch.rand(batch, spec.channels, spec.height, spec.width, generator=torch.Generator().manual_seed(4))


def test_maps_before_and_after_relu() -> None:
    network = unit("lenet")
    x = photographs(network, 3)
    bare = network.bare
    with torch.no_grad():
        convolved = F.conv2d((x - 0.5) / 0.25, bare.get_submodule("conv1").weight, padding=2)  # type: ignore[arg-type]
        before = bare.get_submodule("norm1")(convolved)
    torch.testing.assert_close(feature_maps(network, x, "conv1"), convolved)
    torch.testing.assert_close(feature_maps(network, x, "norm1"), before)
    after = feature_maps(network, x, "relu1")
    assert after.shape == (3, 32, 37, 30)
    assert torch.equal(after, feature_maps(network, x, "norm1").clamp(min=0))
    assert not after.requires_grad


@pytest.mark.parametrize("name", ["lenet", "googlenet", "alexnet"])
def test_photographs_of_any_size_that_the_layer_takes(name: str) -> None:
    network = unit(name)
    layer = {"lenet": "pool2", "googlenet": "inception3a", "alexnet": "pool5"}[name]
    x = torch.rand(2, 3, 121, 85)
    maps = feature_maps(network, x, layer)
    assert maps.shape == (2, *{"lenet": (64, 30, 21), "googlenet": (256, 15, 10), "alexnet": (256, 2, 1)}[name])
    torch.testing.assert_close(feature_maps(network, x[1:], layer), maps[1:], rtol=1e-4, atol=1e-4)


def test_maps_of_mirrored_views_are_the_upright_ones() -> None:
    network = unit("rbf")
    x = photographs(network, 3)
    with torch.no_grad():
        reflectance = network.bare.measuring.reflectance(x)  # type: ignore[operator, union-attr]
        expected = network.bare.measuring.stages((reflectance - 0.8) / 0.25)  # type: ignore[operator, union-attr]
    maps = feature_maps(network, x, "measuring.stages")
    assert maps.shape == (3, 64, 4, 4)
    torch.testing.assert_close(maps, expected)


def test_a_layer_without_maps() -> None:
    network = unit("lenet")
    x = photographs(network, 1)
    for layer in ("fc1", "nothing"):
        with pytest.raises(UnknownLayer):
            feature_maps(network, x, layer)
        with pytest.raises(UnknownLayer):
            channel_statistics(network, [x], layer)


@pytest.mark.parametrize(
    ("name", "layer"), [("lenet", "relu2"), ("lenet", "norm1"), ("googlenet", "inception3b"), ("alexnet", "pool2")]
)
def test_statistics_are_those_of_all_photographs_at_once(name: str, layer: str) -> None:
    network = unit(name)
    x = photographs(network, 5)
    found = channel_statistics(network, x.split(2), layer)
    maps = feature_maps(network, x, layer).double().transpose(0, 1).flatten(1)
    assert found.photographs == 5
    assert found.mean.dtype == torch.float64
    close = {"rtol": 1e-4, "atol": 1e-5}
    torch.testing.assert_close(found.mean, maps.mean(1), **close)
    torch.testing.assert_close(found.maximum, maps.amax(1), **close)
    torch.testing.assert_close(found.active_share, (maps > 0).double().mean(1), rtol=0, atol=1e-3)
    if layer == "norm1":
        assert found.dead is None
    else:
        assert found.dead == [channel for channel in range(len(maps)) if maps[channel].max() <= 0]


def test_a_dead_channel_is_named() -> None:
    network = deepcopy(unit("lenet"))
    norm = network.bare.get_submodule("norm1")
    norm.weight[[3, 17]] = 0.0  # type: ignore[index, operator]
    norm.bias[[3, 17]] = -0.5  # type: ignore[index, operator]
    x = photographs(network, 4)
    for layer in ("relu1", "pool1"):
        found = channel_statistics(network, x.split(3), layer)
        assert found.dead is not None
        assert {3, 17} <= set(found.dead)
        assert len(found.dead) < 16
        assert float(found.active_share[3]) == 0
    before = channel_statistics(network, [x], "norm1")
    assert before.dead is None
    assert float(before.maximum[3]) == -0.5


def test_sums_keep_their_digits() -> None:
    """In float32, a million further photographs of 0.1 would stop counting."""
    survey_of_one = ChannelSurvey(rectified=True, top=1)
    survey_of_one.add(torch.full((1, 1, 1, 1), 2.0**26))
    for _ in range(8):
        survey_of_one.add(torch.full((1, 1, 1, 1), 1.0))
    assert float(survey_of_one.statistics().mean) * 9 == 2.0**26 + 8


def test_the_strongest_photographs_of_each_channel() -> None:
    network = unit("googlenet")
    x = photographs(network, 7)
    x[5] = x[1]  # a tie, if it falls into one batch
    found = strongest(network, [x[:3], x[3:]], "inception3a", top=4)
    maps = feature_maps(network, x, "inception3a")
    assert len(found) == 256
    for channel in (0, 100, 255):
        peaks = maps[:, channel].flatten(1).amax(1)
        assert [one.activation for one in found[channel]] == pytest.approx(
            peaks.sort(descending=True).values[:4].tolist(), rel=1e-4
        )
        for one in found[channel]:
            assert float(maps[one.index, channel][one.place]) == pytest.approx(float(peaks[one.index]), rel=1e-4, abs=1e-6)


def test_ties_are_broken_by_index_and_place() -> None:
    maps = torch.zeros(6, 2, 2, 3)
    maps[[1, 4, 5], 0, 1, 2] = 5.0
    maps[[1, 4, 5], 0, 1, 1] = 5.0
    maps[2, 0, 0, 1] = 7.0
    for size in (1, 2, 4, 6):
        found = ChannelSurvey(rectified=True, top=3)
        for batch in maps.split(size):
            found.add(batch)
        first, second = found.strongest()
        assert [(one.index, one.place, one.activation) for one in first] == [(2, (0, 1), 7.0), (1, (1, 1), 5.0), (4, (1, 1), 5.0)]
        assert [(one.index, one.place) for one in second] == [(0, (0, 0)), (1, (0, 0)), (2, (0, 0))]
        assert found.statistics().dead == [1]


def test_several_layers_in_one_pass() -> None:
    network = unit("rbf")
    x = photographs(network, 5)
    layers = ["measuring.stages.2", "measuring.stages.4", "measuring.reflectance"]
    together = survey(network, x.split(2), layers, top=2)
    for layer in layers:
        alone = channel_statistics(network, x.split(2), layer)
        found = together[layer].statistics()
        assert torch.equal(found.mean, alone.mean)
        assert found.photographs == 5  # not four times as many: the mirrored views do not count
        assert [len(channel) for channel in together[layer].strongest()] == [2] * len(alone.mean)
    assert not any(layer._forward_hooks for layer in network.modules())


def test_no_photographs() -> None:
    with pytest.raises(ValueError, match="at least one"):
        channel_statistics(unit("lenet"), [], "relu1")
    assert strongest(unit("lenet"), [], "relu1") == []


@pytest.mark.parametrize("name", NAMES)
def test_pairs_by_what_the_layers_give(name: str) -> None:
    """The data flow against the run itself: a ReLU takes what its partner gave, up to a normalisation in between."""
    network = small_unit(name)
    pairs = pair_with_relu(network)
    layers = {layer.name: layer.kind for layer in layers_of(network)}
    with torch.no_grad(), outputs(network, list(layers)) as given:
        network(photographs(network, 2))
    for source, relu in pairs.items():
        taken = given[source]
        if layers[source] in ("Conv2d", "Linear"):
            for norm in (other for other in pairs if pairs[other] == relu and layers[other].startswith("BatchNorm")):
                taken = network.bare.get_submodule(norm)(taken)
                assert torch.equal(taken, given[norm]), (source, norm)
        assert layers[relu] == "ReLU"
        assert torch.equal(taken.clamp(min=0), given[relu]), (source, relu)
    relus = [layer for layer, kind in layers.items() if kind == "ReLU"]
    summed = len(relus) - len(set(pairs.values()))  # what goes into these is no layer's output: a sum
    assert summed == (16 if name == "resnet34" else 0)


@pytest.mark.parametrize("name", NAMES)
def test_rectified_layers_are_never_below_zero(name: str) -> None:
    network = small_unit(name)
    rectified = rectified_layers(network)
    layers = [layer for layer in layers_of(network) if layer.spatial]
    with torch.no_grad(), outputs(network, [layer.name for layer in layers]) as given:
        network(photographs(network, 3) * 2 - 0.5)
    for layer in layers:
        if layer.name in rectified:
            assert float(given[layer.name].min()) >= 0, layer.name
            assert layer.kind not in ("Conv2d", "BatchNorm2d")
    blocks = {
        "googlenet": ["inception3a", "conv1", "maxpool1", "inception4b.branch4.1"],
        "resnet34": ["layer1.0", "layer4", "maxpool"],
        "alexnet": ["relu1", "norm1", "pool1", "avgpool"],
        "lenet": ["relu1", "pool2"],
        "deep-mnist": ["pool2"],
        "rbf": ["measuring.stages"],
        "vgg19": ["features", "features.1"],
    }
    assert set(blocks[name]) <= rectified
