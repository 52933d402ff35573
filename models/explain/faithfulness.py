"""Does a map name the pixels that decide? Insertion and deletion after Petsiuk et al. 2018 ("RISE"). Loads no torch.

Deletion takes pixels away in the order of the map, the strongest first, and watches the grade's probability: of a faithful map
it falls at once, so that the area under the curve is small. Insertion starts without them and adds them in the same order: a
faithful map raises it at once. Both are told beside a random map's, without which an area says nothing.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final, Literal

import cv2
import numpy as np
import numpy.typing as npt

from models.explain.fruit import Floats, belt_surface, fruit_mask
from models.imaging import Pixels

Probabilities = Callable[[Pixels], npt.NDArray[np.floating]]
"""(N, H, W, 3) uint8 RGB of the network's size -> (N, K) probabilities."""
Cover = Literal["belt", "blur"]
"""What stands where pixels are missing: the belt as it is lit there, or the photograph blurred."""

BATCH: Final = 64
"""Pictures scored at a time."""
_BLUR_SHARE: Final = 0.15  # standard deviation of the blur, of the shorter side: a fruit leaves no more than a smear


@dataclass(frozen=True, slots=True)
class Curves:
    """The grade's probability while pixels go or come, (B, steps + 1) float64; step i stands at a share i / steps of them."""

    deletion: Floats
    insertion: Floats

    @property
    def deletion_area(self) -> Floats:
        """(B,) in 0..1: area under the curve, the lower the more faithful."""
        return _area(self.deletion)

    @property
    def insertion_area(self) -> Floats:
        """(B,) in 0..1: area under the curve, the higher the more faithful."""
        return _area(self.insertion)


@dataclass(frozen=True, slots=True)
class Faithfulness:
    """Mean areas over photographs, beside those of random maps: the same values at random places."""

    deletion: float
    insertion: float
    random_deletion: float
    random_insertion: float
    images: int


def faithfulness(
    probabilities: Probabilities,
    photographs: Pixels,
    maps: npt.NDArray[np.floating],
    grades: npt.NDArray[np.integer],
    *,
    steps: int = 32,
    cover: Cover = "belt",
    random_maps: int = 3,
    seed: int = 0,
) -> Faithfulness:
    """Score maps (B, h, w) of photographs (B, H, W, 3) uint8 for the grades (B,), indices of the probabilities.

    A random map has the values of the map, shuffled: the same resolution, so that the comparison is of places alone.
    """
    rng = np.random.default_rng(seed)
    own = curves(probabilities, photographs, maps, grades, steps=steps, cover=cover, seed=seed)
    shuffled = [
        curves(probabilities, photographs, _shuffled(maps, rng), grades, steps=steps, cover=cover, seed=seed + draw)
        for draw in range(1, random_maps + 1)
    ]
    return Faithfulness(
        deletion=float(own.deletion_area.mean()),
        insertion=float(own.insertion_area.mean()),
        random_deletion=float(np.mean([found.deletion_area for found in shuffled])),
        random_insertion=float(np.mean([found.insertion_area for found in shuffled])),
        images=len(photographs),
    )


def curves(
    probabilities: Probabilities,
    photographs: Pixels,
    maps: npt.NDArray[np.floating],
    grades: npt.NDArray[np.integer],
    *,
    steps: int = 32,
    cover: Cover = "belt",
    seed: int = 0,
) -> Curves:
    """Insertion and deletion of photographs (B, H, W, 3) uint8 in the order of maps (B, h, w), h and w of any size."""
    pictures = _pictures(photographs, maps, steps, cover, seed)
    found: list[float] = []
    owners = np.repeat(grades, 2 * (steps + 1))
    while part := list(islice(pictures, BATCH)):
        scored = probabilities(np.stack(part))
        found.extend(scored[np.arange(len(part)), owners[len(found) : len(found) + len(part)]].tolist())
    both = np.asarray(found, np.float64).reshape(len(photographs), 2, steps + 1)
    return Curves(deletion=both[:, 0], insertion=both[:, 1])


def order_of(values: npt.NDArray[np.floating], height: int, width: int, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    """A map (h, w) -> (height, width): the place of each pixel in the order from the strongest to the weakest, from 0.

    Coarse maps are enlarged bilinearly; equal pixels come in random order, lest a flat map be read from the top.
    """
    fine = np.ascontiguousarray(values, np.float64)
    if fine.shape != (height, width):
        fine = np.asarray(cv2.resize(fine, (width, height), interpolation=cv2.INTER_LINEAR), np.float64)
    order = np.lexsort((rng.permutation(fine.size), -fine.reshape(-1)))
    rank = np.empty(fine.size, np.intp)
    rank[order] = np.arange(fine.size)
    return rank.reshape(height, width)


def _pictures(
    photographs: Pixels, maps: npt.NDArray[np.floating], steps: int, cover: Cover, seed: int
) -> Iterator[npt.NDArray[np.uint8]]:
    """For each photograph: steps + 1 pictures that lose pixels, then as many that gain them."""
    rng = np.random.default_rng(seed)
    height, width = photographs.shape[1:3]
    counts = np.rint(np.linspace(0, height * width, steps + 1)).astype(int)
    for photograph, values in zip(photographs, maps, strict=True):
        rank, empty = order_of(values, height, width, rng), _covered(photograph, cover)
        yield from (np.where((rank < count)[..., None], empty, photograph) for count in counts)
        yield from (np.where((rank < count)[..., None], photograph, empty) for count in counts)


def _covered(photograph: Pixels, cover: Cover) -> Pixels:
    if cover == "belt":
        return np.asarray(np.rint(belt_surface(photograph, fruit_mask(photograph))), np.uint8)
    sigma = _BLUR_SHARE * min(photograph.shape[:2])
    return np.asarray(cv2.GaussianBlur(photograph, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE), np.uint8)


def _shuffled(maps: npt.NDArray[np.floating], rng: np.random.Generator) -> npt.NDArray[np.floating]:
    return rng.permuted(maps.reshape(len(maps), -1), axis=1).reshape(maps.shape)


def _area(curve: Floats) -> Floats:
    """(B, steps + 1) -> (B,): trapezoidal rule over the share of pixels, 0 to 1."""
    return np.asarray((curve[:, 1:] + curve[:, :-1]).mean(axis=1) / 2)
