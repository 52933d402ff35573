"""The parts that tell fruit from light, against OpenCV and against scenes whose light is known."""

import cv2
import numpy as np
import pytest
import torch

from models.architectures.measuring import MEASURES, LightDescriptor, MeasuringNetwork, Reflectance


def lit(height: int, width: int, slope: tuple[float, float], bow: float) -> torch.Tensor:
    """1 x 3 x H x W: a quadratic surface of light of another strength in each colour."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    light = 0.6 + slope[0] * x + slope[1] * y + bow * x * y - bow * y * y
    return torch.stack([0.8 * light, light, 1.1 * light])[None]


@pytest.mark.parametrize(("height", "width"), [(32, 32), (24, 56), (33, 47)])
def test_a_bare_belt_reflects_all_whatever_the_light(height: int, width: int) -> None:
    for light in (lit(height, width, (0, 0), 0), lit(height, width, (0.2, -0.1), 0.1)):
        torch.testing.assert_close(Reflectance(height, width)(light), torch.ones_like(light), atol=1e-4, rtol=0)


def test_a_fruit_looks_the_same_in_any_light() -> None:
    albedo = torch.ones(1, 3, 32, 32)
    albedo[:, :, 12:18, 5:27] = torch.tensor([0.2, 0.35, 0.15]).view(1, 3, 1, 1)
    seen = [Reflectance(32, 32)(albedo * lit(32, 32, slope, bow)) for slope, bow in (((0, 0), 0), ((0.25, 0.2), -0.1))]
    torch.testing.assert_close(seen[0], albedo, atol=1e-4, rtol=0)
    torch.testing.assert_close(seen[1], albedo, atol=1e-4, rtol=0)


def test_darkness_and_glints_stay_finite() -> None:
    reflectance = Reflectance(16, 16)
    assert reflectance(torch.zeros(2, 3, 16, 16)).abs().max() == 0
    dark = torch.zeros(1, 1, 16, 16)
    dark[:, :, 8, 8] = 1
    assert reflectance(dark).max() == 1.5


@pytest.mark.parametrize(("height", "width"), [(32, 32), (40, 31), (9, 8)])
def test_the_light_descriptor_is_an_area_average(height: int, width: int) -> None:
    rng = np.random.default_rng(2)
    pixels = rng.random((height, width, 3), np.float32)
    describe = LightDescriptor(height, width)
    found = describe(torch.from_numpy(pixels).permute(2, 0, 1)[None]).view(3, 3, 6).permute(1, 2, 0).numpy()
    top = cv2.resize(pixels[: describe.top].mean(0, keepdims=True), (6, 1), interpolation=cv2.INTER_AREA)
    bottom = cv2.resize(pixels[-describe.bottom :], (6, 2), interpolation=cv2.INTER_AREA)
    np.testing.assert_allclose(found, np.concatenate([top, bottom]), atol=1e-5)


def test_the_light_descriptor_sees_nothing_of_the_middle() -> None:
    photograph = torch.rand(1, 3, 32, 32)
    describe = LightDescriptor(32, 32)
    before = describe(photograph)
    photograph[:, :, 5:24] = 0
    assert torch.equal(describe(photograph), before)


def test_mirror_images_measure_the_same() -> None:
    torch.manual_seed(3)
    network = MeasuringNetwork(3, 24, 40).eval()
    network.mean.copy_(torch.tensor([25.0, 5.0, 0.1, 110.0]))
    photographs = torch.rand(3, 3, 24, 40)
    with torch.no_grad():
        measures = network(photographs)
        assert measures.shape == (3, len(MEASURES))
        # the light is fitted to other pixels when top and bottom change places: left and right alone are exact
        torch.testing.assert_close(network(photographs.flip(3)), measures, atol=1e-4, rtol=1e-5)
        assert (network(photographs.roll(7, dims=3)) - measures).abs().max() > 1e-3
