"""Grades of unequal number: weights of the loss, or how often an image is drawn. Both make every grade count alike."""

import torch
from torch import Generator, Tensor


def class_weights(targets: Tensor, grades: int) -> Tensor:
    """(N,) int64 class indices, each of `grades` at least once -> (grades,) float32 weights of the loss: N / (grades x count).

    The usual "balanced" weights (King and Zeng 2001); their mean over the images is 1.
    """
    counts = torch.bincount(targets, minlength=grades)
    return len(targets) / (grades * counts.to(torch.float32))


def shuffled(targets: Tensor, generator: Generator) -> Tensor:
    """(N,) int64 indices: every image once, in random order."""
    return torch.randperm(len(targets), generator=generator)


def balanced_draw(targets: Tensor, grades: int, generator: Generator) -> Tensor:
    """(N,) int64 indices: as many images as there are, drawn with replacement, each grade as likely as every other."""
    weights = class_weights(targets, grades)[targets]
    return torch.multinomial(weights, len(targets), replacement=True, generator=generator)
