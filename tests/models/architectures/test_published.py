"""Parameters and multiply-accumulates against the published layer tables, written out and summed here by hand."""

from collections.abc import Iterator

import pytest
import torch

from models.architectures import NAMES, build, default_spec
from models.architectures.alexnet import AlexNet
from models.architectures.published import PUBLISHED
from models.architectures.summary import Totals, summarize

Row = tuple[int, int, int, int, int, int]
"""Inputs, outputs, kernel side, groups, side of the output map, parameters of an output beside its weights (bias, or the
scale and shift of batch normalisation)."""

ALEXNET: list[Row] = [  # Krizhevsky et al. 2012, figure 2 and section 3.5
    (3, 96, 11, 1, 55, 1),
    (96, 256, 5, 2, 27, 1),
    (256, 384, 3, 1, 13, 1),
    (384, 384, 3, 2, 13, 1),
    (384, 256, 3, 2, 13, 1),
    (256, 4096, 6, 1, 1, 1),
    (4096, 4096, 1, 1, 1, 1),
    (4096, 1000, 1, 1, 1, 1),
]
VGG19: list[Row] = [  # Simonyan and Zisserman 2014, table 1, column E
    (3, 64, 3, 1, 224, 1),
    (64, 64, 3, 1, 224, 1),
    (64, 128, 3, 1, 112, 1),
    (128, 128, 3, 1, 112, 1),
    (128, 256, 3, 1, 56, 1),
    (256, 256, 3, 1, 56, 1),
    (256, 256, 3, 1, 56, 1),
    (256, 256, 3, 1, 56, 1),
    (256, 512, 3, 1, 28, 1),
    (512, 512, 3, 1, 28, 1),
    (512, 512, 3, 1, 28, 1),
    (512, 512, 3, 1, 28, 1),
    (512, 512, 3, 1, 14, 1),
    (512, 512, 3, 1, 14, 1),
    (512, 512, 3, 1, 14, 1),
    (512, 512, 3, 1, 14, 1),
    (512, 4096, 7, 1, 1, 1),
    (4096, 4096, 1, 1, 1, 1),
    (4096, 1000, 1, 1, 1, 1),
]
RESNET34: list[Row] = [  # He et al. 2015, table 1, column 34-layer, with projections where the width changes
    (3, 64, 7, 1, 112, 2),
    *[(64, 64, 3, 1, 56, 2)] * 6,
    (64, 128, 3, 1, 28, 2),
    (64, 128, 1, 1, 28, 2),
    *[(128, 128, 3, 1, 28, 2)] * 7,
    (128, 256, 3, 1, 14, 2),
    (128, 256, 1, 1, 14, 2),
    *[(256, 256, 3, 1, 14, 2)] * 11,
    (256, 512, 3, 1, 7, 2),
    (256, 512, 1, 1, 7, 2),
    *[(512, 512, 3, 1, 7, 2)] * 5,
    (512, 1000, 1, 1, 1, 1),
]
DEEP_MNIST: list[Row] = [  # "Deep MNIST for Experts"
    (1, 32, 5, 1, 28, 1),
    (32, 64, 5, 1, 14, 1),
    (64, 1024, 7, 1, 1, 1),
    (1024, 10, 1, 1, 1, 1),
]
INCEPTION = [  # Szegedy et al. 2014, table 1: side, inputs, 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool projection
    (28, 192, 64, 96, 128, 16, 32, 32),
    (28, 256, 128, 128, 192, 32, 96, 64),
    (14, 480, 192, 96, 208, 16, 48, 64),
    (14, 512, 160, 112, 224, 24, 64, 64),
    (14, 512, 128, 128, 256, 24, 64, 64),
    (14, 512, 112, 144, 288, 32, 64, 64),
    (14, 528, 256, 160, 320, 32, 128, 128),
    (7, 832, 256, 160, 320, 32, 128, 128),
    (7, 832, 384, 192, 384, 48, 128, 128),
]


def googlenet(third_branch: int) -> Iterator[Row]:
    """`third_branch`: side of the kernel that the paper gives as 5 and torchvision's weights have as 3."""
    yield from [(3, 64, 7, 1, 112, 2), (64, 64, 1, 1, 56, 2), (64, 192, 3, 1, 56, 2)]
    for side, inputs, one, reduce3, three, reduce5, five, pooled in INCEPTION:
        yield (inputs, one, 1, 1, side, 2)
        yield from [(inputs, reduce3, 1, 1, side, 2), (reduce3, three, 3, 1, side, 2)]
        yield from [(inputs, reduce5, 1, 1, side, 2), (reduce5, five, third_branch, 1, side, 2)]
        yield (inputs, pooled, 1, 1, side, 2)
    yield (1024, 1000, 1, 1, 1, 1)


def sums(rows: list[Row]) -> tuple[int, int]:
    weights = [inputs // groups * kernel**2 * outputs for inputs, outputs, kernel, groups, _, _ in rows]
    parameters = sum(weights) + sum(row[1] * row[5] for row in rows)
    return parameters, sum(count * row[4] ** 2 for count, row in zip(weights, rows, strict=True))


TABLES = {
    "alexnet": (ALEXNET, 60_965_224, 724_406_816),
    "vgg19": (VGG19, 143_667_240, 19_632_062_464),
    "googlenet": (list(googlenet(3)), 6_624_904, 1_498_376_192),
    "resnet34": (RESNET34, 21_797_672, 3_663_761_408),
    "deep-mnist": (DEEP_MNIST, 3_274_634, 13_883_904),
}


@pytest.mark.parametrize("name", TABLES)
def test_figures_are_the_sums_of_the_published_table(name: str) -> None:
    rows, parameters, macs = TABLES[name]
    assert sums(rows) == (parameters, macs)
    published = PUBLISHED[name]
    channels, height, width = published.size
    spec = default_spec(name).model_copy(update={"channels": channels, "height": height, "width": width})
    with torch.device("meta"):
        totals = Totals.of(summarize(build(name, published.grades, spec), channels, height, width))
    assert (totals.parameters, totals.macs) == (parameters, macs)


def test_alexnet_without_groups() -> None:
    with torch.device("meta"):
        totals = Totals.of(summarize(AlexNet(1000, groups=1), 3, 224, 224))
    assert (totals.parameters, totals.macs) == sums([(*row[:3], 1, *row[4:]) for row in ALEXNET])
    assert round(totals.macs / 1e6) == 1135


def test_googlenets_larger_kernel_is_what_parts_the_published_figures() -> None:
    assert sums(list(googlenet(5)))[0] > sums(list(googlenet(3)))[0]
    assert sums(list(googlenet(5)))[1] / 1e6 == pytest.approx(1502, rel=0.06)


@pytest.mark.parametrize(
    ("name", "parameters", "macs", "top1", "top5", "fully_connected"),
    [
        ("alexnet", 60e6, 832e6, 56.9, 80.1, 2),
        ("vgg19", 144e6, 19_632e6, 68.5, 88.5, 3),
        ("googlenet", 6.8e6, 1_502e6, 68.7, 89.0, 1),
    ],
)
def test_what_was_published(name: str, parameters: float, macs: float, top1: float, top5: float, fully_connected: int) -> None:
    row = PUBLISHED[name]
    found = (row.parameters, row.macs, row.top1, row.top5, row.fully_connected)
    assert found == (parameters, macs, top1, top5, fully_connected)


def test_every_published_row_names_its_source_and_a_network_of_ours() -> None:
    assert set(PUBLISHED) <= set(NAMES)
    assert all(row.source for row in PUBLISHED.values())
