"""The factors of the DFT against numpy's fast Fourier transform."""

import numpy as np
import pytest

from models.errors import InvalidParameter
from models.explain.fourier import LARGEST, bit_reversed, fft_factors, multiplications

SIZES = [2, 4, 8, 16, 32, 64]


@pytest.mark.parametrize("size", SIZES)
def test_the_product_of_the_factors_is_the_transform(size: int) -> None:
    factors, permutation = fft_factors(size)
    product = np.linalg.multi_dot([*factors, permutation])
    assert np.abs(product - np.fft.fft(np.eye(size))).max() <= 1e-12


def test_larger_sizes_lose_little() -> None:
    factors, permutation = fft_factors(512)
    signal = np.random.default_rng(0).normal(size=512)
    transformed = permutation @ signal
    for factor in reversed(factors):  # as a vector meets them
        transformed = factor @ transformed
    assert np.abs(transformed - np.fft.fft(signal)).max() <= 1e-11


@pytest.mark.parametrize("size", SIZES)
def test_each_factor_connects_every_output_with_two_inputs(size: int) -> None:
    factors, permutation = fft_factors(size)
    assert len(factors) == np.log2(size)
    for factor in factors:
        assert factor.dtype == np.complex128
        assert np.count_nonzero(factor) == 2 * size
        assert (np.count_nonzero(factor, axis=0) == 2).all()
        assert (np.count_nonzero(factor, axis=1) == 2).all()
    assert ((permutation == 0) | (permutation == 1)).all()
    assert (permutation.sum(axis=0) == 1).all()
    assert multiplications(size).factored == sum(np.count_nonzero(factor) for factor in factors)
    assert multiplications(size).dense == np.count_nonzero(np.abs(np.fft.fft(np.eye(size))) > 0.5)


def test_bits_are_reversed() -> None:
    assert bit_reversed(8) == [0, 4, 2, 6, 1, 5, 3, 7]
    assert bit_reversed(64) == [int(f"{index:06b}"[::-1], 2) for index in range(64)]


@pytest.mark.parametrize("size", [-4, 0, 1, 3, 12, 2 * LARGEST])
def test_other_sizes_are_refused(size: int) -> None:
    with pytest.raises(InvalidParameter, match="power of two from 2 to 1024"):
        fft_factors(size)
    with pytest.raises(InvalidParameter):
        multiplications(size)
