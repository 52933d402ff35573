"""Deconvolution against a loop of unpooling, ReLU and transposed convolutions, written out, and against captum's."""

from copy import deepcopy
from functools import cache

import pytest
import torch
from captum.attr import NeuronDeconvolution
from torch import Tensor, nn
from torch.nn import functional as F

from models.architectures import NAMES, build
from models.errors import InvalidParameter, UnknownLayer, UnknownMethod
from models.explain.deconvolution import Deconvolution, deconvolution, deconvolutions, top_images
from models.explain.frozen import UnitNetwork
from models.explain.layers import output_of, spatial_layers, upright_views
from models.explain.receptive import crop_box, receptive_fields
from models.explain.unpooling import pool_with_switches, unpool
from tests.models.architectures.small import small_spec, trained_statistics

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


def photographs(network: UnitNetwork, batch: int) -> Tensor:
    spec = network.spec
    generator = torch.Generator().manual_seed(4)
    # bright enough that no reflectance is cut off, where it would have no gradient
    return torch.rand(batch, spec.channels, spec.height, spec.width, generator=generator) * 0.3 + 0.6


def hooks_of(network: nn.Module) -> int:
    return sum(
        len(layer._forward_hooks) + len(layer._forward_pre_hooks) + len(layer._backward_hooks) for layer in network.modules()
    )


def looped(network: UnitNetwork, x: Tensor, layers: list[str], channel: int, place: tuple[int, int]) -> Tensor:
    """Zeiler and Fergus, section 2.1, literally: up through the layers, recording; back down, layer by layer."""
    up = [network.standardise(x)]
    for name in layers:
        up.append(network.bare.get_submodule(name)(up[-1]))
    down = torch.zeros_like(up[-1])
    down[:, channel, place[0], place[1]] = up[-1][:, channel, place[0], place[1]]
    for name, given, taken in zip(reversed(layers), reversed(up[1:]), reversed(up[:-1]), strict=True):
        layer = network.bare.get_submodule(name)
        if isinstance(layer, nn.ReLU):
            down = down.clamp(min=0)
        elif isinstance(layer, nn.MaxPool2d):
            _, switches = pool_with_switches(taken, layer)
            down = unpool(down, switches, taken.shape[2], taken.shape[3])
        elif isinstance(layer, nn.BatchNorm2d):
            assert layer.running_var is not None
            down = down * (layer.weight / (layer.running_var + layer.eps).sqrt()).view(1, -1, 1, 1)
        elif isinstance(layer, nn.Conv2d):
            sizes = zip(taken.shape[2:], down.shape[2:], layer.kernel_size, layer.stride, layer.padding, strict=True)
            left = [int(want) - ((have - 1) * step - 2 * int(pad) + kernel) for want, have, kernel, step, pad in sizes]
            down = F.conv_transpose2d(
                down, layer.weight, None, layer.stride, [int(pad) for pad in layer.padding], left, layer.groups
            )
        elif isinstance(layer, nn.LocalResponseNorm):
            # b_i = a_i / s_i^beta with s_i = k + alpha / n * sum of a_j^2 over the n channels around i: its derivative
            def over_channels(values: Tensor, n: int = layer.size) -> Tensor:
                return F.conv3d(values[:, None], torch.ones(1, 1, n, 1, 1), padding=(n // 2, 0, 0))[:, 0]

            share = layer.alpha / layer.size
            s = layer.k + share * over_channels(taken.square())
            assert torch.allclose(taken / s**layer.beta, given, rtol=1e-5)
            down = down / s**layer.beta - 2 * share * layer.beta * taken * over_channels(down * given / s)
        else:
            raise AssertionError(f"no rule for {name}")
    return down / network.served.std


LENET = ["conv1", "norm1", "relu1", "pool1", "conv2", "norm2", "relu2", "pool2"]
ALEXNET = ["conv1", "relu1", "norm1", "pool1", "conv2", "relu2", "norm2", "pool2", "conv3", "relu3", "conv4", "relu4"]
ALEXNET += ["conv5", "relu5", "pool5"]


@pytest.mark.parametrize(
    ("name", "layers", "last"),
    [
        *(("lenet", LENET, last) for last in ("norm1", "relu1", "conv2", "norm2", "relu2", "pool2")),
        *(("alexnet", ALEXNET, last) for last in ("conv1", "pool1", "conv2", "pool2", "relu4", "conv5", "pool5")),
    ],
)
def test_the_projection_is_that_of_the_paper(name: str, layers: list[str], last: str) -> None:
    network = unit(name)
    x = photographs(network, 2)
    for channel in (0, 21):
        found = deconvolutions(network, x, last, channel)
        for index, one in enumerate(found):
            stack = layers[: layers.index(last) + 1]
            expected = looped(network, x[index : index + 1], stack, channel, one.place)[0]
            scale = float(expected.abs().max())
            assert scale > 0
            torch.testing.assert_close(one.values, expected, rtol=0, atol=1e-5 * scale)


@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("googlenet", "inception3b"),
        ("googlenet", "inception4a.branch2.1.relu"),
        ("resnet34", "layer2.1"),
        ("vgg19", "features.9"),
    ],
)
def test_it_is_captums_of_the_neuron_times_the_activation(name: str, layer: str) -> None:
    network = unit(name)
    x = photographs(network, 2)
    channel = int(output_of(network, x, layer).amax(dim=(2, 3)).amin(0).argmax())  # strong in both
    found = deconvolutions(network, x, layer, channel)
    for index, one in enumerate(found):
        assert one.activation > 0
        captums = NeuronDeconvolution(network, network.bare.get_submodule(layer))
        with pytest.warns(UserWarning, match="hooks|require gradients"):
            ones = captums.attribute(x[index : index + 1], (channel, *one.place))
        expected = ones.detach()[0] * one.activation
        torch.testing.assert_close(one.values, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))


@pytest.mark.parametrize("name", NAMES)
def test_every_layer_of_every_network_can_be_projected(name: str) -> None:
    network = unit(name)
    x = photographs(network, 2)
    names = spatial_layers(network)
    for layer in [*names[:3], *names[3 :: max(1, len(names) // 6)]]:
        with torch.no_grad():
            maps = upright_views(output_of(network, x, layer), 2)[0]
        found = deconvolutions(network, x, layer, 1)
        for index, one in enumerate(found):
            assert one.values.shape == x.shape[1:]
            assert one.values.dtype == torch.float32
            assert torch.isfinite(one.values).all()
            assert one.activation == pytest.approx(float(maps[index, 1].max()), rel=1e-4, abs=1e-6)
            assert one.activation == pytest.approx(float(maps[index, 1][one.place]), rel=1e-4, abs=1e-6)
            assert one.values.any() == (one.activation != 0)
    assert hooks_of(network) == 0
    assert not x.requires_grad


@pytest.mark.parametrize("name", ["lenet", "googlenet", "alexnet"])
def test_nothing_outside_of_the_receptive_field(name: str) -> None:
    network = unit(name)
    x = photographs(network, 2)
    height, width = SIZES[name]
    fields = receptive_fields(network)
    names = [layer for layer in spatial_layers(network) if not fields[layer].whole]
    smaller = 0
    for layer in names[:: max(1, len(names) // 8)]:
        for one in deconvolutions(network, x, layer, 2):
            x0, y0, x1, y1 = crop_box(fields[layer], one.place, height, width)
            outside = torch.ones(height, width, dtype=torch.bool)
            outside[y0:y1, x0:x1] = False
            assert (one.values[:, outside] == 0).all(), (layer, one.place)
            smaller += int(outside.any())
    assert smaller >= 4


def test_one_place_at_a_time() -> None:
    network = unit("lenet")
    x = photographs(network, 1)
    channel = int(output_of(network, x, "relu2")[0].flatten(1).amax(1).argmax())
    strongest = deconvolution(network, x, "relu2", channel)
    same = deconvolution(network, x, "relu2", channel, strongest.place)
    other = deconvolution(network, x, "relu2", channel, (0, 0))
    assert torch.equal(strongest.values, same.values)
    assert other.place == (0, 0)
    assert other.activation < strongest.activation
    alone = deconvolution(network, x, "conv1", 3, (0, 0))  # below 0 where the ReLU is still to come: its own sign is kept
    expected = looped(network, x, ["conv1"], 3, (0, 0))[0]
    torch.testing.assert_close(alone.values, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))


def test_photographs_do_not_see_each_other() -> None:
    network = unit("googlenet")
    x = photographs(network, 3)
    together = deconvolutions(network, x, "inception3a", 200)
    for index in range(3):
        alone = deconvolution(network, x[index : index + 1], "inception3a", 200)
        assert alone.place == together[index].place
        torch.testing.assert_close(alone.values, together[index].values, rtol=0, atol=1e-5 * float(alone.values.abs().max()))


def test_mirrored_views_are_left_out() -> None:
    """Projected from the upright view alone: the measuring part on its own, given the reflectance, is a plain stack."""
    network = deepcopy(unit("rbf"))
    x = photographs(network, 2)
    network.bare.measuring.reflectance = nn.Identity()  # type: ignore[union-attr]
    layers = [f"measuring.stages.{index}" for index in range(7)]
    found = deconvolutions(network, x, layers[-1], 4)
    assert isinstance(found[1], Deconvolution)
    stack = UnitNetwork(nn.ModuleDict({"measuring": network.bare.measuring}), network.spec)  # type: ignore[dict-item]
    for index, one in enumerate(found):
        expected = looped(stack, (x[index : index + 1] - 0.8) / 0.25, layers, 4, one.place)[0] / 0.25
        torch.testing.assert_close(one.values, expected, rtol=0, atol=1e-5 * float(expected.abs().max()))


class Functional(nn.Module):
    """One ReLU is a module, the other a plain function."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.relu, self.conv2 = nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3)
        self.pool = nn.AdaptiveAvgPool2d(1)

    def forward(self, x: Tensor) -> Tensor:
        return self.pool(self.relu(self.conv2(F.relu(self.conv1(x))))).flatten(1)


@pytest.mark.parametrize("network", [Functional(), nn.Sequential(nn.Conv2d(3, 4, 3), nn.Tanh(), nn.Conv2d(4, 4, 3))])
def test_relus_that_are_no_modules_are_refused(network: nn.Module) -> None:
    unit_network = UnitNetwork(network, small_spec("lenet"))
    layer = "conv2" if isinstance(network, Functional) else "2"
    with pytest.raises(UnknownMethod) as caught:
        deconvolution(unit_network, photographs(unit_network, 1), layer, 0)
    assert "saliency" in caught.value.facts["valid"]
    assert not {"deconvolution", "guided_backprop", "guided_grad_cam"} & set(caught.value.facts["valid"])
    assert hooks_of(unit_network) == 0


def test_what_there_is_not() -> None:
    network = unit("lenet")
    x = photographs(network, 1)
    with pytest.raises(InvalidParameter, match="conv1 has 32 channels: 0 to 31"):
        deconvolution(network, x, "conv1", 32)
    with pytest.raises(InvalidParameter, match="rows 0 to 8 and columns 0 to 6"):
        deconvolution(network, x, "pool2", 0, (9, 0))
    with pytest.raises(UnknownLayer):
        deconvolution(network, x, "conv3", 0)
    with pytest.raises(UnknownLayer):
        deconvolution(network, x, "fc1", 0)
    with pytest.raises(ValueError, match="one photograph"):
        deconvolution(network, photographs(network, 2), "conv1", 0)
    with pytest.raises(InvalidParameter, match="0 to 31"):
        top_images(network, [x], "conv1", -1)
    assert hooks_of(network) == 0


def test_top_images_over_batches() -> None:
    network = unit("lenet")
    x = photographs(network, 11)
    x[7] = x[2]
    found = top_images(network, x.split(4), "relu2", 6, top=5)
    with torch.no_grad():
        maps = output_of(network, x, "relu2")[:, 6]
    peaks = maps.flatten(1).amax(1)
    expected = sorted(range(11), key=lambda index: (-round(float(peaks[index]), 4), index))[:5]
    assert [one.index for one in found] == expected
    for one in found:
        assert one.activation == pytest.approx(float(peaks[one.index]), rel=1e-5)
        assert float(maps[one.index][one.place]) == pytest.approx(one.activation, rel=1e-5)
    assert len(top_images(network, x.split(4), "relu2", 6)) == 9
    assert len(top_images(network, [x[:3]], "relu2", 6)) == 3
