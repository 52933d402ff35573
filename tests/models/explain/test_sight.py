"""What a layer gives for pictures of any size, and what enters the ReLUs that it ends in."""

import pytest
import torch
from torch import Tensor, nn

from models.architectures import NAMES
from models.errors import InvalidParameter, UnknownLayer
from models.explain.frozen import UnitNetwork
from models.explain.layers import layers_of, output_of
from models.explain.sight import Sight, before_relu, ending_relus
from tests.models.architectures.small import network_of, small_spec


def unit(name: str) -> UnitNetwork:
    return UnitNetwork(network_of(name), small_spec(name))


def pictures(network: UnitNetwork, batch: int = 2) -> Tensor:
    spec = network.spec
    return torch.rand(batch, spec.channels, spec.height, spec.width, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", NAMES)
def test_cut_again_it_is_what_the_layer_gives(name: str) -> None:
    network = unit(name)
    x, opened = pictures(network), 0
    layers = [layer.name for layer in layers_of(network) if layer.spatial]
    for layer in layers[:: max(1, len(layers) // 12)] + [layer for layer in layers if "pool" in layer or layer.count(".") == 0]:
        with torch.no_grad():
            given, entering = output_of(network, x, layer), before_relu(network, x, layer)
        if ending_relus(network, layer):
            assert entering.min() < 0 or name == "alexnet"  # whose fresh biases of 1 leave nothing below 0
            assert torch.equal(entering.relu(), given)
            opened += 1
        else:
            assert torch.equal(entering, given)
    assert opened or name == "rbf"
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())


def test_of_a_relu_it_is_its_input() -> None:
    network = unit("googlenet")
    kept: list[Tensor] = []
    relu = network.bare.get_submodule("inception4c.branch2.1.relu")
    hook = relu.register_forward_pre_hook(lambda _, inputs: kept.append(inputs[0]))
    with torch.no_grad():
        network(pictures(network))
    hook.remove()
    with torch.no_grad():
        assert torch.equal(before_relu(network, pictures(network), "inception4c.branch2.1.relu"), kept[0])


@pytest.mark.parametrize(
    ("name", "layer", "relus"),
    [
        ("lenet", "pool1", ["relu1"]),
        ("lenet", "conv1", []),
        ("lenet", "norm2", []),
        (
            "googlenet",
            "inception3a",
            [f"inception3a.{branch}.relu" for branch in ("branch1", "branch2.1", "branch3.1", "branch4.1")],
        ),
        ("googlenet", "inception3a.branch4.0", ["conv3.relu"]),  # a pooling of the poolings of a ReLU
        ("resnet34", "layer2", ["layer2.3.relu2"]),
        ("alexnet", "pool5", ["relu5"]),
        ("alexnet", "norm1", []),
    ],
)
def test_the_relus_that_a_layer_ends_in(name: str, layer: str, relus: list[str]) -> None:
    network = unit(name)
    assert {id(relu) for relu in ending_relus(network, layer)} == {id(network.bare.get_submodule(relu)) for relu in relus}


def test_a_silent_channel_has_a_gradient_before_its_relu() -> None:
    network = unit("lenet")
    x = pictures(network, 1).requires_grad_()
    lowest = before_relu(network, x, "relu2").amax(dim=(0, 2, 3)).argmin()
    with torch.no_grad():  # push the channel below 0 everywhere
        bias = network.bare.get_submodule("norm2").bias
        assert isinstance(bias, nn.Parameter)
        bias[lowest] -= 100
    try:
        (dead,) = torch.autograd.grad(output_of(network, x, "relu2")[:, lowest].mean(), x)
        (alive,) = torch.autograd.grad(before_relu(network, x, "relu2")[:, lowest].mean(), x)
    finally:
        with torch.no_grad():
            bias[lowest] += 100
    assert not dead.any()
    assert alive.any()


def test_networks_of_one_size_see_the_picture_resized() -> None:
    anything, one_size = Sight(unit("lenet"), "conv2"), Sight(unit("rbf"), "measuring.stages.3")
    assert anything.shape(50, 61) == (64, 25, 30)
    assert one_size.shape(50, 61) == one_size.shape(32, 32) == (16, 16, 16)
    assert not one_size.any_size
    assert Sight(unit("lenet"), "fc2").shape(50, 61) == (9,)


def test_the_least_size_is_that_of_the_network() -> None:
    assert Sight(unit("googlenet"), "inception5b").least_px() == 15  # models.architectures.googlenet.SMALLEST_PX
    assert Sight(unit("alexnet"), "pool5").least_px() == 63
    assert Sight(unit("vgg19"), "features.36").least_px() == 32


def test_too_small_is_refused_with_the_size_needed() -> None:
    sight = Sight(unit("googlenet"), "inception4a")
    sight.require((15, 15), (64, 64), 64)
    with pytest.raises(InvalidParameter, match="smallest octave is 20x14 pixels; inception4a needs at least 15x15"):
        sight.require((14, 20), (64, 64), 64)
    with pytest.raises(InvalidParameter, match="Tiles of 16 pixels are too small for inception4a; it takes 30 or more"):
        sight.require((15, 15), (50, 50), 16)
    with pytest.raises(InvalidParameter, match="in one piece"):
        Sight(unit("rbf"), "measuring.stages.3").require((32, 32), (64, 64), 40)
    with pytest.raises(UnknownLayer):
        Sight(unit("lenet"), "conv9", before_relu=True)
