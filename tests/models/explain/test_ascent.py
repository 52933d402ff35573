"""Gradients whole and in tiles, jitter, sizes of octaves, frames, and how pictures are shown."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from models.errors import InvalidParameter
from models.explain.ascent import (
    Climb,
    Progress,
    as_image,
    display,
    gradient_of,
    octave_sizes,
    random_shift,
    resized,
    smallest_tile,
    tiled_gradient,
)

WEIGHT = torch.randn(8, 3, 5, 5, generator=torch.Generator().manual_seed(1))


def picture(height: int, width: int, channels: int = 3) -> Tensor:
    return torch.rand(1, channels, height, width, generator=torch.Generator().manual_seed(2))


def energy(x: Tensor) -> Tensor:
    """A convolution of 5x5 and a square: the gradient of a pixel depends on pixels up to 4 away."""
    return F.conv2d(x, WEIGHT, padding=2).square().mean()


def test_a_gradient_agrees_with_finite_differences() -> None:
    x = picture(9, 12).double()
    squared: Callable[[Tensor], Tensor] = lambda x: F.conv2d(x, WEIGHT.double(), padding=2).square().mean()  # noqa: E731
    value, gradient = gradient_of(squared, x)
    assert value == squared(x).item()
    way = torch.randn(x.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    difference = (squared(x + 1e-4 * way) - squared(x - 1e-4 * way)).item() / 2e-4
    assert difference == pytest.approx((gradient * way).sum().item(), rel=1e-8)


@pytest.mark.parametrize(("height", "width", "tile_px"), [(64, 64, 32), (65, 70, 32), (40, 21, 24)])
def test_tiles_change_a_gradient_at_their_seams_only(height: int, width: int, tile_px: int) -> None:
    x = picture(height, width)
    _, whole = gradient_of(energy, x)
    _, tiled = tiled_gradient(energy, x, tile_px)
    far = torch.ones(height, width, dtype=torch.bool)
    for seam in [height * i // -(-height // tile_px) for i in range(1, -(-height // tile_px))]:
        far[seam - 4 : seam + 4] = False
    for seam in [width * i // -(-width // tile_px) for i in range(1, -(-width // tile_px))]:
        far[:, seam - 4 : seam + 4] = False
    assert far.any()
    torch.testing.assert_close(tiled[:, :, far], whole[:, :, far], rtol=1e-4, atol=1e-8)
    assert (tiled - whole)[:, :, ~far].abs().max() > 1e-4 * whole.abs().max()


def test_seams_follow_the_shift() -> None:
    x = picture(40, 50)
    value, shifted = tiled_gradient(energy, x, 32, (5, -7))
    rolled_value, rolled = tiled_gradient(energy, torch.roll(x, (5, -7), (2, 3)), 32)
    assert value == rolled_value
    assert torch.equal(shifted, torch.roll(rolled, (-5, 7), (2, 3)))


def test_one_tile_is_one_pass() -> None:
    x = picture(32, 20)
    value, whole = gradient_of(energy, x)
    tiled_value, tiled = tiled_gradient(energy, x, 32, (9, 9))
    assert value == tiled_value
    assert torch.equal(whole, tiled)


def test_tiles_are_as_equal_as_can_be() -> None:
    assert smallest_tile(65, 100, 64) == (32, 50)
    assert smallest_tile(10, 12, 64) == (10, 12)


def test_jitter_is_taken_back() -> None:
    # An objective of a place: without the way back, the change would be where the shifted picture had it.
    def corner(x: Tensor) -> Tensor:
        return (x * marked).sum()

    marked = torch.zeros(1, 1, 12, 12)
    marked[..., :6, :6] = 1
    start = torch.zeros(1, 1, 12, 12)
    generator = torch.Generator().manual_seed(4)
    climbed = Climb(lambda g: g, 3, 255.0, jitter_px=2).run(start, corner, generator, Progress(3, 0), as_image)
    generator = torch.Generator().manual_seed(4)
    expected = torch.zeros_like(start)
    for _ in range(3):
        down, right = random_shift(2, generator)
        expected += torch.roll(marked, (-down, -right), (2, 3))
    assert torch.equal(climbed, expected)
    assert len({(down, right) for down, right in (random_shift(2, generator) for _ in range(200))}) == 25


def test_octaves_lead_up_to_the_size() -> None:
    assert octave_sizes(224, 100, 4, 1.4) == [(82, 36), (114, 51), (160, 71), (224, 100)]
    assert octave_sizes(33, 47, 1, 1.4) == [(33, 47)]
    with pytest.raises(InvalidParameter):
        octave_sizes(32, 32, 0, 1.4)
    with pytest.raises(InvalidParameter):
        octave_sizes(32, 32, 2, 1.0)


@pytest.mark.parametrize(
    ("total", "wanted", "kept"), [(8, 4, [0, 2, 4, 6, 8]), (3, 10, [0, 1, 2, 3]), (0, 2, [0]), (7, 1, [0, 7]), (5, 0, [])]
)
def test_frames_are_evenly_spaced_and_the_last(total: int, wanted: int, kept: list[int]) -> None:
    progress = Progress(total, wanted)
    climb = Climb(torch.ones_like, total, 1.0)
    last = climb.run(torch.zeros(1, 3, 4, 4), lambda x: x.sum(), torch.Generator(), progress, as_image)
    ascent = progress.finish(as_image(last))
    assert ascent.frame_steps == kept
    assert [round(float(frame.mean()) * 255) for frame in ascent.frames] == kept
    assert ascent.objective == pytest.approx([48 * step / 255 for step in range(total)], rel=1e-5)


def test_display_is_the_lectures() -> None:
    x = picture(20, 31) * 0.02
    a = x[0].permute(1, 2, 0).numpy() * 255  # the notebook's own lines, on its scale
    expected = (a - a.mean()) / max(a.std(), 1e-4) * 0.1 + 0.5
    assert display(x).dtype == np.float32
    np.testing.assert_allclose(display(x), np.clip(expected, 0, 1), atol=1e-5)
    np.testing.assert_allclose(display(torch.full((1, 1, 4, 4), 0.25)), 0.5)


def test_images_are_clipped_and_grey_is_shown_in_three_channels() -> None:
    shown = as_image(torch.tensor([[[[-1.0, 0.25], [0.5, 2.0]]]]))
    assert shown.shape == (2, 2, 3)
    assert shown[..., 0].tolist() == [[0, 0.25], [0.5, 1]]
    assert (shown[..., :1] == shown).all()


def test_resizing_to_the_own_size_changes_nothing() -> None:
    x = picture(9, 7)
    assert resized(x, (9, 7)) is x
    assert resized(x, (18, 5)).shape == (1, 3, 18, 5)
