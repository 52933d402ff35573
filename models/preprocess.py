"""The one path from a photograph to a network input, shared by training and serving and stored in the model card.

The earlier system computed one of its inputs differently in training and in serving (1.93x apart) and lost its accuracy to
that; here a spec travels inside the ONNX file and both sides call `PreprocessSpec.from_bytes` or `from_pixels`.
"""

from typing import Literal, Self

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from models.imaging import DEFAULT_LIMITS, ImageLimits, Pixels, decode, read_header


class PreprocessSpec(BaseModel):
    """How an upright RGB photograph becomes the (height, width, 3) uint8 input of a network.

    Nothing normalises here: scaling to 0..1, `mean`, `std` and the reduction to grey are layers inside the network's graph
    (`models.architectures.served.ServedNetwork`), so that whoever holds the ONNX file cannot get them wrong.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    width: int = Field(32, ge=8, le=1024, description="network input width, pixels")
    height: int = Field(32, ge=8, le=1024, description="network input height, pixels")
    fit: Literal["letterbox", "stretch"] = Field(
        "letterbox", description="letterbox keeps the aspect (length against thickness is the grade) and pads; stretch does not"
    )
    orient: Literal["landscape", "as_is"] = Field(
        "landscape",
        description="landscape turns a photograph taller than wide by 90 degrees: fruit lie along the rows",
    )
    channels: Literal[1, 3] = Field(3, description="1: the graph reduces RGB to grey by the mean of its channels")
    mean: tuple[float, ...] = Field((0.5, 0.5, 0.5), description="subtracted from values in 0..1, inside the graph")
    std: tuple[float, ...] = Field((0.25, 0.25, 0.25), description="divides what is left, inside the graph")

    @model_validator(mode="after")
    def _normalises(self) -> Self:
        # torch would stretch one value over three channels without a word.
        if min(len(self.mean), len(self.std)) < self.channels or min(self.std) <= 0:
            raise ValueError(f"mean and std need a value for each of {self.channels} channels, std above 0")
        return self

    def from_bytes(self, data: bytes, limits: ImageLimits = DEFAULT_LIMITS) -> Pixels:
        """Encoded photograph -> (height, width, 3) uint8 RGB; JPEGs are scaled down inside the decoder first.

        Raises EmptyBody, UndecodableImage, TooManyPixels.
        """
        header = read_header(data, limits)
        return self.from_pixels(decode(data, header, self.decode_size(header.width, header.height)))

    def from_pixels(self, rgb: Pixels) -> Pixels:
        """Upright photograph, (h, w, 3) uint8 RGB of any size -> (height, width, 3) uint8 RGB."""
        turned, left, top, width, height = self.placed(rgb.shape[1], rgb.shape[0])
        if turned:
            rgb = np.ascontiguousarray(np.rot90(rgb))
        if (rgb.shape[1], rgb.shape[0]) != (width, height):
            shrinks = width <= rgb.shape[1] and height <= rgb.shape[0]
            interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
            rgb = np.asarray(cv2.resize(rgb, (width, height), interpolation=interpolation), np.uint8)
        if (width, height) == (self.width, self.height):
            return rgb
        padded = np.empty((self.height, self.width, 3), np.uint8)
        padded[:] = _border_colour(rgb)
        padded[top : top + height, left : left + width] = rgb
        return padded

    def placed(self, width: int, height: int) -> tuple[bool, int, int, int, int]:
        """Where an upright photograph of this size, pixels, lies in the network's input: (turned, left, top, width, height).

        `turned`: by 90 degrees counterclockwise, as `np.rot90` does; the others in pixels of the input.
        """
        turned = self.orient == "landscape" and height > width
        fitted_width, fitted_height = self._fitted(*((height, width) if turned else (width, height)))
        return turned, (self.width - fitted_width) // 2, (self.height - fitted_height) // 2, fitted_width, fitted_height

    def decode_size(self, width: int, height: int) -> tuple[int, int]:
        """The (width, height) in pixels that a photograph of this upright size is needed at: no smaller on either side."""
        turned, _, _, fitted_width, fitted_height = self.placed(width, height)
        return (fitted_height, fitted_width) if turned else (fitted_width, fitted_height)

    def _fitted(self, width: int, height: int) -> tuple[int, int]:
        if self.fit == "stretch":
            return self.width, self.height
        scale = min(self.width / width, self.height / height)
        return max(1, round(width * scale)), max(1, round(height * scale))


def _border_colour(rgb: Pixels) -> Pixels:
    """Median colour of the outermost pixels, (3,) uint8: the belt, even where a fruit touches one side."""
    border = np.concatenate([rgb[0], rgb[-1], rgb[:, 0], rgb[:, -1]])
    middle = len(border) // 2
    colour: Pixels = np.partition(border, middle, axis=0)[middle]  # np.median goes through float64 and costs far more
    return colour
