"""What distinguishes the network of 2012 from those that bear its name."""

import pytest
import torch
from torch import nn

from models.architectures.alexnet import AlexNet
from models.architectures.summary import summarize


@pytest.fixture(scope="module")
def network() -> AlexNet:
    torch.manual_seed(1)
    return AlexNet(1000)


def test_shapes_of_the_paper(network: AlexNet) -> None:
    rows = {row.name: row.output for row in summarize(network, 3, 224, 224)}
    assert {name: rows[name] for name in rows if name.startswith(("conv", "pool", "fc"))} == {
        "conv1": (96, 55, 55),
        "pool1": (96, 27, 27),
        "conv2": (256, 27, 27),
        "pool2": (256, 13, 13),
        "conv3": (384, 13, 13),
        "conv4": (384, 13, 13),
        "conv5": (256, 13, 13),
        "pool5": (256, 6, 6),
        "fc6": (4096,),
        "fc7": (4096,),
        "fc8": (1000,),
    }
    assert [layer for layer in rows if layer.startswith("norm")] == ["norm1", "norm2"]


def test_the_first_filters(network: AlexNet) -> None:
    assert network.conv1.weight.shape == (96, 3, 11, 11)
    assert network.conv1.stride == (4, 4)


def test_poolings_overlap(network: AlexNet) -> None:
    assert {(pool.kernel_size, pool.stride) for pool in network.modules() if isinstance(pool, nn.MaxPool2d)} == {(3, 2)}


@pytest.mark.parametrize("name", ["conv2", "conv4", "conv5"])
def test_half_of_the_maps_does_not_see_the_other(network: AlexNet, name: str) -> None:
    layer = network.get_submodule(name)
    inputs = layer.get_parameter("weight").shape[1] * 2
    maps = torch.randn(1, inputs, 5, 5)
    changed = maps.clone()
    changed[:, : inputs // 2] += 1
    with torch.no_grad():
        before, after = layer(maps), layer(changed)
    half = before.shape[1] // 2
    assert torch.equal(before[:, half:], after[:, half:])
    assert not torch.equal(before[:, :half], after[:, :half])


def test_the_third_convolution_sees_all_maps(network: AlexNet) -> None:
    assert network.conv3.groups == 1


def test_local_response_normalisation_is_the_papers_formula(network: AlexNet) -> None:
    # b_i = a_i / (k + alpha * sum over j = i - n/2 .. i + n/2 of a_j^2)^beta with k = 2, n = 5, alpha = 1e-4, beta = 0.75
    maps = torch.rand(1, 8, 2, 3, dtype=torch.float64) * 100
    expected = torch.empty_like(maps)
    for i in range(8):
        near = maps[:, max(0, i - 2) : i + 3]
        expected[:, i] = maps[:, i] / (2 + 1e-4 * (near**2).sum(dim=1)) ** 0.75
    torch.testing.assert_close(network.norm1(maps), expected)
    torch.testing.assert_close(network.norm2(maps), expected)


def test_the_papers_start(network: AlexNet) -> None:
    assert network.fc7.weight.std().item() == pytest.approx(0.01, rel=0.01)
    ones = ("conv2", "conv4", "conv5", "fc6", "fc7")
    for name in ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8"):
        assert (network.get_parameter(f"{name}.bias") == (1 if name in ones else 0)).all(), name


def test_dropout_of_a_half_on_both_hidden_layers(network: AlexNet) -> None:
    assert [layer.p for layer in network.modules() if isinstance(layer, nn.Dropout)] == [0.5, 0.5]
