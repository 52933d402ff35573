"""Copies of a photograph: the same bytes, the same pixels, or the same picture encoded, resized, lit or mirrored anew.

All fruit lie alike on the same belt, so that a perceptual hash calls two of them one. Candidates are therefore only searched
with small pictures, and each is verified at the resolution that both photographs have. How much alike different fruit are depends
on the belt, the lamps and the camera: a copy is told by being far more alike than pairs of the same photographs usually are.
"""

from collections.abc import Iterator
from typing import Final, Literal

import cv2
import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field
from scipy.ndimage import gaussian_filter

from training.intake.looks import Looks
from training.sources import Sample

Kind = Literal["bytes", "pixels", "near"]
Mirrored = Literal["", "left-right", "up-down", "both"]
_Grey = npt.NDArray[np.float32]

MIRRORED: Final[tuple[Mirrored, ...]] = ("", "left-right", "up-down", "both")
CANDIDATE: Final = 0.85
"""Least correlation of two small pictures for a closer look."""
CLOSEST: Final = 4
"""So many candidates of a photograph, and of each of its mirrorings, are looked at."""
LIKELIEST_COPY, LEAST_SMALL, LEAST_COPY = 0.985, 0.96, 0.90
"""What a copy must correlate by: small ones between the first two. Copies of the 396 real photographs, JPEGs of quality 60
among them, reach 0.998, two of different fruit 0.980; for noisy rendered ones of 32 x 32 pixels it is 0.95 and 0.93."""
FINE_PIXELS: Final = 1500
"""From so many pixels on LEAST_COPY is enough: of rendered fruit at 64 x 48 different ones reach 0.78, copies 0.95."""
BEYOND: Final = 2.6
"""How far beyond the pairs of a set a copy lies: times the distance from their median to their 98th percentile, in Fisher's z."""
_FEWEST, _DRAWN = 30, 400  # photographs, to know what is usual in a set from
_FLAT: Final = 0.2  # grey levels: a picture whose detail varies less shows nothing that could be compared
_FINE, _COARSE = 1.0, 3.0  # deviations of the blurs whose difference is the detail compared, pixels
_BLOCK: Final = 512


class Copy(BaseModel):
    """A photograph of the batch that is a copy of another one."""

    model_config = ConfigDict(frozen=True)

    name: str
    grade: str
    of: str
    of_grade: str
    source: str = Field("", description="where the other one lies; empty: in the same batch")
    kind: Kind
    mirrored: Mirrored = ""
    correlation: float = Field(1.0, description="of the detail of the two, at their common size")

    @property
    def contradicts(self) -> bool:
        """Whether the two bear different labels."""
        return self.grade != self.of_grade

    @property
    def exact(self) -> bool:
        return self.kind != "near"


def copies_within(looks: Looks) -> tuple[Copy, ...]:
    """Every pair of copies in one set, the later photograph named as the copy of the earlier; exact ones of the first only."""
    return tuple(_exact(looks, looks, "", within=True)) + tuple(_near(looks, looks, "", within=True))


def copies_of(looks: Looks, earlier: Looks, source: str) -> tuple[Copy, ...]:
    """Every photograph of `looks` that is a copy of one in `earlier`, which is called `source`."""
    return tuple(_exact(looks, earlier, source, within=False)) + tuple(_near(looks, earlier, source, within=False))


def _exact(looks: Looks, others: Looks, source: str, within: bool) -> Iterator[Copy]:
    by_file: dict[str, int] = {}
    by_pixels: dict[str, int] = {}

    def note(index: int) -> None:
        if others.file_sha256[index]:
            by_file.setdefault(others.file_sha256[index], index)
        by_pixels.setdefault(others.pixel_sha256[index], index)

    if not within:
        for index in range(len(others)):
            note(index)
    for index in range(len(looks)):
        same_file = by_file.get(looks.file_sha256[index])
        found = same_file if same_file is not None else by_pixels.get(looks.pixel_sha256[index])
        if found is not None:
            yield _copy(looks.samples[index], others.samples[found], source, "bytes" if same_file is not None else "pixels")
        if within:
            note(index)


def _near(looks: Looks, others: Looks, source: str, within: bool) -> Iterator[Copy]:
    best: dict[tuple[int, int], tuple[float, Mirrored]] = {}
    usual = beyond_usual(looks.small if within else np.concatenate([looks.small, others.small]))
    for index, other, mirrored in _candidates(looks, others, within):
        if looks.pixel_sha256[index] == others.pixel_sha256[other]:
            continue  # exact: told already
        correlation, pixels = compare(looks.shared[index], others.shared[other], mirrored)
        least = usual if pixels < FINE_PIXELS else LEAST_COPY
        if correlation >= least and correlation > best.get((index, other), (0.0, ""))[0]:
            best[index, other] = correlation, mirrored
    for (index, other), (correlation, mirrored) in sorted(best.items()):
        yield _copy(looks.samples[index], others.samples[other], source, "near", mirrored, correlation)


def _copy(one: Sample, two: Sample, source: str, kind: Kind, mirrored: Mirrored = "", correlation: float = 1.0) -> Copy:
    return Copy(
        name=one.name, grade=one.grade, of=two.name, of_grade=two.grade, source=source, kind=kind, mirrored=mirrored,
        correlation=round(correlation, 4),
    )  # fmt: skip


def _candidates(looks: Looks, others: Looks, within: bool) -> Iterator[tuple[int, int, Mirrored]]:
    """Pairs whose small pictures correlate, each with the mirroring of the second that they do in; within a set, second first."""
    if not len(looks) or not len(others):
        return
    mine = _descriptors(looks.small)
    for mirrored in MIRRORED:
        theirs = _descriptors(mirror(others.small, mirrored)).T
        closest = min(CLOSEST, len(others))
        for start in range(0, len(mine), _BLOCK):
            alike = mine[start : start + _BLOCK] @ theirs  # B x N
            if within:
                rows, columns = np.ogrid[start : start + len(alike), : len(others)]
                alike[columns >= rows] = -1
            promising = np.flatnonzero((alike >= CANDIDATE).any(axis=1))
            for row in promising:
                for other in np.argpartition(alike[row], -closest)[-closest:]:
                    if alike[row, other] >= CANDIDATE:
                        yield start + int(row), int(other), mirrored


def beyond_usual(small: _Grey) -> float:
    """Small pictures (N, S, S) -> the correlation beyond which two of them are no longer different photographs.

    Pairs of a seeded draw, in all mirrorings, in Fisher's z: the few copies among them lie beyond the 98th percentile.
    """
    if len(small) < _FEWEST:
        return LIKELIEST_COPY
    drawn = small[np.random.default_rng(0).permutation(len(small))[:_DRAWN]]
    mine, pairs = _descriptors(drawn), np.triu_indices(len(drawn), 1)
    alike = [(mine @ _descriptors(mirror(drawn, mirrored)).T)[pairs] for mirrored in MIRRORED]
    median, high = np.percentile(np.arctanh(np.clip(np.concatenate(alike), -0.9999, 0.9999)), (50, 98))
    return float(np.clip(np.tanh(median + BEYOND * (high - median)), LEAST_SMALL, LIKELIEST_COPY))


def _descriptors(small: _Grey) -> _Grey:
    """(N, S, S) -> (N, S * S), unit rows: the band of detail that resizing keeps and in which the belt's light does not lie."""
    band = gaussian_filter(small, (0, _FINE, _FINE)) - gaussian_filter(small, (0, _COARSE, _COARSE))
    rows = band.reshape(len(band), -1)
    rows = rows - rows.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    flat = lengths < _FLAT * small.shape[1]
    return np.asarray(np.where(flat, 0, rows / np.where(flat, 1, lengths)), np.float32)


def mirror(pictures: npt.NDArray[np.float32], mirrored: Mirrored) -> npt.NDArray[np.float32]:
    """(..., H, W) -> the same, mirrored."""
    vertical, horizontal = {"": (1, 1), "left-right": (1, -1), "up-down": (-1, 1), "both": (-1, -1)}[mirrored]
    return np.ascontiguousarray(pictures[..., ::vertical, ::horizontal])


def compare(one: npt.NDArray[np.uint8], two: npt.NDArray[np.uint8], mirrored: Mirrored = "") -> tuple[float, int]:
    """Correlation, -1..1, of the detail of two grey pictures (h, w) at the size that both have, and its number of pixels.

    A correlation knows neither mean nor gain, so that brightness does not count; what either has clipped is left out. -1 for
    pictures of different proportions, whatever they show, and for those without any contrast.
    """
    height, width = min(one.shape[0], two.shape[0]), min(one.shape[1], two.shape[1])
    for picture in (one, two):
        scale = (picture.shape[0] / height) / (picture.shape[1] / width)
        if abs(np.log(scale)) > 0.02 + 1 / min(height, width):  # rounding to whole pixels is allowed for
            return -1.0, height * width
    first, second = (cv2.resize(p, (width, height), interpolation=cv2.INTER_AREA) for p in (one, _mirror(two, mirrored)))
    used = (first > 4) & (first < 251) & (second > 4) & (second < 251)
    if used.mean() < 0.3:
        used[:] = True
    return _correlation(_band(first)[used], _band(second)[used]), height * width


def _mirror(picture: npt.NDArray[np.uint8], mirrored: Mirrored) -> npt.NDArray[np.uint8]:
    code = {"left-right": 1, "up-down": 0, "both": -1}.get(mirrored)
    return picture if code is None else np.asarray(cv2.flip(picture, code), np.uint8)


def _band(picture: npt.ArrayLike) -> _Grey:
    """(h, w) -> (h, w): programs that resize differ in the finest detail, lamps in the coarsest."""
    grey = np.asarray(picture, np.float32)
    fine, coarse = (cv2.GaussianBlur(grey, (0, 0), sigma) for sigma in (_FINE, _COARSE))
    return np.asarray(fine - coarse, np.float32)


def _correlation(one: _Grey, two: _Grey) -> float:
    one, two = one - one.mean(), two - two.mean()
    size = float(np.sqrt((one @ one) * (two @ two)))
    return float(one @ two) / size if size > 1e-3 * len(one) else -1.0
