"""Receptive fields against published values, and against the support of gradients, which nothing here computes."""

from copy import deepcopy
from functools import cache

import pytest
import torch
from torch import Tensor, nn

from models.architectures import NAMES, build
from models.explain.frozen import UnitNetwork
from models.explain.layers import layers_of, output_of, upright_views
from models.explain.receptive import ReceptiveField, crop_box, receptive_fields
from tests.models.architectures.small import network_of, small_spec, trained_statistics

SIZES = {"lenet": (37, 30), "googlenet": (75, 98), "alexnet": (99, 131), "resnet34": (47, 66), "rbf": (40, 33)}
"""Height and width: odd, not square."""


@cache
def unit(name: str) -> UnitNetwork:
    """One for all tests that change nothing about it."""
    height, width = SIZES[name]
    spec = small_spec(name).model_copy(update={"height": height, "width": width})
    torch.manual_seed(1)
    network = build(name, spec=spec)
    trained_statistics(network)
    return UnitNetwork(network, spec)


def widest(network: UnitNetwork) -> UnitNetwork:
    """A copy in which no pixel that could count cancels or goes unselected: positive weights, and means in place of maxima."""
    network = deepcopy(network).double()
    for name, layer in list(network.named_modules()):
        if isinstance(layer, nn.Conv2d):
            layer.weight.data.fill_(1 / layer.weight[0].numel())
            if layer.bias is not None:
                layer.bias.data.zero_()
        elif isinstance(layer, nn.BatchNorm2d | nn.LocalResponseNorm):
            network.set_submodule(name, nn.Identity())
        elif isinstance(layer, nn.MaxPool2d):
            network.set_submodule(name, nn.AvgPool2d(layer.kernel_size, layer.stride, layer.padding, ceil_mode=layer.ceil_mode))
    return network


def support(network: UnitNetwork, x: Tensor, layer: str, place: tuple[int, int]) -> Tensor:
    """(H, W) bool: the pixels that some channel of the layer has a gradient with respect to, at that place."""
    x = x.clone().requires_grad_()
    maps = upright_views(output_of(network, x, layer), len(x))[0]
    (gradient,) = torch.autograd.grad(maps[-1, :, place[0], place[1]].abs().sum(), x)
    assert not gradient[:-1].any()
    return gradient[-1].abs().sum(0) > 0


def box_of(field: ReceptiveField, place: tuple[int, int], height: int, width: int) -> Tensor:
    x0, y0, x1, y1 = crop_box(field, place, height, width)
    box = torch.zeros(height, width, dtype=torch.bool)
    box[y0:y1, x0:x1] = True
    return box


def same_edges(found: Tensor, field: ReceptiveField, place: tuple[int, int]) -> None:
    """The support is a rectangle, all of what the field holds of the input. At the far edges it may be less: the last rows and
    columns of a map are left out where a window has no room for them, and padding is what its place sees instead."""
    height, width = found.shape
    (y0, *_, y1), (x0, *_, x1) = (found.any(1 - axis).nonzero().flatten().tolist() * 2 for axis in (0, 1))
    assert found[y0 : y1 + 1, x0 : x1 + 1].all()
    box, window = crop_box(field, place, height, width), field.window(place)
    assert (x0, y0) == box[:2], place
    if window[2] <= width:
        assert x1 + 1 == window[2], place
    if window[3] <= height:
        assert y1 + 1 == window[3], place


def places(shape: tuple[int, ...]) -> list[tuple[int, int]]:
    return sorted({(0, 0), (shape[1] // 2, shape[2] // 2), (shape[1] - 1, shape[2] - 1)})


@pytest.mark.parametrize("name", ["lenet", "googlenet", "alexnet", "resnet34"])
def test_the_field_is_the_support_of_the_gradient(name: str) -> None:
    network = unit(name)
    height, width = SIZES[name]
    fields, positive = receptive_fields(network), widest(network)
    x = torch.ones(1, 3, height, width, dtype=torch.float64)
    spatial = [layer for layer in layers_of(network) if layer.spatial and layer.name != "avgpool"]
    for layer in [*spatial[:: max(1, len(spatial) // 9)], *spatial[-3:]]:
        assert not fields[layer.name].whole
        for place in places(layer.shape):
            same_edges(support(positive, x, layer.name, place), fields[layer.name], place)


@pytest.mark.parametrize("name", ["lenet", "googlenet", "alexnet"])
def test_no_gradient_of_the_network_itself_leaves_the_field(name: str) -> None:
    network = unit(name)
    height, width = SIZES[name]
    fields = receptive_fields(network)
    x = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(4))
    spatial = [layer for layer in layers_of(network) if layer.spatial and layer.name != "avgpool"]
    for layer in spatial[:: max(1, len(spatial) // 8)]:
        for place in places(layer.shape):
            found = support(network, x, layer.name, place)
            assert found.any()
            assert not (found & ~box_of(fields[layer.name], place, height, width)).any(), (layer.name, place)


@pytest.mark.parametrize(
    ("name", "layer", "size", "stride"),
    [  # Araujo, Norris and Sim 2019, and the arithmetic of the papers' tables
        ("alexnet", "conv5", 163, 16),
        ("alexnet", "pool5", 195, 32),
        ("vgg19", "features.34", 252, 16),
        ("vgg19", "features.36", 268, 32),
        ("resnet34", "layer4", 899, 32),
    ],
)
def test_published_sizes(name: str, layer: str, size: int, stride: int) -> None:
    field = receptive_fields(UnitNetwork(network_of(name), small_spec(name)))[layer]
    assert (field.size_px, field.stride_px, field.side_px) == ((size, size), (stride, stride), size)


@pytest.mark.parametrize("name", NAMES)
def test_every_layer_has_a_field(name: str) -> None:
    network = UnitNetwork(network_of(name), small_spec(name))
    fields = receptive_fields(network)
    layers = layers_of(network)
    assert [layer.name for layer in layers] == list(fields)
    for layer in layers:
        if not layer.spatial:
            assert fields[layer.name].whole
            assert fields[layer.name].window((0, 0)) == (0, 0, network.spec.width, network.spec.height)


def test_mirrored_views_have_the_fields_of_the_upright_one() -> None:
    network = deepcopy(unit("rbf"))
    height, width = SIZES["rbf"]
    fields = receptive_fields(network)
    reflectance = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(4))
    # behind the division by the light, which sees the frame's border and is not counted
    network.bare.measuring.reflectance = nn.Identity()  # type: ignore[union-attr]
    positive = widest(network)
    for layer in ("measuring.stages.0", "measuring.stages.4", "measuring.stages.9"):
        for place in ((0, 0), (3, 2)):
            same_edges(support(positive, reflectance.double() + 1, layer, place), fields[layer], place)


def test_windows_of_any_form() -> None:
    class Branches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tall = nn.Conv2d(3, 4, (5, 2), stride=(2, 1), padding=(1, 0))
            self.same = nn.Conv2d(4, 4, (3, 5), padding="same")
            self.dilated = nn.Conv2d(4, 4, 3, dilation=2, padding=2)
            self.pool = nn.AvgPool2d((1, 3), stride=(1, 2), padding=(0, 1))
            self.shrink = nn.AdaptiveAvgPool2d((4, 5))
            self.uneven = nn.AdaptiveAvgPool2d((3, 3))

        def forward(self, x: Tensor) -> Tensor:
            x = self.tall(x)
            x = torch.cat([self.same(x), self.dilated(x) + x], dim=1)
            x = self.shrink(self.pool(x))
            return self.uneven(x).mean(dim=(2, 3))

    height, width = 26, 40
    spec = small_spec("lenet").model_copy(update={"height": height, "width": width})
    network = UnitNetwork(Branches(), spec)
    fields, positive = receptive_fields(network), widest(network)
    x = torch.ones(1, 3, height, width, dtype=torch.float64)
    for layer in ("tall", "same", "dilated", "pool", "shrink"):
        shape = next(found.shape for found in layers_of(network) if found.name == layer)
        for place in places(shape):
            same_edges(support(positive, x, layer, place), fields[layer], place)
    assert fields["tall"].size_px == (5, 2)
    assert fields["uneven"].whole


def test_adaptive_pooling_that_changes_nothing() -> None:
    fields = receptive_fields(UnitNetwork(network_of("alexnet"), small_spec("alexnet")), 224, 224)
    assert fields["avgpool"] == fields["pool5"]
    assert fields["fc6"] == ReceptiveField((224, 224), (0, 0), (0, 0), whole=True)


def test_boxes_are_cut_at_the_border_and_never_empty() -> None:
    field = ReceptiveField((7, 5), (4, 4), (-3, -2))
    assert field.window((0, 1)) == (2, -3, 7, 4)
    assert crop_box(field, (0, 1), 20, 6) == (2, 0, 6, 4)
    padding = ReceptiveField((1, 1), (1, 1), (-2, -2))
    assert crop_box(padding, (0, 11), 8, 9) == (8, 0, 9, 1)
