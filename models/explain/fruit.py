"""Where the fruit is, its parts, and what of a coarse map falls on each. Classical image processing; loads no torch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import cv2
import numpy as np
import numpy.typing as npt

from models.imaging import Pixels

Mask = npt.NDArray[np.bool_]
"""(H, W) bool."""
Floats = npt.NDArray[np.float64]
Reduction = Literal["mean", "sum"]
"""How a map's cells make up the logit: their mean (networks that pool globally) or their sum."""

_LONG_PX: Final = 256  # larger pictures are segmented at this long side: detail below it is wart and noise
_LIGHTNESS: Final = 0.5  # weight of a difference of lightness: a shadow differs by lightness alone, a fruit in colour too
_LEAST_CONTRAST: Final = 8.0  # of fruit against belt, weighted units of CIELAB; about four just noticeable differences
_LEAST_SHARE: Final = 0.004  # of the picture's pixels
_THINNEST: Final = 0.03  # of the long side: what is thinner is a lane mark, a speck or a wart
_ROUNDS: Final = 4


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a photograph: "left end", "middle", "right end" ("upper end", "lower end" on upright fruit) or "belt"."""

    name: str
    mask: Mask

    @property
    def box(self) -> tuple[int, int, int, int] | None:
        """(x0, y0, x1, y1) in pixels, the right and lower sides exclusive; None where the part is empty."""
        return box_of(self.mask)


def box_of(mask: Mask) -> tuple[int, int, int, int] | None:
    """Smallest box around a mask's pixels, (x0, y0, x1, y1), the right and lower sides exclusive; None for an empty mask."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def fruit_mask(rgb: Pixels) -> Mask:
    """(H, W, 3) uint8 RGB of any size -> (H, W) bool: the fruit, without its shadow; all False where nothing stands out.

    Distance in CIELAB from the belt, whose colour is a quadratic surface (so that uneven light is taken out) fitted to the
    pixels that look like what lines the border; Otsu's threshold (1979); of the regions above it the most prominent one.
    """
    height, width = rgb.shape[:2]
    shrink = min(1.0, _LONG_PX / max(height, width))
    small = rgb
    if shrink < 1:
        size = max(1, round(width * shrink)), max(1, round(height * shrink))
        small = np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), np.uint8)
    mask = _segment(small)
    if mask.shape == (height, width):
        return mask
    return np.asarray(cv2.resize(mask.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR) > 0.5)


def parts(mask: Mask) -> list[Part]:
    """(H, W) fruit mask -> the thirds of the fruit along its longest direction and the belt; together every pixel once.

    "left end", "middle", "right end"; "upper end", "middle", "lower end" where the fruit stands steeper than 45 degrees. Without
    fruit, all of the picture is "belt".
    """
    rows, columns = np.nonzero(mask)
    belt = Part("belt", ~mask)
    if len(rows) < 3:
        return [Part("belt", np.ones_like(mask))]
    points = np.stack([columns, rows], 1).astype(np.float64)
    points -= points.mean(0)
    axis = np.linalg.svd(points.T @ points)[0][:, 0]  # the direction of largest spread
    lying = abs(axis[0]) >= abs(axis[1])
    along = points @ axis * (1 if axis[0 if lying else 1] > 0 else -1)  # grows to the right, or downwards
    low, high = along.min(), along.max()
    third = np.clip(((along - low) / max(high - low, 1e-9) * 3).astype(np.intp), 0, 2)
    found = []
    for index, name in enumerate(("left end", "middle", "right end") if lying else ("upper end", "middle", "lower end")):
        part = np.zeros_like(mask)
        part[rows[third == index], columns[third == index]] = True
        found.append(Part(name, part))
    return [*found, belt]


def spread(values: npt.NDArray[np.floating], height: int, width: int, reduction: Reduction = "sum") -> Floats:
    """A coarse map (h, w) -> (height, width) float64 whose pixels add up to what the map contributes to the logit.

    Each cell's value (over h*w of them where the logit is their mean) lies evenly on the area it covers; a pixel gets of every
    cell the share that lies inside it. Any sizes: the sum is kept to rounding.
    """
    contributions = np.asarray(values, np.float64)
    if reduction == "mean":
        contributions = contributions / contributions.size
    return np.asarray(_overlap(height, values.shape[0]) @ contributions @ _overlap(width, values.shape[1]).T)


def shares(values: npt.NDArray[np.floating], among: Sequence[Part], reduction: Reduction) -> list[float]:
    """What each part adds to the logit, or to the difference of two, that a map (h, w) explains; in the order of the parts.

    The parts cover the picture once (`parts`), so the shares add up to the map's mean or sum. See `spread`.
    """
    height, width = among[0].mask.shape
    on_pixels = spread(values, height, width, reduction)
    return [float(on_pixels[part.mask].sum()) for part in among]


def cover(mask: Mask, height: int, width: int) -> Floats:
    """(H, W) mask -> (height, width) float64 in 0..1: how much of each cell of a map of that size the mask covers."""
    return np.asarray(_overlap(mask.shape[0], height).T @ mask @ _overlap(mask.shape[1], width))


def positive_share(values: npt.NDArray[np.floating], mask: Mask) -> float | None:
    """Share of a map's positive evidence (h, w) that lies on the mask, 0 to 1; None where the map has no positive value.

    Each cell's evidence lies evenly on it, so that no map scores more than its best covered cell: `cover(...).max()`.
    """
    evidence = np.maximum(np.asarray(values, np.float64), 0)
    total = float(evidence.sum())
    return float((evidence * cover(mask, *evidence.shape)).sum()) / total if total > 0 else None


def belt_surface(rgb: Pixels, fruit: Mask) -> Floats:
    """(H, W, 3) uint8 RGB -> (H, W, 3) float64 in 0..255: the light on the belt, a quadratic surface fitted where no fruit is.

    Fitted to what lines the border where the mask leaves fewer pixels than the surface has coefficients.
    """
    height, width = fruit.shape
    basis = _basis(height, width)
    bare = ~fruit.reshape(-1) if (~fruit).sum() > 4 * basis.shape[1] else _border(height, width).reshape(-1)
    colours = rgb.reshape(-1, 3).astype(np.float64)
    fitted = basis @ np.linalg.lstsq(basis[bare], colours[bare], rcond=None)[0]
    # where the fruit covers much, the surface runs free: no belt is brighter or darker than any that was seen
    return np.clip(fitted, colours[bare].min(0), colours[bare].max(0)).reshape(height, width, 3)


def _overlap(pixels: int, cells: int) -> Floats:
    """(pixels, cells): the share of each cell's length that lies in each pixel; columns sum to 1."""
    edges = np.arange(pixels + 1)[:, None] * (cells / pixels)  # in cells
    covered = np.clip(edges - np.arange(cells), 0, 1)  # how much of each cell lies before an edge
    covered[-1] = 1  # rounding must not lose the last sliver
    return np.diff(covered, axis=0)


def _segment(rgb: Pixels) -> Mask:
    height, width = rgb.shape[:2]
    nothing = np.zeros((height, width), np.bool_)
    if min(height, width) < 4:
        return nothing
    lab = np.asarray(cv2.cvtColor(rgb.astype(np.float32) / np.float32(255), cv2.COLOR_RGB2LAB), np.float64)
    lab[..., 0] *= _LIGHTNESS
    distance, belt = _from_belt(lab)
    noise = float(np.median(distance[belt])) if belt.any() else 0.0
    threshold = _otsu(distance)
    above = distance > threshold
    if not above.any() or above.all():
        return nothing
    contrast = float(distance[above].mean() - distance[~above].mean())
    if contrast < max(_LEAST_CONTRAST, 3 * noise):
        return nothing
    thinnest = round(_THINNEST * max(height, width))
    if thinnest > 1:
        above = _opened(above, thinnest)
    return _filled(_most_prominent(above, distance))


def _from_belt(lab: Floats) -> tuple[Floats, Mask]:
    """Distance of each pixel (H, W) from the belt's colour at its place, and which pixels were taken for belt."""
    height, width = lab.shape[:2]
    basis, colours = _basis(height, width), lab.reshape(-1, 3)
    border = _border(height, width).reshape(-1)
    away = np.linalg.norm(colours - np.median(colours[border], axis=0), axis=1)
    belt = border & (away <= 2 * np.median(away[border]) + 2)
    for columns in (3, *(basis.shape[1],) * (_ROUNDS - 1)):  # a plane first: a surface fitted to the border alone bulges
        chosen = basis[:, :columns]
        fitted = chosen @ np.linalg.lstsq(chosen[belt], colours[belt], rcond=None)[0]
        away = np.linalg.norm(colours - fitted, axis=1)
        grown = away <= max(2.5, 3 * float(np.median(away[belt])))
        if grown.sum() <= 2 * basis.shape[1]:
            break
        belt = grown
    return away.reshape(height, width), belt.reshape(height, width)


def _basis(height: int, width: int) -> Floats:
    """(H*W, 6): 1, x, y, xy, x squared, y squared over -1..1."""
    y, x = np.meshgrid(np.linspace(-1, 1, height), np.linspace(-1, 1, width), indexing="ij")
    return np.stack([np.ones_like(x), x, y, x * y, x * x, y * y], -1).reshape(-1, 6)


def _border(height: int, width: int) -> Mask:
    ring = np.ones((height, width), np.bool_)
    rim = max(1, round(0.05 * min(height, width)))
    ring[rim:-rim, rim:-rim] = False
    return ring


def _otsu(values: Floats) -> float:
    """Threshold of largest variance between the two classes (Otsu 1979), over 256 bins."""
    top = float(values.max())
    if top <= 0:
        return 0.0
    counts = np.bincount(np.minimum((values * (256 / top)).astype(np.intp), 255).reshape(-1), minlength=256)
    levels = (np.arange(256) + 0.5) * (top / 256)
    below, weighted = np.cumsum(counts), np.cumsum(counts * levels)
    rest = below[-1] - below
    between = np.zeros(256)
    split = (below > 0) & (rest > 0)
    gap = weighted[split] / below[split] - (weighted[-1] - weighted[split]) / rest[split]
    between[split] = below[split] * rest[split] * gap * gap
    return float((between.argmax() + 1) * (top / 256))


def _opened(mask: Mask, side_px: int) -> Mask:
    """Without what a disc of that diameter does not fit into (morphological opening)."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side_px, side_px)) if side_px > 2 else np.ones((2, 2), np.uint8)
    # the mirrored anchor: with an even side, the same one twice would shift the mask by a pixel
    anchor, mirrored = (side_px // 2, side_px // 2), (side_px - 1 - side_px // 2, side_px - 1 - side_px // 2)
    eroded = cv2.erode(mask.astype(np.uint8), disc, anchor=anchor)
    return np.asarray(cv2.dilate(eroded, disc[::-1, ::-1].copy(), anchor=mirrored), np.bool_)


def _most_prominent(above: Mask, distance: Floats) -> Mask:
    """The region with the most distance on it, those that line a side of the picture counted less; empty where all are specks."""
    count, labels = cv2.connectedComponents(above.astype(np.uint8), connectivity=8)
    rim = _border(*above.shape)
    best, most = 0, 0.0
    for label in range(1, count):
        region = labels == label
        area = int(region.sum())
        if area < max(4, _LEAST_SHARE * above.size):
            continue
        prominence = float(distance[region].sum()) * (1 - float(region[rim].sum()) / area)
        if prominence > most:
            best, most = label, prominence
    return np.asarray(labels == best) if best else np.zeros_like(above)


def _filled(mask: Mask) -> Mask:
    """Without its holes: glints are part of the fruit."""
    outside = np.pad(mask, 1).astype(np.uint8)
    cv2.floodFill(outside, None, (0, 0), (2,), flags=4)
    return np.asarray(outside[1:-1, 1:-1] != 2)
