"""The Laplacian pyramid against scipy's convolution, its transpose against the definition of one, and what must come back."""

import numpy as np
import pytest
import torch
from scipy.signal import convolve2d

from models.explain import laplacian

SIZES = [(32, 32), (31, 47), (33, 20), (224, 224), (1, 5), (97, 64)]


def picture(height: int, width: int, batch: int = 2) -> torch.Tensor:
    return torch.rand(batch, 3, height, width, dtype=torch.float64, generator=torch.Generator().manual_seed(height)) * 255


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_down_is_tensorflows_same_convolution(height: int, width: int) -> None:
    row = np.array([1, 4, 6, 4, 1]) / 16
    x = picture(height, width)
    low = laplacian.down(x).numpy()
    # of the full convolution, 'same' with stride 2 keeps every other value, from 4 less the zeros put before
    rows, columns = (4 - (1 if side % 2 == 0 else 2) for side in (height, width))
    for b in range(2):
        for c in range(3):
            full = convolve2d(x[b, c].numpy(), np.outer(row, row))
            kept = full[rows::2, columns::2][: -(-height // 2), : -(-width // 2)]
            np.testing.assert_allclose(low[b, c], kept, atol=1e-10)


def test_padding_of_even_sizes_is_asymmetric() -> None:
    assert laplacian.same_padding(224) == (1, 2)
    assert laplacian.same_padding(31) == (2, 2)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_up_is_four_times_the_transpose_of_down(height: int, width: int) -> None:
    x = picture(height, width)
    y = torch.rand_like(laplacian.down(x))
    up = laplacian.up(y, height, width)
    assert up.shape == x.shape
    # <down(x), y> == <x, transpose(y)> for every x and y is what a transpose is
    assert (laplacian.down(x) * y).sum().item() == pytest.approx((x * up).sum().item() / 4, rel=1e-12)


def test_grey_stays_grey_away_from_the_border() -> None:
    low = laplacian.down(torch.full((1, 1, 64, 64), 7.0, dtype=torch.float64))
    torch.testing.assert_close(low[:, :, 2:-2, 2:-2], torch.full((1, 1, 28, 28), 7.0, dtype=torch.float64))
    up = laplacian.up(torch.full((1, 1, 32, 32), 7.0, dtype=torch.float64), 64, 64)
    torch.testing.assert_close(up[:, :, 4:-4, 4:-4], torch.full((1, 1, 56, 56), 7.0, dtype=torch.float64))


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_merged_levels_are_the_picture(height: int, width: int) -> None:
    x = picture(height, width).float()
    levels = laplacian.split(x)
    assert len(levels) == laplacian.LEVELS + 1
    assert levels[1].shape[2:] == (-(-height // 2), -(-width // 2))
    assert (laplacian.merge(levels) - x).abs().max().item() <= 1e-4


@pytest.mark.parametrize(("height", "width"), [(64, 64), (31, 47)])
@pytest.mark.parametrize("scale", [1e-5, 3.0, 1e6])
def test_normalization_ignores_scale(height: int, width: int, scale: float) -> None:
    x = picture(height, width) - 100
    assert (laplacian.normalize(scale * x) - laplacian.normalize(x)).abs().max().item() <= 1e-10


def test_every_level_of_every_picture_counts_alike() -> None:
    x = picture(64, 48) - 100
    x[1] *= 1e4  # one picture of a batch says nothing about another
    levels = [level.numpy() for level in laplacian.split(x)]
    scaled = [torch.from_numpy(level / np.sqrt((level**2).mean(axis=(1, 2, 3), keepdims=True))) for level in levels]
    torch.testing.assert_close(laplacian.normalize(x), laplacian.merge(scaled), rtol=1e-10, atol=1e-10)


def test_nothing_stays_nothing() -> None:
    assert not laplacian.normalize(torch.zeros(1, 3, 40, 40)).any()
