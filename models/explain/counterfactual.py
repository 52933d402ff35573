"""Hide this, and it becomes another grade: the smallest part of a photograph that decides it. Loads no torch.

The scorer is any function from photographs to logits, so the served graph itself answers.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Final

import numpy as np
import numpy.typing as npt

from models.imaging import Pixels

Scores = Callable[[Pixels], npt.NDArray[np.float32]]
"""(N, H, W, 3) uint8 -> (N, K) logits."""
Box = tuple[int, int, int, int]
"""x0, y0, x1, y1 in pixels of the network's input, the last two outside."""

SHAPES: Final = ((1 / 8, 1 / 8), (1 / 4, 1 / 4), (1 / 8, 1 / 2), (1 / 2, 1 / 8), (3 / 8, 3 / 8))
"""Height and width of the windows, as shares of the photograph's: squares, and bars along the fruit and across it. They move by
half their sides, so that they are 389 in all."""


@dataclass(frozen=True, slots=True)
class Counterfactual:
    box: Box
    grade: int
    """Index of the logit that is greatest once the box is hidden."""
    probability: float
    """Of that grade then, 0..1."""


def counterfactual(
    score: Scores, photograph: Pixels, temperature: float = 1.0, fill: Pixels | None = None, batch: int = 64
) -> Counterfactual | None:
    """The smallest window whose hiding behind the belt changes the best grade; None where no window does.

    photograph (H, W, 3) uint8 of the network's size; `fill` is what hides, (3,) or (H, W, 3) uint8, by default the belt's colour.
    Among windows of the smallest area that changes it, the one after which the new grade is most probable, under
    softmax(logits / temperature); then the first from the top left. Windows are tried from the smallest on, `batch` at a time, at
    most 390 photographs in all. The same photograph gives the same answer.
    """
    height, width = photograph.shape[:2]
    best = int(score(photograph[None])[0].argmax())
    cover = belt_colour(photograph) if fill is None else fill
    for _, same_area in groupby(sorted(windows(height, width), key=area_px), key=area_px):
        boxes = list(same_area)
        logits = np.concatenate(
            [score(hidden(photograph, boxes[at : at + batch], cover)) for at in range(0, len(boxes), batch)]
        ).astype(np.float64)
        scaled = (logits - logits.max(axis=1, keepdims=True)) / temperature
        probabilities = np.exp(scaled) / np.exp(scaled).sum(axis=1, keepdims=True)
        grades = logits.argmax(axis=1)
        changed = np.where(grades != best, probabilities.max(axis=1), -1.0)
        if changed.max() >= 0:
            at = int(changed.argmax())
            return Counterfactual(boxes[at], int(grades[at]), float(changed[at]))
    return None


def windows(height_px: int, width_px: int) -> Iterator[Box]:
    """Every window of SHAPES, row by row, from edge to edge."""
    for tall, wide in SHAPES:
        rows, columns = _spans(height_px, tall), _spans(width_px, wide)
        yield from ((x0, y0, x1, y1) for y0, y1 in rows for x0, x1 in columns)


def area_px(box: Box) -> int:
    x0, y0, x1, y1 = box
    return (x1 - x0) * (y1 - y0)


def hidden(photograph: Pixels, boxes: list[Box], cover: Pixels) -> Pixels:
    """(H, W, 3) uint8 -> (N, H, W, 3), in each of which one box shows `cover`, (3,) or (H, W, 3)."""
    behind = np.broadcast_to(cover, photograph.shape)
    copies = np.repeat(photograph[None], len(boxes), axis=0)
    for copy, (x0, y0, x1, y1) in zip(copies, boxes, strict=True):
        copy[y0:y1, x0:x1] = behind[y0:y1, x0:x1]
    return copies


def belt_colour(photograph: Pixels) -> Pixels:
    """Median colour of the outermost pixels of (H, W, 3) uint8, (3,): what letterboxed photographs are padded with."""
    border = np.concatenate([photograph[0], photograph[-1], photograph[:, 0], photograph[:, -1]])
    colour: Pixels = np.sort(border, axis=0)[len(border) // 2]
    return colour


def _spans(side_px: int, share: float) -> list[tuple[int, int]]:
    """Start and end of windows of that share of a side, each half a window after the one before, the last at the edge."""
    window_px = max(1, math.ceil(share * side_px))
    count = math.ceil((1 - share) / (share / 2)) + 1
    starts = np.unique(np.linspace(0, side_px - window_px, count).round().astype(int))
    return [(int(start), int(start) + window_px) for start in starts]
