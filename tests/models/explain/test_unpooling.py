"""Unpooling along switches, against autograd and pooling itself."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from models.explain.unpooling import pool_with_switches, unpool

APART = [nn.MaxPool2d(2), nn.MaxPool2d(3, 3), nn.MaxPool2d(2, 3), nn.MaxPool2d(2, 2, 1), nn.MaxPool2d(2, ceil_mode=True)]
OVERLAPPING = [
    nn.MaxPool2d(3, 2),
    nn.MaxPool2d(3, 2, ceil_mode=True),
    nn.MaxPool2d(3, 2, 1),
    nn.MaxPool2d(3, 1, 1),
    nn.MaxPool2d((3, 2), (1, 2), dilation=(2, 1)),
]


@pytest.mark.parametrize("pool", APART, ids=str)
def test_pooling_undoes_unpooling_where_windows_do_not_overlap(pool: nn.MaxPool2d) -> None:
    x = torch.randn(3, 4, 13, 18, generator=torch.Generator().manual_seed(1))
    pooled, switches = pool_with_switches(x, pool)
    assert torch.equal(pooled, pool(x))
    p = torch.rand(pooled.shape, generator=torch.Generator().manual_seed(2))
    p[0, 0] = 0
    assert torch.equal(pool(unpool(p, switches, 13, 18)), p)


@pytest.mark.parametrize("pool", [*APART, *OVERLAPPING], ids=str)
def test_unpooling_is_the_transpose_of_pooling(pool: nn.MaxPool2d) -> None:
    x = torch.randn(2, 3, 13, 18, generator=torch.Generator().manual_seed(1)).requires_grad_()
    pooled, switches = pool_with_switches(x, pool)
    values = torch.randn(pooled.shape, generator=torch.Generator().manual_seed(2))
    (gradient,) = torch.autograd.grad(pooled, x, values)
    torch.testing.assert_close(unpool(values, switches, 13, 18), gradient, rtol=0, atol=1e-6)


@pytest.mark.parametrize("pool", OVERLAPPING[:4], ids=str)
def test_max_unpool_loses_what_overlaps(pool: nn.MaxPool2d) -> None:
    x = torch.randn(2, 3, 13, 18, generator=torch.Generator().manual_seed(1))
    pooled, switches = pool_with_switches(x, pool)
    values = torch.ones_like(pooled)
    kept = F.max_unpool2d(values, switches, pool.kernel_size, pool.stride, pool.padding, output_size=(13, 18))
    added = unpool(values, switches, 13, 18)
    assert float(added.sum()) == values.numel()  # nothing is lost
    assert float(kept.sum()) < 0.85 * values.numel()
    assert float((added - kept).abs().max()) >= 1


def test_switches_of_another_size_are_refused() -> None:
    pooled, switches = pool_with_switches(torch.rand(1, 2, 8, 8), nn.MaxPool2d(2))
    with pytest.raises(ValueError, match="outside of 4x8"):
        unpool(pooled, switches, 4, 8)
    with pytest.raises(ValueError, match="shape"):
        unpool(pooled[:, :1], switches, 8, 8)
