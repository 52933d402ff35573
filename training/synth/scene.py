"""What a rendered scene may look like: ranges that every picture draws from. Another camera or belt is another instance."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

import numpy as np

Range = tuple[float, float]
"""Lowest and highest value, drawn uniformly."""
Colour = tuple[int, int, int]
"""sRGB, 0 to 255."""

_BELT_LENGTHS: Final[Mapping[str, Range]] = MappingProxyType(
    {
        "2L": (0.875, 0.920),
        "L": (0.745, 0.785),
        "M": (0.625, 0.660),
        "S": (0.515, 0.550),
        "2S": (0.415, 0.450),
        "BL": (0.730, 0.900),
        "BM": (0.605, 0.665),
        "BS": (0.440, 0.545),
        "C": (0.560, 0.860),
    }
)
_BELT_SKINS: Final[tuple[Colour, ...]] = ((30, 52, 24), (46, 78, 32), (60, 96, 38), (36, 70, 42), (76, 110, 44), (42, 74, 24))
_BELT_GROUNDS: Final[tuple[Colour, ...]] = (
    (58, 60, 63),  # dark rubber
    (82, 84, 84),  # worn rubber
    (104, 122, 142),  # blue-grey PVC
    (86, 110, 150),  # food-grade blue
    (176, 182, 184),  # white-grey
    (206, 206, 198),  # off-white
)


@dataclass(frozen=True, slots=True)
class SceneRanges:
    """Ranges of shape and nuisance. Lengths are shares of the frame's long side, brightness runs from 0 to 1."""

    lengths: Mapping[str, Range] = field(default_factory=lambda: _BELT_LENGTHS)
    """Arc length of the centre line by grade. Neighbouring straight grades keep a gap: the camera's field of view is fixed."""
    thickness: Range = (0.088, 0.120)
    """Greatest thickness of a fruit of middling length; longer fruit are mildly thicker."""
    straight_bend: Range = (0.0, 0.032)
    """Arc height over chord of 2L L M S 2S."""
    bent_bend: Range = (0.120, 0.200)
    """Arc height over chord of BL BM BS."""
    rotation_deg: Range = (-12.0, 12.0)
    """Against the long side; halved or dropped where the fruit would leave a narrow frame."""

    spread: float = 0.84
    """How much of the free room the fruit are scattered over; 0 puts every fruit into the middle."""

    grounds: tuple[Colour, ...] = _BELT_GROUNDS
    ground_jitter: float = 0.05
    grain: Range = (0.006, 0.040)
    """Standard deviation of the belt's brightness, relative."""
    rib_share: float = 0.45
    """Share of pictures whose belt has ribs."""
    lane_mark_share: float = 0.30
    """Share of pictures with a painted lane mark."""
    specks: tuple[int, int] = (0, 6)
    """Crumbs of soil and scuffs of the belt, fewest and most."""

    gradient: Range = (0.02, 0.38)
    """How much brighter one side of the frame is than the other, relative."""
    exposure: Range = (0.78, 1.20)
    warmth: Range = (-0.09, 0.09)
    """Colour temperature: positive is warmer (more red, less blue)."""
    shadow: Range = (0.10, 0.50)
    """Darkness of the cast shadow."""

    skins: tuple[Colour, ...] = _BELT_SKINS
    skin_jitter: float = 0.18
    """Relative brightness of one fruit's skin against the palette."""
    mottle: Range = (0.03, 0.16)
    prickles: Range = (0.15, 0.75)
    """Contrast of the warts."""
    highlight: Range = (0.05, 0.34)
    pale_tip: Range = (0.15, 0.85)
    """How far the flower end fades to yellow."""
    scars: tuple[int, int] = (0, 3)

    blur_px: Range = (0.0, 0.6)
    """Standard deviation in pixels of a small frame; frames longer than 320 px are blurred in proportion."""
    noise: Range = (0.004, 0.018)
    jpeg_quality: tuple[int, int] = (80, 95)


BELT: Final = SceneRanges()
"""A conveyor under packing-house lamps."""

RIG: Final = SceneRanges(
    lengths=MappingProxyType(
        {
            "2L": (0.885, 0.920),
            "L": (0.810, 0.840),
            "M": (0.740, 0.765),
            "S": (0.670, 0.695),
            "2S": (0.595, 0.625),
            "BL": (0.800, 0.900),
            "BM": (0.720, 0.765),
            "BS": (0.595, 0.680),
            "C": (0.560, 0.800),
        }
    ),
    thickness=(0.095, 0.125),
    spread=0.55,
    grounds=((190, 194, 190), (176, 180, 214), (168, 176, 206), (196, 198, 200), (184, 190, 226), (178, 180, 174)),
    ground_jitter=0.04,
    grain=(0.002, 0.012),
    rib_share=0.0,
    lane_mark_share=0.0,
    specks=(0, 1),
    gradient=(0.08, 0.42),
    exposure=(0.84, 1.10),
    warmth=(-0.05, 0.05),
    shadow=(0.40, 0.70),
    skins=((28, 62, 20), (22, 48, 18), (42, 80, 22), (26, 58, 30)),
    mottle=(0.08, 0.26),
    prickles=(0.5, 1.1),
    highlight=(0.25, 0.60),
    blur_px=(0.0, 0.35),
    noise=(0.003, 0.012),
    jpeg_quality=(85, 95),
)
"""A fixed photography box: plain blue-grey ground, one lamp, fruit seen from a little farther away."""

MEASURING: Final = replace(
    RIG,
    lengths=MappingProxyType(dict.fromkeys(RIG.lengths, (0.52, 0.96))),
    thickness=(0.125, 0.205),
    straight_bend=(0.0, 0.12),
    bent_bend=(0.03, 0.22),
    rotation_deg=(-14.0, 14.0),
    spread=0.6,
    shadow=(0.3, 0.8),
)
"""The same box with fruit of every length, thickness and bend, whatever their grade: for learning to measure."""

SCENES: Final[Mapping[str, SceneRanges]] = MappingProxyType({"belt": BELT, "rig": RIG})
"""The scenes of labelled samples, by name."""


def draw(rng: np.random.Generator, bounds: Range) -> float:
    """One uniform draw as a Python float, so that float32 pictures stay float32."""
    return float(rng.uniform(*bounds))
