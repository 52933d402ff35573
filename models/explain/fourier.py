"""The discrete Fourier transform as a deep network: a product of sparse layers (Cooley and Tukey 1965).

A matrix that connects every input with every output costs N^2 multiplications. The fast Fourier transform is the same matrix as
log2(N) layers that connect each output with two inputs: what depth and sparse connections save, in the oldest example.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.errors import InvalidParameter

LARGEST: Final = 1024
"""Largest size: ten factors of 16 MiB each."""


@dataclass(frozen=True, slots=True)
class Multiplications:
    """Complex multiplications to transform one vector of N values: one for each entry that is not zero."""

    dense: int
    """N^2: the matrix as it is."""
    factored: int
    """2 N log2(N): its factors, one after the other."""


def fft_factors(size: int) -> tuple[list[NDArray[np.complex128]], NDArray[np.complex128]]:
    """The N x N matrix of the DFT as sparse factors: ([F1, F2, ... of log2(N)], permutation), each (N, N) complex128.

    `F1 @ F2 @ ... @ permutation` is the matrix exp(-2 pi i j k / N), as numpy.fft.fft has it. A vector meets the factors from the
    right: the permutation puts it into bit-reversed order; the last factor combines neighbours, the first one halves. Each
    factor has two entries in each row and column that are not zero, 2 N in all ("butterflies"). Raises InvalidParameter unless
    `size` is a power of two from 2 to LARGEST.
    """
    stages = _stages(size)
    factors = []
    for stage in range(stages):
        block = size >> stage  # radix 2, decimation in time: DFT of `block` from two of half its size
        half = block // 2
        twiddles = np.diag(np.exp(-2j * np.pi * np.arange(half) / block))
        identity = np.eye(half)
        butterfly = np.block([[identity, twiddles], [identity, -twiddles]])
        factors.append(np.kron(np.eye(1 << stage), butterfly).astype(np.complex128))
    return factors, np.eye(size, dtype=np.complex128)[bit_reversed(size)]


def bit_reversed(size: int) -> list[int]:
    """0 to size - 1 in the order of their binary digits read backwards: 8 -> [0, 4, 2, 6, 1, 5, 3, 7]. Raises as above."""
    order = [0]
    for _ in range(_stages(size)):
        order = [2 * index for index in order] + [2 * index + 1 for index in order]
    return order


def multiplications(size: int) -> Multiplications:
    """What one transform costs, dense and factored. Raises InvalidParameter as `fft_factors`."""
    return Multiplications(dense=size * size, factored=2 * size * _stages(size))


def _stages(size: int) -> int:
    if not 2 <= size <= LARGEST or size & (size - 1):
        raise InvalidParameter(f"The size is {size}; it takes a power of two from 2 to {LARGEST}.", least=2, most=LARGEST)
    return size.bit_length() - 1
