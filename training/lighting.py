"""Which photographs were taken in the same light, told from the belt alone: a fold of its own for each kind of light.

Photographs of one session share their light, and often a session saw few grades. Split at random, a grader can then read the
grade off the belt; split by light it cannot, and its figures are those of a day that it has not seen.
"""

from dataclasses import replace

import numpy as np
import torch
from sklearn.cluster import KMeans

from models.architectures.measuring import LightDescriptor
from models.errors import DataError
from models.preprocess import PreprocessSpec
from training.arrays import to_arrays
from training.sources import LabelledSet


def by_light(data: LabelledSet, lights: int, spec: PreprocessSpec | None = None) -> LabelledSet:
    """The same photographs, grouped into `lights` kinds of light; those of one fruit stay together.

    k-means (Lloyd 1982, seeded) on the standardised descriptor of the belt at the top and the bottom of the frame, averaged
    over each fruit's photographs. Raises DataError for fewer than two kinds, or more than there are fruit.
    """
    spec = spec or PreprocessSpec()
    fruit = list(dict.fromkeys(sample.group for sample in data.samples))
    if not 2 <= lights <= len(fruit):
        raise DataError(f"{data.name} holds {len(fruit)} fruit; they cannot be of {lights} kinds of light.")
    pixels = to_arrays(data.samples, data.labels, spec).inputs
    describe = LightDescriptor(spec.height, spec.width)
    found = torch.cat(
        [describe(part.permute(0, 3, 1, 2) / 255.0) for part in torch.tensor_split(pixels, -(-len(pixels) // 256))]
    ).numpy()
    owners = np.array([fruit.index(sample.group) for sample in data.samples])
    means = np.stack([found[owners == index].mean(0) for index in range(len(fruit))])
    standard = (means - means.mean(0)) / np.maximum(means.std(0), 1e-6)
    kinds = KMeans(lights, n_init=10, random_state=0).fit_predict(standard)
    samples = tuple(replace(sample, group=f"light {kinds[owner]}") for sample, owner in zip(data.samples, owners, strict=True))
    return replace(data, samples=samples)
