"""Every photograph is decoded once; what the comparisons need of it is kept small: digests, two grey pictures, a few measures."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from models.errors import DataError
from models.imaging import Pixels
from training.intake.reading import Refused
from training.sources import Sample

SMALL_PX: Final = 32
"""Side of the square picture that candidates are searched with."""
SHARED_PX: Final = 160
"""Longest side of the picture that a suspected copy is verified with."""
_MEASURED_PX: Final = 64
MEASURES: Final = (
    "belt_brightness",
    "belt_warmth",
    "belt_unevenness",
    "contrast",
    "fruit_brightness",
    "fruit_area",
    "fruit_length",
    "fruit_width",
    "frame_px",
)
"""What the shift of a batch is told from. Brightness, contrast and unevenness in grey levels 0..255, warmth (red - blue) /
(red + blue) of the belt, -1..1, area as share of the frame, length and width as shares of its long side, frame_px that side."""


@dataclass(frozen=True, slots=True)
class Looks:
    """What is kept of N photographs."""

    samples: tuple[Sample, ...]
    file_sha256: tuple[str, ...]
    """Of the file's bytes; empty for a photograph that came as an array."""
    pixel_sha256: tuple[str, ...]
    """Of size and decoded pixels."""
    small: npt.NDArray[np.float32]
    """(N, SMALL_PX, SMALL_PX) grey, 0..255, landscape, stretched to a square."""
    shared: tuple[npt.NDArray[np.uint8], ...]
    """(h, w) grey, landscape, SHARED_PX on the long side at the most."""
    sides: npt.NDArray[np.int64]
    """(N, 2) width and height of the photographs, pixels."""
    grey: npt.NDArray[np.float64]
    """(N, 2) mean and standard deviation of the grey levels, 0..255."""
    measures: npt.NDArray[np.float64]
    """(N, len(MEASURES))."""

    def __len__(self) -> int:
        return len(self.samples)


def look(samples: Sequence[Sample], advance: Callable[[], None] | None = None) -> tuple[Looks, tuple[Refused, ...]]:
    """Decode every photograph; those that cannot be are left out of the looks and listed."""
    kept: list[Sample] = []
    refused: list[Refused] = []
    digests: list[tuple[str, str]] = []
    small: list[npt.NDArray[np.float32]] = []
    shared: list[npt.NDArray[np.uint8]] = []
    rows: list[tuple[tuple[int, int], tuple[float, float], npt.NDArray[np.float64]]] = []
    for sample in samples:
        try:
            rgb = sample.whole()
            digests.append(("" if sample.path is None else sample.digest(), _pixel_digest(rgb)))
        except DataError as error:
            refused.append(Refused(name=sample.name, why="unreadable", detail=str(error)))
        else:
            kept.append(sample)
            sides = (rgb.shape[1], rgb.shape[0])
            if rgb.shape[0] > rgb.shape[1]:  # fruit lie along the rows, as they do for the network
                rgb = np.ascontiguousarray(np.rot90(rgb))
            grey = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8)
            mean, deviation = cv2.meanStdDev(grey)
            small.append(np.asarray(_resized(grey, (SMALL_PX, SMALL_PX)), np.float32))
            shared.append(within(grey, SHARED_PX))
            rows.append((sides, (float(mean[0, 0]), float(deviation[0, 0])), measure(rgb)))
        if advance:
            advance()
    looks = Looks(
        tuple(kept),
        tuple(digest for digest, _ in digests),
        tuple(digest for _, digest in digests),
        np.array(small, np.float32).reshape(-1, SMALL_PX, SMALL_PX),
        tuple(shared),
        np.array([row[0] for row in rows], np.int64).reshape(-1, 2),
        np.array([row[1] for row in rows], np.float64).reshape(-1, 2),
        np.array([row[2] for row in rows], np.float64).reshape(-1, len(MEASURES)),
    )
    return looks, tuple(refused)


def measure(rgb: Pixels) -> npt.NDArray[np.float64]:
    """Landscape photograph (H, W, 3) uint8 RGB -> (len(MEASURES),), in their order.

    Length and width are those of a bar with the same second moments, so that a few ragged pixels change little.
    """
    frame_px = max(rgb.shape[:2])
    picture = np.asarray(within(rgb, _MEASURED_PX), np.float64)
    height, width = picture.shape[:2]
    grey = picture @ (0.299, 0.587, 0.114)
    fruit, belt, rim = fruit_mask(picture)
    length = thickness = brightness = 0.0
    if fruit.sum() > 2:
        spread = np.linalg.eigvalsh(np.cov(np.argwhere(fruit).T))
        thickness, length = (float(np.sqrt(12 * max(value, 0.0))) for value in spread)
        brightness = float(grey[fruit].mean())
    return np.array(
        [
            belt @ (0.299, 0.587, 0.114),
            (belt[0] - belt[2]) / max(belt[0] + belt[2], 1.0),
            grey[rim].std(),
            grey.std(),
            brightness,
            fruit.mean(),
            length / max(height, width),
            thickness / max(height, width),
            frame_px,
        ]
    )


def fruit_mask(picture: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64], npt.NDArray[np.bool_]]:
    """(H, W, 3), 0..255 -> the fruit (H, W), the colour of the belt (3,), and the rim (H, W) that the belt is seen in.

    The fruit is what differs from the median colour of the rim (Otsu's threshold, 1979), the largest piece of it.
    """
    height, width = picture.shape[:2]
    depth = max(1, min(height, width) // 12)
    rim = np.ones((height, width), np.bool_)
    rim[depth:-depth, depth:-depth] = False
    belt = np.median(picture[rim], axis=0)
    away = np.abs(picture - belt).sum(axis=2)
    _, mask = cv2.threshold(np.clip(away, 0, 255).astype(np.uint8), 0, 1, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    count, pieces, facts, _ = cv2.connectedComponentsWithStats(np.asarray(mask, np.uint8))
    fruit = pieces == 1 + int(facts[1:, cv2.CC_STAT_AREA].argmax()) if count > 1 else np.zeros_like(rim)
    return np.asarray(fruit, np.bool_), belt, rim


def _pixel_digest(rgb: Pixels) -> str:
    content = hashlib.sha256(f"{rgb.shape}".encode())
    content.update(np.ascontiguousarray(rgb).data)
    return content.hexdigest()


def within(pixels: npt.NDArray[np.uint8], most_px: int) -> npt.NDArray[np.uint8]:
    """(H, W) or (H, W, 3), scaled down to `most_px` on the long side where it is longer."""
    scale = most_px / max(pixels.shape[:2])
    if scale >= 1:
        return pixels
    return _resized(pixels, (max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale))))


def _resized(pixels: npt.NDArray[np.uint8], size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    shrinks = size[0] <= pixels.shape[1] and size[1] <= pixels.shape[0]
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR), np.uint8)
