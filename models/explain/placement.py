"""Where a photograph lies in the network's input, and the way back: maps and boxes onto the photograph. Loads no torch.

The arithmetic is `PreprocessSpec.placed`, the same that made the input.
"""

from dataclasses import asdict, dataclass
from typing import Any, Self

import cv2
import numpy as np
import numpy.typing as npt

from models.explain.result import Floats
from models.preprocess import PreprocessSpec

Box = tuple[float, float, float, float]
"""x0, y0, x1, y1 in pixels; x1 and y1 are not part of it."""


@dataclass(frozen=True, slots=True)
class Placement:
    """The box of a photograph inside the network's input; all sizes in pixels."""

    rotated: bool
    """The input holds the photograph turned by 90 degrees counterclockwise."""
    left: int
    top: int
    width: int
    height: int
    input_width: int
    input_height: int
    photograph_width: int
    photograph_height: int

    @classmethod
    def of(cls, spec: PreprocessSpec, width: int, height: int, prepared_from: tuple[int, int] | None = None) -> Self:
        """Of an upright photograph of this size. `prepared_from` is the (width, height) that its pixels had when the input was
        made, where the decoder scaled them down first: the box may then differ by a pixel.
        """
        placed = spec.placed(*(prepared_from or (width, height)))
        return cls(*placed, spec.width, spec.height, width, height)

    def to_json(self) -> dict[str, Any]:
        """Without the photograph's size, which stands beside it."""
        return {name: value for name, value in asdict(self).items() if not name.startswith("photograph_")}

    def to_photograph(self, values: npt.NDArray[Any]) -> Floats:
        """(h, w) or (h, w, C) over the whole input, at any resolution -> float32 over the photograph, at its own size.

        What lies on the letterbox is cut off, the turn is undone, and values in between are interpolated linearly.
        """
        whole = np.asarray(values, np.float32)
        if whole.shape[:2] != (self.input_height, self.input_width):
            whole = _resized(whole, self.input_width, self.input_height)
        part = whole[self.top : self.top + self.height, self.left : self.left + self.width]
        if self.rotated:
            part = np.rot90(part, -1)
        return _resized(part, self.photograph_width, self.photograph_height)

    def box_to_photograph(self, box: Box) -> Box:
        """A box in pixels of the input -> in pixels of the photograph, clipped to it."""
        x0, y0, x1, y1 = box
        across = self.photograph_height if self.rotated else self.photograph_width
        along = self.photograph_width if self.rotated else self.photograph_height
        u0, u1 = (min(max((x - self.left) / self.width, 0.0), 1.0) * across for x in (x0, x1))
        v0, v1 = (min(max((y - self.top) / self.height, 0.0), 1.0) * along for y in (y0, y1))
        return (along - v1, u0, along - v0, u1) if self.rotated else (u0, v0, u1, v1)

    def box_to_input(self, box: Box) -> Box:
        """A box in pixels of the photograph -> in pixels of the input: the inverse of `box_to_photograph`."""
        x0, y0, x1, y1 = box
        if self.rotated:
            x0, y0, x1, y1 = y0, self.photograph_width - x1, y1, self.photograph_width - x0
        across = self.photograph_height if self.rotated else self.photograph_width
        along = self.photograph_width if self.rotated else self.photograph_height
        wide, high = self.width / across, self.height / along
        return self.left + x0 * wide, self.top + y0 * high, self.left + x1 * wide, self.top + y1 * high


def _resized(values: Floats, width: int, height: int) -> Floats:
    channels = values.shape[2:]
    resized = cv2.resize(np.ascontiguousarray(values), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(resized, np.float32).reshape(height, width, *channels)
