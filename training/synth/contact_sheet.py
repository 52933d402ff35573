"""A grid of labelled pictures, to look at any labelled set with one's own eyes."""

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np

from models.imaging import Pixels

_PAPER: Final = 24
_INK: Final = (235, 235, 235)
_LABEL_PX: Final = 16


def contact_sheet(images: Sequence[tuple[str, Pixels]], columns: int = 12, cell_px: int = 96) -> Pixels:
    """Pictures with their grade below, in the order given: (label, (h, w, 3) uint8 RGB) pairs -> (H, W, 3) uint8 RGB.

    Each picture keeps its aspect inside a square of cell_px; small ones are enlarged pixel by pixel, never smoothed, so that
    the sheet shows what a network sees. An empty sequence gives one empty cell.
    """
    if columns < 1 or cell_px < 8:
        raise ValueError(f"a sheet needs at least 1 column and cells of 8 pixels, not {columns} and {cell_px}")
    columns = min(columns, max(1, len(images)))
    rows = max(1, -(-len(images) // columns))
    step_y = cell_px + _LABEL_PX
    sheet = np.full((rows * step_y, columns * cell_px, 3), _PAPER, np.uint8)
    for index, (label, pixels) in enumerate(images):
        row, column = divmod(index, columns)
        fitted = _fit(pixels, cell_px - 2)
        height, width = fitted.shape[:2]
        top, left = row * step_y + (cell_px - height) // 2, column * cell_px + (cell_px - width) // 2
        sheet[top : top + height, left : left + width] = fitted
        (text_px, _), _ = cv2.getTextSize(label, cv2.FONT_HERSHEY_SIMPLEX, 0.42, 1)
        at = (column * cell_px + max(0, (cell_px - text_px) // 2), row * step_y + cell_px + 12)
        cv2.putText(sheet, label, at, cv2.FONT_HERSHEY_SIMPLEX, 0.42, _INK, 1, cv2.LINE_AA)
    return sheet


def _fit(pixels: Pixels, side_px: int) -> Pixels:
    scale = side_px / max(pixels.shape[:2])
    size = max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    return np.asarray(cv2.resize(pixels, size, interpolation=method), np.uint8)
