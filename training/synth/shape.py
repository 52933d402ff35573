"""The geometry of one fruit: a centre line with a radius on either side, drawn so that the grade is known.

A shape is the truth of a render: length, thickness, bend and area are computed from it and never from pixels.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from models.grades import BENT, GRADES, STRAIGHT
from training.synth.scene import SceneRanges

Floats = npt.NDArray[np.float64]

SEGMENTS: Final = 64
_MIDDLING_LENGTH: Final = 0.66
_PLACINGS: Final = 60  # fruit drawn before a frame is called too narrow


@dataclass(frozen=True, slots=True)
class Shape:
    """A placed fruit in pixels of the frame; index 0 is the stem end, the last one the flower end."""

    line: Floats
    """(SEGMENTS + 1, 2) float64: x, y of the centre line, equally spaced along the arc."""
    left: Floats
    """(SEGMENTS + 1,) float64: radius on the side of the left-hand normal (-dy, dx)."""
    right: Floats
    length: float
    """Arc length of the centre line."""

    @property
    def width(self) -> float:
        """Greatest thickness, pixels."""
        return float((self.left + self.right).max())

    @property
    def bend_ratio(self) -> float:
        """Greatest distance of the centre line from its chord, over the chord."""
        return bend_of(self.line)

    @property
    def area(self) -> float:
        """Square pixels between the two outlines (trapezoid rule; a bend adds on one side what it takes on the other)."""
        across = self.left + self.right
        return float((across[1:] + across[:-1]).sum() / 2 * self.length / SEGMENTS)

    def tangents(self) -> Floats:
        """(SEGMENTS + 1, 2) float64, unit length."""
        steps = np.gradient(self.line, axis=0)
        return np.asarray(steps / np.linalg.norm(steps, axis=1, keepdims=True))


def place(grade: str, size: tuple[int, int], rng: np.random.Generator, scene: SceneRanges) -> Shape:
    """Draw a fruit of this grade and lay it into a frame of size = (width, height) pixels, wholly inside.

    A fruit that would leave the frame is turned less, then drawn again; its length is never changed, because in a fixed
    field of view the length is the grade. Raises ValueError for an unknown grade, or where nothing fits so narrow a frame.
    """
    if grade not in GRADES:
        raise ValueError(f"{grade!r} is none of the grades {' '.join(GRADES)}")
    long_side, short_side = max(size), min(size)
    margin = max(1.0, 0.015 * short_side)
    room = np.array(size, np.float64) - 2 * margin
    for _ in range(_PLACINGS):
        line, left, right, length = _draw(grade, rng, scene)
        turn = rng.uniform(*scene.rotation_deg)
        upside = math.pi if rng.random() < 0.5 else 0.0  # the stem lies at either end
        along = math.pi / 2 if size[1] > size[0] else 0.0
        for share in (1.0, 0.5, 0.0):
            angle = along + upside + math.radians(turn) * share
            turned = line @ np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]]) * long_side
            shape = Shape(turned, left * long_side, right * long_side, length * long_side)
            low, high = _extent(shape)
            slack = room - (high - low)
            if (slack >= 0).all():
                corner = margin + slack * (0.5 + scene.spread * rng.uniform(-0.5, 0.5, 2))
                return Shape(turned + (corner - low), shape.left, shape.right, shape.length)
    raise ValueError(f"no cucumber of grade {grade} fits a frame of {size[0]} x {size[1]} pixels; use one less than 3:1")


def bend_of(line: Floats) -> float:
    """Arc height over chord of a centre line, (n, 2) float64."""
    chord = line[-1] - line[0]
    reach = float(np.hypot(*chord))
    away = (line - line[0]) @ np.array([-chord[1], chord[0]])
    return float(np.abs(away).max() / max(reach * reach, 1e-12))


def _extent(shape: Shape) -> tuple[Floats, Floats]:
    """Lowest and highest x, y of the outline."""
    tangents = shape.tangents()
    normals = np.stack([-tangents[:, 1], tangents[:, 0]], 1)
    outline = np.concatenate([shape.line + normals * shape.left[:, None], shape.line - normals * shape.right[:, None]])
    return outline.min(0), outline.max(0)


def _draw(grade: str, rng: np.random.Generator, scene: SceneRanges) -> tuple[Floats, Floats, Floats, float]:
    """Centre line, radii and arc length in shares of the frame's long side, chord along x."""
    length = rng.uniform(*scene.lengths[grade])
    thickness = rng.uniform(*scene.thickness) * (length / _MIDDLING_LENGTH) ** 0.3
    u = np.linspace(0.0, 1.0, SEGMENTS + 1)
    profile = _profile(u, thickness / 2 / length, rng)
    if grade in STRAIGHT:
        line = _bent_line(u, rng.uniform(*scene.straight_bend), rng)
    elif grade in BENT:
        line = _bent_line(u, rng.uniform(*scene.bent_bend), rng)
    else:
        line, factor = _misshapen(u, rng)
        profile = profile * factor
    if rng.random() < 0.5:
        line = line * (1.0, -1.0)
    radius = profile * thickness / 2
    # Warts stand out of the silhouette by a few hundredths of the radius; each side has its own.
    left, right = (radius * (1 + 0.035 * np.clip(rng.standard_normal(SEGMENTS + 1), -1, 1)) for _ in range(2))
    return line * length, left, right, length


def _profile(u: Floats, radius: float, rng: np.random.Generator) -> Floats:
    """Radius along the fruit, 0 at both ends and at most 1: rounded ends, a belly, a slimmer stem side.

    `radius` is the half thickness over the length: ends are rounded over about that distance.
    """
    stem, flower = rng.uniform(1.0, 2.0) * radius, rng.uniform(0.8, 1.6) * radius
    power = rng.uniform(1.9, 2.6)
    rounded = _rounded(u / stem, power) * _rounded((1 - u) / flower, power)
    slim = 1 - rng.uniform(0.0, 0.22) * np.exp(-u / rng.uniform(0.12, 0.3))
    belly = 1 - rng.uniform(0.0, 0.14) * (2 * (u - rng.uniform(0.42, 0.62))) ** 2
    profile = slim * belly
    profile = rounded * profile / profile.max()
    # What is left of the stalk, cut off by the picker; the shoulders of the fruit begin behind it.
    stub = rng.uniform(0.0, 0.024)
    profile = np.interp(u, stub + u * (1 - stub), profile, left=0.0)
    return np.asarray(np.where(u <= max(stub, 0.6 / SEGMENTS), np.maximum(profile, rng.uniform(0.16, 0.28)), profile))


def _rounded(x: Floats, power: float) -> Floats:
    """0 at x = 0, 1 from x = 1 on, leaving 0 steeply as an ellipse does."""
    return np.asarray((1 - (1 - np.clip(x, 0, 1)) ** power) ** (1 / power))


def _bent_line(u: Floats, bend_ratio: float, rng: np.random.Generator) -> Floats:
    """Unit-length centre line, (n, 2), of this arc height over chord, bent one way only but not as an even circle."""
    curvature = 0.45 + np.exp(-(((u - rng.uniform(0.32, 0.68)) / rng.uniform(0.3, 0.7)) ** 2))
    turning = 4 * math.atan(2 * bend_ratio)  # exact for a circle; the loop corrects for the uneven curvature
    for _ in range(3):
        line = _line(u, curvature * turning / _integral(curvature))
        turning *= bend_ratio / max(bend_of(line), 1e-9)
    return _line(u, curvature * turning / _integral(curvature))


def _misshapen(u: Floats, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Centre line of unit length and factor on the radius of one clear deformity; either end may be the deformed one."""
    kind = rng.choice(["bulb", "waist", "neck", "hook", "s_bend", "curl"])
    factor = np.ones_like(u)
    line = _bent_line(u, rng.uniform(0.0, 0.12), rng)
    if kind == "bulb":
        factor = 0.74 + rng.uniform(1.0, 1.3) / (1 + np.exp((rng.uniform(0.28, 0.38) - u) * -22))
    elif kind == "waist":
        factor = 1.5 - rng.uniform(0.95, 1.08) * np.exp(-(((u - rng.uniform(0.4, 0.6)) / rng.uniform(0.15, 0.19)) ** 2))
    elif kind == "neck":
        start = rng.uniform(0.5, 0.65)
        factor = 1.4 - rng.uniform(1.0, 1.1) * np.clip((start - u) / (start - 0.12), 0, 1) ** 0.8
    elif kind == "hook":
        turning = math.radians(rng.uniform(95, 130))
        curvature = np.exp(-(((u - rng.uniform(0.2, 0.28)) / 0.13) ** 2)) + 0.04
        line = _line(u, curvature * turning / _integral(curvature))
    elif kind == "s_bend":
        line = _line(u, math.radians(rng.uniform(95, 125)) * math.pi * np.sin(2 * math.pi * u))
    else:
        line = _bent_line(u, rng.uniform(0.34, 0.44), rng)
    if rng.random() < 0.5:
        factor, line = factor[::-1], line[::-1] * (-1.0, 1.0)
    return line, factor


def _line(u: Floats, curvature: Floats) -> Floats:
    """Integrate curvature (radians over the unit length) to points (n, 2) whose chord lies along x."""
    step = u[1] - u[0]
    heading = np.concatenate([[0.0], np.cumsum((curvature[1:] + curvature[:-1]) / 2 * step)])
    middle = (heading[1:] + heading[:-1]) / 2
    line = np.zeros((len(u), 2))
    line[1:, 0], line[1:, 1] = np.cumsum(np.cos(middle)) * step, np.cumsum(np.sin(middle)) * step
    angle = math.atan2(line[-1, 1], line[-1, 0])
    return np.asarray(line @ np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]]))


def _integral(values: Floats) -> float:
    """Trapezoid rule over the unit interval."""
    return float((values[1:] + values[:-1]).sum() / 2 / (len(values) - 1))
