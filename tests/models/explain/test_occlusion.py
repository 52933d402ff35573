"""Occlusion against sums over windows taken one by one, and planted defects."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from models.architectures import build, default_spec
from models.errors import InvalidParameter
from models.explain.frozen import UnitNetwork
from models.explain.occlusion import MOST_WINDOWS, covering, occlusion, windows_of
from models.preprocess import PreprocessSpec
from tests.models.architectures.small import network_of, small_spec, trained_statistics
from tests.models.explain.planted import planted, share_inside, trained

PLAIN = PreprocessSpec(width=8, height=8, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))


class Linear(nn.Module):
    """Any size: one weight for each pixel and logit."""

    def __init__(self, height: int, width: int, channels: int = 3) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(4, channels, height, width, generator=torch.Generator().manual_seed(1)))

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("bchw,kchw->bk", x, self.weight)


def one_by_one(network: UnitNetwork, x: Tensor, target: int, window: tuple[int, int], stride: int, fill: Tensor) -> Tensor:
    """(H, W) for one photograph (C, H, W), window after window."""
    _, height, width = x.shape
    drops, counts = torch.zeros(height, width, dtype=torch.float64), torch.zeros(height, width)
    rows = range(0, height - window[0] + stride, stride) if height > window[0] else [0]
    columns = range(0, width - window[1] + stride, stride) if width > window[1] else [0]
    with torch.no_grad():
        before = network(x[None])[0, target]
        for y in rows:
            for column in columns:
                place = (slice(y, y + window[0]), slice(column, column + window[1]))
                covered = x.clone()
                covered[(slice(None), *place)] = fill[(slice(None), *place)]
                drops[place] += (before - network(covered[None])[0, target]).double()
                counts[place] += 1
    return (drops / counts).float()


@pytest.mark.parametrize(
    ("height", "width", "window", "stride"),
    [(7, 9, 3, 1), (8, 13, 3, 2), (11, 6, 4, 3), (5, 12, 8, 5), (6, 6, 2, 2)],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_linear_model_loses_the_sums_of_its_windows(height: int, width: int, window: int, stride: int, channels: int) -> None:
    network = UnitNetwork(Linear(height, width, channels), PLAIN.model_copy(update={"channels": channels}))
    generator = torch.Generator().manual_seed(2)
    x, fill = (torch.rand(n, channels, height, width, generator=generator) for n in (2, 1))
    targets = torch.tensor([2, 0])
    found = occlusion(network, x, targets, window, stride, fill)
    sides = min(window, height), min(window, width)
    for at, target in enumerate(targets.tolist()):
        lost = (network.bare.get_parameter("weight")[target] * (x[at] - fill[0])).sum(dim=0)  # by pixel
        total, counts = torch.zeros(height, width), torch.zeros(height, width)
        for y in range(windows_of(height, sides[0], stride)):
            for column in range(windows_of(width, sides[1], stride)):
                step_y, step_x = min(stride, sides[0]), min(stride, sides[1])
                place = (slice(y * step_y, y * step_y + sides[0]), slice(column * step_x, column * step_x + sides[1]))
                total[place] += lost[place].sum()
                counts[place] += 1
        assert counts.min() > 0
        torch.testing.assert_close(found[at], total / counts, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("name", "height", "width"), [("lenet", 21, 34), ("googlenet", 33, 47)])
def test_networks_against_one_window_after_another(name: str, height: int, width: int) -> None:
    torch.manual_seed(6)
    spec = default_spec(name).model_copy(update={"width": width, "height": height})
    bare = build(name, 9, spec).eval()
    trained_statistics(bare)
    network, x = UnitNetwork(bare, spec), torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(3))
    fill = covering(x, "belt")
    found = occlusion(network, x, 4, 15, 9, fill)
    assert found.shape == (2, height, width)
    for at in range(2):
        due = one_by_one(network, x[at], 4, (15, 15), 9, fill[at])
        torch.testing.assert_close(found[at] / due.abs().max(), due / due.abs().max(), atol=1e-4, rtol=0)


@pytest.mark.parametrize(("height", "width", "window", "stride"), [(32, 48, 8, 2), (21, 34, 5, 1), (8, 8, 2, 1)])
def test_window_and_stride_by_default(height: int, width: int, window: int, stride: int) -> None:
    network = UnitNetwork(Linear(height, width), PLAIN)
    x = torch.rand(1, 3, height, width)
    fill = covering(x, "black")
    assert torch.equal(occlusion(network, x, 1, 0, 0, fill), occlusion(network, x, 1, window, stride, fill))


@pytest.mark.parametrize("name", ["alexnet", "deep-mnist", "rbf", "resnet34"])
def test_every_network_the_same_bits_each_time(name: str) -> None:
    spec = small_spec(name)
    network = UnitNetwork(network_of(name), spec)
    x = torch.rand(2, spec.channels, spec.height, spec.width, generator=torch.Generator().manual_seed(1))
    pixels = x.clone()
    first = occlusion(network, x, 1, 16, 12, covering(x, "grey"))
    assert first.shape == (2, spec.height, spec.width)
    assert torch.equal(occlusion(network, x, 1, 16, 12, covering(x, "grey")), first)
    assert torch.equal(x, pixels)
    assert all(not module._forward_hooks for module in network.modules())


def test_settings_that_cannot_be() -> None:
    network = UnitNetwork(Linear(80, 90), PLAIN)
    x = torch.rand(1, 3, 80, 90)
    with pytest.raises(InvalidParameter, match="at most 4"):
        occlusion(network, x, 1, 4, 5, x)
    with pytest.raises(InvalidParameter, match="greater stride_px") as error:
        occlusion(network, x, 1, 4, 1, x)
    assert error.value.facts["windows"] == 77 * 87 > MOST_WINDOWS
    for target in (4, -1):
        with pytest.raises(InvalidParameter, match="logits 0 to 3"):
            occlusion(network, x, target, 0, 0, x)


class TestCovering:
    def test_the_belt_is_the_colour_that_letterboxed_photographs_are_padded_with(self) -> None:
        photograph = np.random.default_rng(4).integers(0, 256, (17, 40, 3)).astype(np.uint8)
        spec = PreprocessSpec(width=40, height=33)
        padded = spec.from_pixels(photograph)[0, 0]
        x = UnitNetwork(Linear(17, 40), spec).unit(photograph[None])
        belt = covering(x, "belt")
        assert belt.shape == x.shape
        assert torch.equal(belt, torch.from_numpy(padded).float().div(255).view(1, 3, 1, 1).expand_as(x))

    def test_each_photograph_has_its_own_belt(self) -> None:
        x = torch.stack([torch.full((1, 5, 7), 0.2), torch.full((1, 5, 7), 0.7)])
        x[:, :, 1:-1, 1:-1] = 1.0
        assert torch.equal(covering(x, "belt"), torch.tensor([0.2, 0.7]).view(2, 1, 1, 1).expand_as(x))

    @pytest.mark.parametrize(("name", "value"), [("black", 0.0), ("grey", 0.5), ("white", 1.0)])
    def test_plain_ones(self, name: str, value: float) -> None:
        x = torch.rand(2, 3, 5, 7)
        assert torch.equal(covering(x, name), torch.full((2, 3, 5, 7), value))

    def test_an_unknown_one_names_the_others(self) -> None:
        with pytest.raises(InvalidParameter, match="belt, black, grey, white"):
            covering(torch.rand(1, 3, 5, 7), "mint")


@pytest.mark.parametrize("name", ["lenet", "small-googlenet"])
def test_the_peak_is_on_the_planted_defect(name: str) -> None:
    network = trained(name)
    fruit = planted(60, seed=3).only_spotted()
    maps = occlusion(network, fruit.x, fruit.grades, 5, 2, covering(fruit.x, "belt"))
    assert share_inside(maps, fruit.boxes, dilation_px=3) >= 0.9
    anywhere = torch.rand(maps.shape, generator=torch.Generator().manual_seed(0))
    assert share_inside(anywhere, fruit.boxes, dilation_px=3) < 0.4  # the test can fail
