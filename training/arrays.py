"""Samples as tensors in memory, checked: a picture or a grade that training could not use is named here, not in a traceback."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from torch import Tensor

from models.errors import DataError
from models.preprocess import PreprocessSpec
from training.sources import LabelledSet, Sample

log = logging.getLogger(__name__)

FEW_IMAGES: Final = 10
"""A grade with fewer training images is warned about."""


@dataclass(frozen=True, slots=True)
class Arrays:
    """Images in memory: inputs (N, H, W, 3) uint8, targets (N,) int64 class indices."""

    inputs: Tensor
    targets: Tensor


def to_arrays(samples: Sequence[Sample], grades: tuple[str, ...], spec: PreprocessSpec) -> Arrays:
    """Samples through the preprocessing that serving uses. Raises DataError naming a picture that cannot be used."""
    for sample in samples:
        _require_picture(sample)
    inputs = np.stack([sample.network_input(spec) for sample in samples])
    targets = np.array([grades.index(sample.grade) for sample in samples], np.int64)
    return Arrays(torch.from_numpy(inputs), torch.from_numpy(targets))


def require_trainable(data: LabelledSet, kept: Sequence[Sample], batch_size: int) -> None:
    """Raise DataError unless the training part `kept` fills a batch and shows every grade; warn about rare grades."""
    if len(kept) < batch_size:
        raise DataError(f"{len(kept)} training images do not fill a batch of {batch_size}. Add images, or lower --batch-size.")
    counts = dict.fromkeys(data.labels, 0)
    for sample in kept:
        counts[sample.grade] += 1
    if missing := [grade for grade, count in counts.items() if not count]:
        raise DataError(
            f"The training part of {data.name} shows no {' and no '.join(missing)}: all its images belong to fruit that are held "
            "out. Add images of other fruit of that grade, or leave it out.",
            missing=missing,
        )
    if few := [f"{grade} ({count})" for grade, count in counts.items() if count < FEW_IMAGES]:
        log.warning("few training images of %s; their figures will be rough. Add some.", ", ".join(few))


def _require_picture(sample: Sample) -> None:
    pixels = sample.pixels
    if pixels is None:  # a file: whoever decodes it says what is wrong
        return
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise DataError(
            f"{sample.name} is an array of shape {' x '.join(map(str, pixels.shape))}, {pixels.dtype}; pictures are H x W x 3 "
            "uint8 RGB. Convert it, or leave it out.",
            sample=sample.name,
        )
