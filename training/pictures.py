"""Pictures of a network and of its errors, drawn without a plotting library: (H, W, 3) uint8 RGB arrays."""

from collections.abc import Sequence
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt
from torch import Tensor

from models.imaging import Pixels
from training.synth.contact_sheet import contact_sheet

_CELL_PX: Final = 44
_INK: Final = (28, 35, 33)


def filter_grid(weights: Tensor, columns: int = 8, cell_px: int = 48) -> Pixels:
    """Filters of a first convolution, (O, I, h, w) float -> a grid of them; grey is 0, all on one scale.

    Filters of three input channels are shown in colour, others by the mean over their inputs.
    """
    kernels = weights.detach().float().numpy().transpose(0, 2, 3, 1)  # O x h x w x I
    if kernels.shape[3] != 3:
        kernels = kernels.mean(axis=3, keepdims=True).repeat(3, axis=3)
    scale = float(np.abs(kernels).max()) or 1.0
    shown = np.clip(127.5 + 127.5 * kernels / scale, 0, 255).astype(np.uint8)
    step, rows = cell_px + 2, -(-len(shown) // columns)
    grid = np.full((rows * step, min(columns, len(shown)) * step, 3), 255, np.uint8)
    for index, kernel in enumerate(shown):
        top, left = (index // columns) * step + 1, (index % columns) * step + 1
        enlarged = cv2.resize(np.ascontiguousarray(kernel), (cell_px, cell_px), interpolation=cv2.INTER_NEAREST)
        grid[top : top + cell_px, left : left + cell_px] = enlarged
    return grid


def confusion_picture(confusion: npt.NDArray[np.integer], grades: Sequence[str]) -> Pixels:
    """(K, K) counts, true grade by row, predicted by column -> a table; the darker a cell, the larger its share of the row."""
    sides = len(grades) + 1
    sheet = np.full((sides * _CELL_PX, sides * _CELL_PX, 3), 255, np.uint8)
    shares = confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)
    for i, grade in enumerate(grades):
        _write(sheet, grade, i + 1, 0)
        _write(sheet, grade, 0, i + 1)
        for j in range(len(grades)):
            top, left = (i + 1) * _CELL_PX, (j + 1) * _CELL_PX
            full = np.array((60, 150, 90) if i == j else (205, 90, 50))
            colour = 255 + (full - 255) * shares[i, j]
            sheet[top : top + _CELL_PX - 1, left : left + _CELL_PX - 1] = colour.astype(np.uint8)
            if confusion[i, j]:
                _write(sheet, str(confusion[i, j]), i + 1, j + 1)
    return sheet


def error_sheet(
    inputs: npt.NDArray[np.uint8],
    probabilities: npt.NDArray[np.floating],
    truth: npt.NDArray[np.integer],
    grades: Sequence[str],
    most: int = 36,
) -> Pixels | None:
    """The most confident errors, labelled "true>predicted"; None where there are none.

    inputs (N, H, W, 3) uint8, probabilities (N, K), truth (N,) indices into `grades`.
    """
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(predicted != truth)
    chosen = wrong[np.argsort(-confidence[wrong], kind="stable")][:most]
    if not len(chosen):
        return None
    return contact_sheet([(f"{grades[truth[i]]}>{grades[predicted[i]]} {confidence[i]:.0%}", inputs[i]) for i in chosen], 6)


def _write(sheet: Pixels, text: str, row: int, column: int) -> None:
    (width, height), _ = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, 0.42, 1)
    at = (column * _CELL_PX + (_CELL_PX - width) // 2, row * _CELL_PX + (_CELL_PX + height) // 2)
    cv2.putText(sheet, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.42, _INK, 1, cv2.LINE_AA)
