"""Activation maximization: what 20 steps gain beside chance, what each parameter does, and what is refused."""

from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from models.architectures import build
from models.errors import InvalidParameter, UnknownLayer
from models.explain.ascent import Climb, Progress, display
from models.explain.frozen import UnitNetwork
from models.explain.layers import outputs
from models.explain.maximization import GREY, Prior, blurred, maximize, noise, total_variation
from models.explain.sight import Sight
from tests.models.architectures.small import network_of, small_spec, trained_statistics

LAYERS = [("lenet", "relu2"), ("googlenet", "inception4c"), ("alexnet", "pool2")]


@cache
def trained(name: str) -> UnitNetwork:
    torch.manual_seed(7)
    spec = small_spec(name)
    network = build(name, spec=spec)
    trained_statistics(network)
    return UnitNetwork(network, spec)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def start(network: UnitNetwork, seed: int = 0) -> Tensor:
    return noise(network.spec.channels, network.spec.height, network.spec.width, seeded(seed))


@pytest.mark.parametrize(("name", "layer"), LAYERS)
def test_20_steps_gain_more_than_noise_and_chance(name: str, layer: str) -> None:
    network, norms = trained(name), list[float]()
    sight = Sight(network, layer, before_relu=True)

    def value(picture: Tensor) -> float:
        with torch.no_grad():
            return sight(picture)[:, 3].mean().item()

    def naive(gradient: Tensor) -> Tensor:
        step = gradient / (gradient.std(correction=0) + 1e-8)
        norms.append(step.norm().item())
        return step

    climb = Climb(naive, 20, 1.0)
    arrived = climb.run(start(network), lambda x: sight(x)[:, 3].mean(), seeded(), Progress(20, 0), display)
    spread = np.std([value(start(network, seed)) for seed in range(32)])
    gain = value(arrived) - value(start(network))
    assert gain / spread >= 4
    for seed in range(5):
        walk = start(network)
        for norm in norms:
            step = torch.randn(walk.shape, generator=seeded(100 + seed + len(norms)))
            walk = walk + step * (norm / step.norm()) / 255
        assert gain > 2 * abs(value(walk) - value(start(network)))
    # and that is what the method itself does
    ascent = maximize(network, layer, channel=3, jitter_px=0, steps=21)
    assert ascent.objective[0] == pytest.approx(value(start(network)), rel=1e-4, abs=1e-6)
    assert ascent.objective[20] == pytest.approx(value(arrived), rel=1e-3)


@pytest.mark.parametrize(("name", "layer"), LAYERS)
def test_the_same_seed_gives_the_same_bits(name: str, layer: str) -> None:
    network, state = trained(name), torch.get_rng_state()
    settings: dict[str, Any] = {"steps": 3, "octaves": 2, "scale": 1.1, "size": (96, 75), "normalization": "laplacian"}
    first = maximize(network, layer, channel=5, frames=2, **settings)
    second = maximize(network, layer, channel=5, frames=2, **settings)
    other = maximize(network, layer, channel=5, seed=1, **settings)
    assert np.array_equal(first.image, second.image)
    assert first.objective == second.objective
    assert not np.array_equal(first.image, other.image)
    assert torch.equal(torch.get_rng_state(), state)
    assert len(first.objective) == 6
    assert first.image.shape == (96, 75, 3)
    assert first.image.dtype == np.float32
    assert 0 <= first.image.min() <= first.image.max() <= 1
    assert first.frame_steps == [0, 3, 6]
    assert all(frame.shape == first.image.shape for frame in first.frames)
    assert np.array_equal(first.frames[-1], first.image)
    assert not any(module._forward_hooks for module in network.modules())
    assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.parametrize(("name", "layer"), LAYERS)
def test_two_channels_are_the_sum_of_both(name: str, layer: str) -> None:
    def first(**chosen: Any) -> float:
        return maximize(trained(name), layer, steps=1, **chosen).objective[0]

    assert first(channels=(3, 17)) == pytest.approx(first(channel=3) + first(channel=17), rel=1e-5, abs=1e-6)


def test_the_objective_is_the_mean_of_the_named_map() -> None:
    network = trained("lenet")
    with torch.no_grad(), outputs(network, ["conv2", "fc2"]) as kept:
        network(start(network))
    for layer, expected in (("conv2", kept["conv2"][0, 9].mean()), ("fc2", kept["fc2"][0, 8])):
        chosen = 9 if layer == "conv2" else 8
        ascent = maximize(network, layer, channel=chosen, steps=12, jitter_px=0)
        assert ascent.objective[0] == pytest.approx(expected.item(), rel=1e-4, abs=1e-6)
        assert ascent.objective[-1] > ascent.objective[0]


def test_a_step_follows_the_slope() -> None:
    network = trained("lenet")
    sight, x = Sight(network, "norm2"), torch.rand(1, 3, 32, 32, generator=seeded(3))
    (gradient,) = torch.autograd.grad(sight(x.requires_grad_())[:, 4].mean(), x)
    way = gradient / gradient.norm()
    with torch.no_grad():
        ahead, behind = (sight(x + offset * way)[:, 4].double().mean() for offset in (0.01, -0.01))
    assert ((ahead - behind) / 0.02).item() == pytest.approx(gradient.norm().item(), rel=0.01)


def test_a_neuron_changes_its_receptive_field_only() -> None:
    network = trained("lenet")
    ascent = maximize(network, "relu1", channel=2, neuron=(10, 20), steps=5, frames=1)
    field = np.zeros((32, 32), bool)
    field[8:13, 18:23] = True  # 5x5 around the place
    before, after = start(network)[0].permute(1, 2, 0).numpy(), ascent.image
    # `display` scales and shifts the whole picture: what was not touched is the noise it began as
    slope, offset = np.polyfit(before[~field].ravel(), after[~field].ravel(), 1)
    np.testing.assert_allclose(after[~field], slope * before[~field] + offset, atol=1e-4)
    assert np.abs(after[field] - (slope * before[field] + offset)).max() > 0.1
    larger = maximize(network, "relu1", channel=2, neuron=(63, 0), steps=5, octaves=3, size=(64, 64), tile_px=32)
    assert np.abs(larger.image[32:, :32] - 0.5).max() > 3 * np.abs(larger.image[:32, 32:] - larger.image[:32, 32:].mean()).max()


@pytest.mark.parametrize("normalization", ["none", "gradient", "laplacian"])
@pytest.mark.parametrize(("name", "layer"), LAYERS)
def test_every_normalization_climbs(name: str, layer: str, normalization: Any) -> None:
    ascent = maximize(trained(name), layer, channel=1, normalization=normalization, steps=8, jitter_px=0)
    assert ascent.objective[-1] > ascent.objective[0]


def test_without_normalization_the_first_step_is_as_long_and_the_rest_as_the_gradient_is() -> None:
    lengths: dict[str, list[float]] = {}
    for normalization in ("none", "gradient"):
        curve = maximize(trained("lenet"), "conv1", steps=4, jitter_px=0, normalization=normalization).objective
        lengths[normalization] = list(np.diff(curve))
    # conv1 is linear, so its gradient never changes, and both are the same
    assert lengths["none"] == pytest.approx(lengths["gradient"], rel=1e-3)
    deep = {n: maximize(trained("lenet"), "conv2", steps=4, jitter_px=0, normalization=n).objective for n in ("none", "gradient")}
    assert deep["none"][:2] == pytest.approx(deep["gradient"][:2], rel=1e-4)
    assert deep["none"][3] != pytest.approx(deep["gradient"][3], rel=1e-4)


def roughness(picture: Tensor) -> float:
    return total_variation(picture).item()


def contrast(picture: Tensor) -> float:
    return (picture - GREY).square().mean().item()


@pytest.mark.parametrize(
    ("prior", "measure"),
    [({"decay": 0.1}, contrast), ({"variation": 0.5}, roughness), ({"blur_px": 0.7}, roughness)],
    ids=["decay", "variation", "blur"],
)
@pytest.mark.parametrize(("name", "layer"), LAYERS[:2])
def test_a_prior_does_what_it_says(name: str, layer: str, prior: dict[str, float], measure: Callable[[Tensor], float]) -> None:
    network = trained(name)
    sight = Sight(network, layer, before_relu=True)

    def climbed(**chosen: float) -> Tensor:
        settings = {"decay": 0.0, "variation": 0.0, "blur_px": 0.0, "step": 1.0} | chosen
        climb = Climb(lambda g: g / (g.std() + 1e-8), 15, 1.0, prior=Prior(**settings))
        return climb.run(start(network), lambda x: sight(x)[:, 3].mean(), seeded(), Progress(15, 0), display)

    assert measure(climbed(**prior)) < 0.8 * measure(climbed())
    plain = maximize(network, layer, channel=3, steps=5).image
    assert not np.array_equal(maximize(network, layer, channel=3, steps=5, **prior).image, plain)  # type: ignore[arg-type]


def test_total_variation_is_its_definition() -> None:
    x = torch.rand(1, 2, 6, 9, generator=seeded(5), dtype=torch.float64)
    total = 0.0
    for c in range(2):
        for i in range(6):
            for j in range(9):
                down = float(x[0, c, i + 1, j] - x[0, c, i, j]) if i < 5 else 0.0
                across = float(x[0, c, i, j + 1] - x[0, c, i, j]) if j < 8 else 0.0
                total += (down**2 + across**2) ** 0.5
    assert total_variation(x).item() == pytest.approx(total, rel=1e-12)


def test_variation_alone_smooths_without_overshooting() -> None:
    x, prior = torch.rand(1, 3, 24, 24, generator=seeded(6)), Prior(0.0, 1.0, 0.0, 2.0)
    values = [roughness(x)]
    for _ in range(100):
        x = prior(x)
        values.append(roughness(x))
    assert all(later < earlier for earlier, later in pairwise(values))


@pytest.mark.parametrize("sigma", [0.4, 1.0, 4.0])
def test_blur_is_scipys(sigma: float) -> None:
    x = torch.rand(1, 3, 11, 20, generator=seeded(8), dtype=torch.float64)
    expected = gaussian_filter(x[0].numpy(), (0, sigma, sigma), mode="nearest", radius=int(np.ceil(3 * sigma)))
    np.testing.assert_allclose(blurred(x, sigma)[0].numpy(), expected, atol=1e-12)


def test_noise_is_around_100_of_255() -> None:
    x = noise(3, 50, 60, seeded()) * 255
    assert x.shape == (1, 3, 50, 60)
    assert 100 <= x.min().item() < 100.1
    assert 100.9 < x.max().item() <= 101.001


def test_networks_of_one_size_grey_ones_and_tiles() -> None:
    rbf = UnitNetwork(network_of("rbf"), small_spec("rbf"))
    ascent = maximize(rbf, "measuring.stages.3", channel=2, steps=10, octaves=2, size=(40, 50), jitter_px=0)
    assert ascent.image.shape == (40, 50, 3)
    assert ascent.objective[9] > ascent.objective[0]
    with torch.no_grad(), outputs(rbf, ["measuring.stages.3"]) as kept:
        rbf(start(rbf))
    expected = kept["measuring.stages.3"][0, 2].mean().item()  # the first of four views: the picture as it is
    assert maximize(rbf, "measuring.stages.3", channel=2, steps=1, jitter_px=0).objective[0] == pytest.approx(expected, abs=1e-5)
    grey = UnitNetwork(network_of("deep-mnist"), small_spec("deep-mnist"))
    image = maximize(grey, "relu2", steps=3).image
    assert image.shape == (28, 28, 3)
    assert (image[..., :1] == image).all()
    tiled = maximize(trained("lenet"), "conv2", steps=10, size=(70, 90), tile_px=40)
    assert tiled.objective[-1] > tiled.objective[0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"channel": 64}, "relu2 has the channels 0 to 63; 64 was"),
        ({"channel": -1}, "0 to 63"),
        ({"channels": (3, 99)}, "0 to 63; 99"),
        ({"channels": ()}, "0 to 63; none"),
        ({"neuron": (16, 0)}, "16 rows and 16 columns"),
        ({"neuron": (0, -1)}, "16 rows and 16 columns"),
        ({"normalization": "softly"}, "none, gradient, laplacian"),
        ({"octaves": 0}, "1 octave or more"),
        ({"size": (1, 1)}, "at least 2x2"),
    ],
)
def test_what_cannot_be_is_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidParameter, match=message):
        maximize(trained("lenet"), "relu2", **settings)


def test_vectors_have_channels_and_no_places() -> None:
    with pytest.raises(InvalidParameter, match="gives no maps"):
        maximize(trained("lenet"), "fc2", neuron=(0, 0))
    with pytest.raises(UnknownLayer, match="relu2"):
        maximize(trained("lenet"), "conv7")
