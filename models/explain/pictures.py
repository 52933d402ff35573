"""Raw values -> pictures, always on a scale that says how much: never stretched to fill it. Loads no torch.

The scale of a map is its largest magnitude; where the values are evidence for a grade and add up to less than FULL_LOGITS, it
is wider in proportion, so that little evidence looks like little, and below `WEAK_LOGITS` nothing is drawn at all. Values of
either sign are drawn on a symmetric scale, blue for less than 0, red for more, both equally dark; values of one sign in
viridis (van der Walt and Smith 2015). Both are even in lightness, unlike jet, which draws edges where there are none.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from models.explain.placement import Placement
from models.explain.result import Explanation, Floats
from models.imaging import Pixels

FULL_LOGITS: Final = 0.5
"""Evidence that is drawn in full colour."""
READABLE_PX: Final = 256
"""A heat map is enlarged, each value to a square, until its longer side has at least as many pixels."""
TILE_PX: Final = 24
MAX_TILES: Final = 1024
SHEET_PX: Final = 2048
_GAP_PX: Final = 1
_NEUTRAL: Final = 238
_STRIP_ROWS: Final = 256
"""Rows blended at once: a photograph of 25 million pixels in floats would take hundreds of megabytes."""
_HALF: Final = 127
"""Steps of the symmetric scale on either side of 0, which is _HALF itself."""


@cache  # not on import: OpenCV prepares itself for a tenth of a second at its first conversion
def diverging() -> npt.NDArray[np.uint8]:
    """(255, 3) uint8 RGB: blue, white at 127, red; straight lines in CIELAB, so that lightness falls alike."""
    steps = np.abs(np.linspace(-1, 1, 2 * _HALF + 1))[:, None]
    negative = np.arange(2 * _HALF + 1)[:, None] < _HALF
    end = np.where(negative, [[42.0, 8.0, -52.0]], [[42.0, 58.0, 36.0]])
    lab = (np.array([97.0, 0.0, 0.0]) + steps * (end - [97.0, 0.0, 0.0])).astype(np.float32)
    rgb = cv2.cvtColor(lab[None], cv2.COLOR_Lab2RGB)[0]
    return np.asarray((rgb.clip(0, 1) * 255).round(), np.uint8)


@cache
def sequential() -> npt.NDArray[np.uint8]:
    """(256, 3) uint8 RGB: viridis, dark at 0."""
    shades = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_VIRIDIS)
    return np.asarray(shades[:, 0, ::-1], np.uint8)


def scale_of(explanation: Explanation) -> float:
    """The magnitude that is drawn in full colour; above 0."""
    scale = float(np.abs(explanation.values).max(initial=0.0))
    if explanation.evidence is not None:
        scale *= max(1.0, FULL_LOGITS / max(explanation.evidence, 1e-6))
    return scale or 1.0


def heat_map(explanation: Explanation) -> Pixels:
    """An explanation by itself -> (H, W, 3) uint8 RGB.

    map: each value a square. pixels: colour around grey, each pixel a square. maps and filters: a sheet of tiles on one scale.
    image: as it is. Weak evidence is a plain field.
    """
    values, scale = explanation.values, scale_of(explanation)
    if explanation.kind == "image":
        return np.asarray((values.clip(0, 1) * 255).round(), np.uint8)
    if explanation.kind == "filters":
        return _filter_sheet(values, scale)
    if explanation.kind == "maps":
        return _sheet([_coloured(tile, scale, signed=explanation.signed) for tile in values[:MAX_TILES]])
    if explanation.weak:
        small = np.full((*_flat(values).shape[:2], 3), _NEUTRAL, np.uint8)
    elif explanation.kind == "pixels":
        small = _around_grey(values, scale)
    else:
        small = _coloured(values, scale, signed=explanation.signed)
    return _enlarged(small, -(-READABLE_PX // max(small.shape[:2])))


def overlay(
    explanation: Explanation, photograph: Pixels, placement: Placement, opacity: float = 0.5, contour: bool = False
) -> Pixels:
    """A map or a picture of pixels over its photograph, (H, W, 3) uint8 RGB upright at its own size -> the same shape.

    The colour covers more where the value is larger, up to `opacity` (0..1), and nothing where it is 0. `contour` draws a line
    around what is above half of the scale. Weak evidence leaves the photograph as it is.
    """
    if explanation.weak:
        return photograph.copy()
    scale = scale_of(explanation)
    if explanation.kind == "pixels":
        strengths = np.abs(_flat(explanation.values)).max(axis=2) / scale
        colours = placement.to_photograph(_around_grey(explanation.values, scale))
        over = placement.to_photograph(strengths)
        result = _blended(photograph, lambda rows: colours[rows], over, opacity)
    else:
        over = placement.to_photograph(explanation.values / scale)
        result = _blended(photograph, lambda rows: _coloured(over[rows], 1.0, signed=explanation.signed), over, opacity)
    if contour and explanation.kind == "map":
        lines, _ = cv2.findContours((over > 0.5).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        width_px = max(1, round(max(photograph.shape[:2]) / 300))
        cv2.drawContours(result, lines, -1, (255, 255, 255), 2 * width_px)
        cv2.drawContours(result, lines, -1, (0, 0, 0), width_px)
    return result


def encode(picture: Pixels) -> bytes:
    """(H, W, 3) uint8 RGB -> PNG, packed quickly rather than tightly."""
    done, data = cv2.imencode(".png", picture[:, :, ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])
    if not done:
        raise ValueError(f"no PNG can be made of an array of shape {picture.shape}")
    return data.tobytes()


def _coloured(values: Floats, scale: float, *, signed: bool) -> Pixels:
    """(h, w) -> (h, w, 3) by the colour map; values beyond the scale take its last colour."""
    share = np.asarray(values, np.float32) / np.float32(scale)
    if signed:
        return diverging()[(share.clip(-1, 1) * _HALF).round().astype(np.int16) + _HALF]
    return sequential()[(share.clip(0, 1) * 255).round().astype(np.uint8)]


def _flat(values: Floats) -> Floats:
    """(C, H, W) -> (H, W, C); (h, w) as it is, with an axis more."""
    return values[:, :, None] if values.ndim == 2 else values.transpose(1, 2, 0)


def _around_grey(values: Floats, scale: float) -> Pixels:
    """(3 or 1, H, W), signed -> (H, W, 3): 0 is middle grey, in each colour."""
    shown = (_flat(values) / np.float32(2 * scale) + 0.5).clip(0, 1)
    picture = np.asarray((shown * 255).round(), np.uint8)
    return picture if picture.shape[2] == 3 else picture.repeat(3, axis=2)


def _enlarged(picture: Pixels, factor: int) -> Pixels:
    return picture.repeat(factor, axis=0).repeat(factor, axis=1) if factor > 1 else picture


def _filter_sheet(values: Floats, scale: float) -> Pixels:
    """(N, C, kh, kw): filters over colours as they are, around grey; others a row of channels each, as many as fit."""
    if values.shape[1] == 3:
        return _sheet([_around_grey(one, scale) for one in values[:MAX_TILES]])
    channels = min(values.shape[1], 32)
    some = values[: MAX_TILES // channels, :channels]
    tiles = [_coloured(channel, scale, signed=True) for one in some for channel in one]
    return _sheet(tiles, columns=channels if channels > 1 else None)


def _sheet(tiles: list[Pixels], columns: int | None = None) -> Pixels:
    """Tiles of one size, side by side on a neutral field."""
    columns = columns or int(np.ceil(np.sqrt(len(tiles))))
    rows = -(-len(tiles) // columns)
    height, width = tiles[0].shape[:2]
    factor = max(1, min(-(-TILE_PX // max(height, width)), SHEET_PX // (max(columns, rows) * (max(height, width) + _GAP_PX))))
    height, width = height * factor + _GAP_PX, width * factor + _GAP_PX
    sheet = np.full((rows * height + _GAP_PX, columns * width + _GAP_PX, 3), _NEUTRAL, np.uint8)
    for number, tile in enumerate(tiles):
        y, x = number // columns * height + _GAP_PX, number % columns * width + _GAP_PX
        sheet[y : y + height - _GAP_PX, x : x + width - _GAP_PX] = _enlarged(tile, factor)
    return sheet


def _blended(photograph: Pixels, colours: Callable[[slice], npt.NDArray[Any]], strengths: Floats, opacity: float) -> Pixels:
    result = photograph.copy()
    for start in range(0, len(result), _STRIP_ROWS):
        rows = slice(start, start + _STRIP_ROWS)
        alpha = (np.abs(strengths[rows]).clip(0, 1) * np.float32(opacity))[:, :, None]
        mixed = result[rows] * (1 - alpha) + colours(rows) * alpha
        result[rows] = mixed.round().astype(np.uint8)
    return result
