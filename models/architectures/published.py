"""What others published of the networks built here, to stand beside what is computed from our code. Rounded as published."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Published:
    """Figures of one network; None where the source gives none."""

    grades: int
    size: tuple[int, int, int]
    """Input of the figures: channels, height, width."""
    parameters: int | None = None
    macs: int | None = None
    """Multiply-accumulates for one image."""
    top1: float | None = None
    """Share of images whose first guess is right, percent."""
    top5: float | None = None
    fully_connected: int | None = None
    source: str = ""


_COMPARISON: Final = "the lecture's comparison table, ImageNet; of AlexNet it counts the hidden fully connected layers alone"

PUBLISHED: Final = {
    "alexnet": Published(1000, (3, 224, 224), 60_000_000, 832_000_000, 56.9, 80.1, 2, _COMPARISON),
    "vgg19": Published(1000, (3, 224, 224), 144_000_000, 19_632_000_000, 68.5, 88.5, 3, _COMPARISON),
    "googlenet": Published(1000, (3, 224, 224), 6_800_000, 1_502_000_000, 68.7, 89.0, 1, _COMPARISON),
    "resnet34": Published(
        1000, (3, 224, 224), 21_797_672, 3_664_000_000, 73.314, 91.42, 1, "torchvision, ResNet34_Weights.IMAGENET1K_V1, ImageNet"
    ),
    "deep-mnist": Published(
        10, (1, 28, 28), 3_274_634, None, 99.2, None, 2, 'tutorial "Deep MNIST for Experts" (TensorFlow, 2015), MNIST'
    ),
}
