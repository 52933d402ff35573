"""DeepDream: the photograph without steps, one step by hand, and what repeats bit for bit."""

from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from models.architectures import build
from models.errors import InvalidParameter
from models.explain.dream import deepdream
from models.explain.frozen import UnitNetwork
from models.explain.layers import outputs
from tests.models.architectures.small import network_of, small_spec, trained_statistics

LAYERS = [("lenet", "relu2"), ("googlenet", "inception4c"), ("alexnet", "pool2")]


@cache
def trained(name: str) -> UnitNetwork:
    torch.manual_seed(7)
    spec = small_spec(name)
    network = build(name, spec=spec)
    trained_statistics(network)
    return UnitNetwork(network, spec)


def photograph(height: int, width: int, channels: int = 3) -> Tensor:
    return torch.rand(1, channels, height, width, generator=torch.Generator().manual_seed(height))


def pixels(x: Tensor) -> np.ndarray:
    return x[0].permute(1, 2, 0).numpy()


@pytest.mark.parametrize(("height", "width"), [(97, 91), (88, 120), (111, 111)])
@pytest.mark.parametrize(("name", "layer"), LAYERS)
def test_without_steps_it_is_the_photograph(name: str, layer: str, height: int, width: int) -> None:
    x = photograph(height, width)
    dream = deepdream(trained(name), x, layer, octaves=4, steps=0, frames=3)
    assert np.abs(dream.image - pixels(x)).max() <= 1e-3
    assert dream.objective == []
    assert len(dream.frames) == 1


@pytest.mark.parametrize(("name", "layer"), LAYERS)
def test_one_step_is_the_recipe(name: str, layer: str) -> None:
    network = trained(name)
    x = photograph(network.spec.height, network.spec.width) * 0.8 + 0.1  # far enough from black and white not to be clipped
    x.requires_grad_()
    with outputs(network, [layer]) as kept:
        network(x)
    (g,) = torch.autograd.grad((kept[layer] ** 2).mean(), x)
    expected = pixels((x + 1.5 / 255 * g / (g.abs().mean() + 1e-7)).detach())
    dream = deepdream(network, x.detach(), layer, octaves=1, steps=1, jitter_px=0)
    np.testing.assert_allclose(dream.image, expected.clip(0, 1), atol=1e-5)
    assert dream.objective == [pytest.approx((kept[layer] ** 2).mean().item(), rel=1e-4)]
    assert np.abs(expected - pixels(x.detach())).mean() * 255 == pytest.approx(1.5, rel=1e-2)


@pytest.mark.parametrize(("name", "layer"), LAYERS)
def test_the_layer_is_driven_up_and_the_same_seed_gives_the_same_bits(name: str, layer: str) -> None:
    network, x, state = trained(name), photograph(113, 95), torch.get_rng_state()
    settings: dict[str, Any] = {"octaves": 3, "steps": 4, "frames": 6}
    first, second = deepdream(network, x, layer, **settings), deepdream(network, x, layer, **settings)
    other = deepdream(network, x, layer, seed=5, **settings)
    assert np.array_equal(first.image, second.image)
    assert first.objective == second.objective
    assert not np.array_equal(first.image, other.image)
    assert torch.equal(torch.get_rng_state(), state)
    assert len(first.objective) == 12
    for octave in range(3):
        assert first.objective[4 * octave + 3] > first.objective[4 * octave]
    assert first.image.shape == (113, 95, 3)
    assert 0 <= first.image.min() <= first.image.max() <= 1
    assert first.frame_steps == [0, 2, 4, 6, 8, 10, 12]
    assert np.abs(first.frames[0] - pixels(x)).max() <= 1e-3
    assert np.array_equal(first.frames[-1], first.image)
    assert not any(module._forward_hooks for module in network.modules())


def test_bytes_and_floats_and_grey() -> None:
    raw = np.random.default_rng(0).integers(0, 256, (40, 51, 3), np.uint8)
    network = trained("lenet")
    from_bytes = deepdream(network, raw, "conv2", steps=2, octaves=2).image
    assert np.array_equal(from_bytes, deepdream(network, (raw / np.float32(255)), "conv2", steps=2, octaves=2).image)
    x = torch.from_numpy(raw / np.float32(255)).permute(2, 0, 1)[None]
    assert np.array_equal(from_bytes, deepdream(network, x, "conv2", steps=2, octaves=2).image)
    grey = UnitNetwork(network_of("deep-mnist"), small_spec("deep-mnist"))
    still = deepdream(grey, raw, "conv2", steps=0).image
    np.testing.assert_allclose(still, np.repeat(raw.mean(axis=2, keepdims=True) / 255, 3, axis=2), atol=1e-3)


def test_a_network_of_one_size_dreams_at_any() -> None:
    rbf = UnitNetwork(network_of("rbf"), small_spec("rbf"))
    dream = deepdream(rbf, photograph(45, 61), "measuring.stages.3", steps=3, octaves=2, jitter_px=0)
    assert dream.image.shape == (45, 61, 3)
    assert dream.objective[2] > dream.objective[0]
    assert dream.objective[5] > dream.objective[3]


def test_tiles_leave_no_photograph_behind() -> None:
    x = photograph(90, 70)
    dream = deepdream(trained("lenet"), x, "conv2", octaves=2, steps=4, tile_px=32)
    assert dream.objective[3] > dream.objective[0]
    changed = np.abs(dream.image - pixels(x)).max(axis=2) > 0
    assert changed.mean() > 0.99


def test_octaves_too_small_for_the_layer_are_refused() -> None:
    with pytest.raises(InvalidParameter, match=r"inception4c needs at least 15x15\. Take fewer octaves"):
        deepdream(trained("googlenet"), photograph(32, 32), "inception4c", octaves=4)
