"""Filters as they are, and their autocorrelation against closed forms."""

import numpy as np
import pytest
import torch
from torch import nn

from models.architectures import NAMES
from models.errors import UnknownLayer
from models.explain.filters import autocorrelation, convolution_layers, learned_filters, structure, tiles
from models.explain.frozen import UnitNetwork
from tests.models.architectures.small import network_of, small_spec


def unit(name: str) -> UnitNetwork:
    return UnitNetwork(network_of(name), small_spec(name))


def sequence(*layers: nn.Module) -> UnitNetwork:
    return UnitNetwork(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()), small_spec("lenet"))


@pytest.mark.parametrize("name", NAMES)
def test_every_convolution_that_grades_is_listed(name: str) -> None:
    network = unit(name)
    names = convolution_layers(network)
    expected = {"alexnet": 5, "vgg19": 16, "googlenet": 57, "resnet34": 36, "lenet": 2, "deep-mnist": 2, "rbf": 4}
    assert len(names) == expected[name]
    assert not any(layer.startswith("aux") for layer in names)
    for layer in names[:3]:
        assert torch.equal(learned_filters(network, layer), network.bare.state_dict()[f"{layer}.weight"])


def test_alexnets_first_layer_and_its_groups() -> None:
    network = unit("alexnet")
    assert learned_filters(network, "conv1").shape == (96, 3, 11, 11)
    assert learned_filters(network, "conv2").shape == (256, 48, 5, 5)
    assert tiles(learned_filters(network, "conv1")).shape == (10 * 12 + 1, 10 * 12 + 1, 3)


def test_what_is_returned_is_a_copy() -> None:
    network = unit("lenet")
    before = learned_filters(network, "conv1")
    learned_filters(network, "conv1").zero_()
    assert torch.equal(learned_filters(network, "conv1"), before)


def test_a_layer_that_is_no_convolution() -> None:
    with pytest.raises(UnknownLayer) as caught:
        learned_filters(unit("lenet"), "relu1")
    assert caught.value.facts["valid"] == ["conv1", "conv2"]


def test_autocorrelation_of_patterns() -> None:
    y, x = torch.meshgrid(torch.arange(6.0), torch.arange(6.0), indexing="ij")
    checkerboard = ((-1.0) ** (x + y)).expand(2, 3, 6, 6)
    stripes = ((-1.0) ** x).expand(2, 3, 6, 6)
    assert autocorrelation(checkerboard) == pytest.approx(-1)
    assert autocorrelation(stripes) == pytest.approx(0)  # -1 across, 1 along
    assert autocorrelation(stripes[..., :1, :]) == pytest.approx(-1)
    # A ramp -2.5 .. 2.5, down: 35 / 12 mean square, (3.75 + 0.75 - 0.25 + 0.75 + 3.75) / 5 mean product of neighbours
    down = (8.75 / 5) / (35 / 12)
    assert autocorrelation(y.expand(4, 2, 6, 6)) == pytest.approx((1 + down) / 2)
    # whatever the scale, and where 0 lies
    assert autocorrelation(1e-6 * (y + 3).expand(4, 2, 6, 6)) == pytest.approx((1 + down) / 2, abs=1e-6)


def test_filters_without_neighbours_or_without_difference() -> None:
    assert autocorrelation(torch.randn(8, 4, 1, 1)) is None
    assert autocorrelation(torch.full((8, 4, 3, 3), 0.37)) is None
    mixed = torch.full((2, 1, 4, 4), 0.37)
    mixed[0, 0] = (-1.0) ** torch.arange(4.0)
    assert autocorrelation(mixed) == pytest.approx(0)  # the flat filter has no say


@pytest.mark.parametrize("kernel", [(3, 3), (5, 5), (2, 7)])
def test_random_weights_are_at_their_closed_form(kernel: tuple[int, int]) -> None:
    """For exchangeable weights whose mean is removed, the expected product of two over the mean square is -1 / (n - 1)."""
    torch.manual_seed(5)
    network = sequence(nn.Conv2d(3, 64, kernel))
    found = structure(network, "0", draws=16, seed=2)
    assert found is not None
    expected = -1 / (kernel[0] * kernel[1] - 1)
    assert found.random_mean == pytest.approx(expected, abs=5 * found.random_std / 4)
    assert 0 < found.random_std < 0.05
    assert not found.shows_structure  # a layer fresh from its start
    assert found == structure(network, "0", draws=16, seed=2)
    assert found != structure(network, "0", draws=16, seed=3)


def test_smooth_filters_show_structure() -> None:
    convolution = nn.Conv2d(3, 16, 7)
    y, x = torch.meshgrid(torch.arange(7.0), torch.arange(7.0), indexing="ij")
    angles = torch.linspace(0, 3, 16).view(16, 1, 1, 1)
    convolution.weight.data = torch.sin((x * torch.cos(angles) + y * torch.sin(angles)) * 0.9).expand(16, 3, 7, 7).clone()
    found = structure(sequence(convolution), "0")
    assert found is not None
    assert found.trained > 0.5
    assert found.shows_structure
    assert found.deviations > 10


def test_no_structure_of_one_by_one_and_of_one_draw() -> None:
    network = unit("googlenet")
    assert structure(network, "conv2.conv") is None
    with pytest.raises(ValueError, match="at least 2"):
        structure(network, "conv1.conv", draws=1)


def test_colour_tiles_hold_every_weight() -> None:
    filters = torch.randn(7, 3, 4, 5, generator=torch.Generator().manual_seed(1))
    filters[2] = 0
    sheet = tiles(filters, gap_px=2)
    assert sheet.shape == (3 * 6 + 2, 3 * 7 + 2, 3)
    assert sheet.dtype == np.float32
    largest = float(filters.abs().max())
    for index in range(7):
        top, left = 2 + index // 3 * 6, 2 + index % 3 * 7
        tile = sheet[top : top + 4, left : left + 5]
        np.testing.assert_allclose((tile - 0.5) * 2 * largest, filters[index].permute(1, 2, 0).numpy(), atol=1e-6)
    assert (sheet[2:6, 16:21] == 0.5).all()  # the third, all 0
    assert (sheet[:2] == 1).all()
    assert (sheet[14:, 9:] == 1).all()  # no eighth, no ninth


def test_one_scale_for_each_filter() -> None:
    filters = torch.ones(2, 3, 1, 1) * torch.tensor([1.0, -0.01]).view(2, 1, 1, 1)
    np.testing.assert_allclose(tiles(filters, gap_px=0)[0, :, 0], [1.0, 0.495], atol=1e-6)
    np.testing.assert_allclose(tiles(filters, "filter", gap_px=0)[0, :, 0], [1.0, 0.0], atol=1e-6)
    assert (tiles(torch.zeros(2, 3, 1, 1), "filter", gap_px=0) == 0.5).all()


def test_deeper_filters_are_a_row_for_each_with_a_tile_for_each_channel() -> None:
    filters = torch.randn(5, 8, 3, 3, generator=torch.Generator().manual_seed(1))
    sheet = tiles(filters, most_filters=4, most_channels=6)
    assert sheet.shape == (4 * 4 + 1, 6 * 4 + 1, 3)
    tile = sheet[1 + 2 * 4 : 1 + 2 * 4 + 3, 1 + 5 * 4 : 1 + 5 * 4 + 3]
    largest = float(filters[:4, :6].abs().max())
    for colour in range(3):
        np.testing.assert_allclose((tile[..., colour] - 0.5) * 2 * largest, filters[2, 5].numpy(), atol=1e-6)
    with pytest.raises(ValueError, match="no colours"):
        tiles(filters, colour=True)
    assert tiles(filters[:, :3], colour=False).shape == (5 * 4 + 1, 3 * 4 + 1, 3)
