"""Draws one photograph of one cucumber whose grade, length, thickness and bend are known."""

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from models.imaging import Pixels
from training.synth.ground import cast_shadow, draw_ground, light
from training.synth.scene import BELT, SceneRanges, draw
from training.synth.shape import SEGMENTS, Shape, place
from training.synth.skin import Floats32, flat_skin, three

_DETAIL_PX: Final = 128  # frames shorter than this are drawn larger and scaled down, as a lens and a sensor would
_TABLE: Final = 2048


@dataclass(frozen=True, slots=True)
class Rendered:
    """A picture and the truth about it, in pixels of that picture."""

    pixels: Pixels
    """(H, W, 3) uint8 RGB."""
    mask: npt.NDArray[np.bool_]
    """(H, W) bool: the fruit, before blur."""
    grade: str
    length_px: float
    """Arc length of the centre line from stem to flower end."""
    width_px: float
    """Greatest thickness."""
    bend_ratio: float
    """Arc height over chord of the centre line."""
    area_px: float
    """Area between the outlines, square pixels."""


@dataclass(frozen=True, slots=True)
class _Fruit:
    """The box around a fruit, cut out of the frame."""

    left: int
    top: int
    lit: Floats32
    """(h, w, 3) float32, colour times coverage."""
    cover: Floats32
    """(h, w) float32, 0 to 1."""


def render(grade: str, size: tuple[int, int], rng: np.random.Generator, scene: SceneRanges = BELT) -> Rendered:
    """Picture of one cucumber of this grade, in a frame of size = (width, height) pixels, wholly inside it.

    The same generator state gives the same picture. Raises ValueError for an unknown grade, and for a frame so narrow that
    no fruit of the grade fits (beyond about 3:1).
    """
    shape = place(grade, size, rng, scene)
    fruit = _draw_fruit(shape, size, rng, scene)
    box = (slice(fruit.top, fruit.top + fruit.cover.shape[0]), slice(fruit.left, fruit.left + fruit.cover.shape[1]))
    cover = np.zeros((size[1], size[0]), np.float32)
    cover[box] = fruit.cover
    picture = draw_ground(size, rng, scene)
    picture *= three(cast_shadow(cover, shape.width, rng, scene))
    picture[box] = picture[box] * three(1 - fruit.cover) + fruit.lit
    picture *= light(size, rng, scene)
    return Rendered(
        pixels=_expose(picture, rng, scene),
        mask=cover > 0.5,
        grade=grade,
        length_px=shape.length,
        width_px=shape.width,
        bend_ratio=shape.bend_ratio,
        area_px=shape.area,
    )


def _draw_fruit(shape: Shape, size: tuple[int, int], rng: np.random.Generator, scene: SceneRanges) -> _Fruit:
    finer = max(1, math.ceil(_DETAIL_PX / max(size)))
    reach = max(shape.left.max(), shape.right.max()) + 2
    left, top = np.maximum(np.floor(shape.line.min(0) - reach), 0).astype(int)
    right, bottom = np.minimum(np.ceil(shape.line.max(0) + reach), size).astype(int)
    along, across = _body_coordinates(shape, (left, top, right, bottom), finer)
    radius, slope = _radius_table(shape)
    index = np.clip((along + 0.125) * (_TABLE / 1.25), 0, _TABLE - 1).astype(np.intp)
    side = (across < 0).astype(np.intp)
    here = radius[side, index]
    inside = (here - np.abs(across)) * slope[side, index] * finer
    cover = np.clip(inside + 0.5, 0, 1)
    lit = _shade(shape, along, across / np.maximum(here, 1e-3), finer, rng, scene) * three(cover)
    target = (int(right - left), int(bottom - top))
    if finer > 1:
        lit = np.asarray(cv2.resize(lit, target, interpolation=cv2.INTER_AREA), np.float32)
        cover = np.asarray(cv2.resize(cover, target, interpolation=cv2.INTER_AREA), np.float32)
    return _Fruit(int(left), int(top), lit, cover)


def _body_coordinates(shape: Shape, box: tuple[int, int, int, int], finer: int) -> tuple[Floats32, Floats32]:
    """For each pixel of the box (left, top, right, bottom), drawn `finer` times larger: where on the fruit it lies.

    Two (h, w) float32 maps: the share of the arc from stem (0) to flower (1), beyond that range outside, and the signed
    distance from the centre line in pixels of the frame. Both are smooth, so a coarse grid is solved and enlarged.
    """
    cell = max(1.0, shape.length / 44)
    # Enlarging repeats the outermost half cell: solve a margin as well and cut it off, or warts at the box's rim grow tufts.
    margin = math.ceil(cell / 2) + 1
    left, top, right, bottom = box[0] - margin, box[1] - margin, box[2] + margin, box[3] + margin
    columns, rows = math.ceil((right - left) / cell), math.ceil((bottom - top) / cell)
    x = left + (np.arange(columns) + 0.5) * ((right - left) / columns)
    y = top + (np.arange(rows) + 0.5) * ((bottom - top) / rows)
    points = np.stack(np.meshgrid(x, y), -1).reshape(-1, 2)
    away = (shape.line**2).sum(1) - 2 * points @ shape.line.T  # squared distance less a term common to a row
    nearest = away.argmin(1)
    tangents = shape.tangents()[nearest]
    gap = points - shape.line[nearest]
    along = nearest / SEGMENTS + (gap * tangents).sum(1) / shape.length
    across = gap[:, 1] * tangents[:, 0] - gap[:, 0] * tangents[:, 1]
    target = ((right - left) * finer, (bottom - top) * finer)
    maps = (cv2.resize(part.reshape(rows, columns).astype(np.float32), target) for part in (along, across))
    cut = slice(margin * finer, -margin * finer)
    first, second = (np.ascontiguousarray(part[cut, cut], np.float32) for part in maps)
    return first, second


def _radius_table(shape: Shape) -> tuple[Floats32, Floats32]:
    """Radius by arc share -0.125 to 1.125 on the left and right side, pixels, and the cosine of the outline's slope.

    Two (2, _TABLE) float32 tables. Beyond the ends the radius goes on below 0, so that the tips have an edge as well.
    """
    share = (np.arange(_TABLE) + 0.5) * (1.25 / _TABLE) - 0.125
    grid = np.linspace(0, 1, SEGMENTS + 1)
    beyond = np.minimum(share, 0) + np.minimum(1 - share, 0)
    # sqrt is how a rounded end closes; between nodes the radius is interpolated in its square
    sides = [np.sqrt(np.interp(share, grid, side**2)) + beyond * shape.length for side in (shape.left, shape.right)]
    radius = np.stack(sides)
    steps = np.gradient(radius, axis=1) / (shape.length * 1.25 / _TABLE)
    return radius.astype(np.float32), (1 / np.sqrt(1 + np.clip(steps, -4, 4) ** 2)).astype(np.float32)


def _shade(shape: Shape, along: Floats32, q: Floats32, finer: int, rng: np.random.Generator, scene: SceneRanges) -> Floats32:
    """Lit skin, (h, w, 3) float32; `q` is the share of the radius at a pixel, -1 to 1 on the fruit."""
    skin = flat_skin(shape.length * finer, shape.width * finer, rng, scene)
    rows, columns = skin.relief.shape
    q = np.clip(q, -1, 1)
    up = np.sqrt(1 - q * q)
    map_x, map_y = along * (columns - 1), (np.arctan2(q, up) / np.float32(math.pi) + 0.5) * (rows - 1)
    colour = np.asarray(cv2.remap(skin.colour, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
    relief = np.asarray(cv2.remap(skin.relief, map_x, map_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))
    tilt = draw(rng, (-0.9, 0.9))  # where around the fruit the lamp stands, radians
    ambient = draw(rng, (0.35, 0.6))
    diffuse = ambient + (1.12 - ambient) * np.maximum(up * math.cos(tilt) + q * math.sin(tilt), 0)
    band = np.exp(-(((q - math.sin(tilt) * 0.7) / draw(rng, (0.12, 0.3))) ** 2))
    uneven = np.interp(np.linspace(0, 1, 256), np.linspace(0, 1, 12), rng.uniform(0.3, 1.0, 12)).astype(np.float32)
    glint = draw(rng, scene.highlight) * band * uneven[np.clip(along * 256, 0, 255).astype(np.intp)] * (1 + 0.8 * relief)
    return np.asarray(colour * three(diffuse) + three(np.maximum(glint, 0)), np.float32)


def _expose(picture: Floats32, rng: np.random.Generator, scene: SceneRanges) -> Pixels:
    """Blur and sensor noise: (H, W, 3) float32, 0 to 1 -> (H, W, 3) uint8."""
    height, width = picture.shape[:2]
    sigma = draw(rng, scene.blur_px) * max(1.0, max(width, height) / 320)
    smear = draw(rng, (1.0, 1.6))  # the belt moves while the shutter is open
    if sigma > 0.2:
        along, across = (sigma * smear, sigma) if width >= height else (sigma, sigma * smear)
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), along, sigmaY=across), np.float32)
    level = draw(rng, scene.noise)
    picture = picture + three(level * rng.standard_normal((height, width), np.float32))
    # Colour noise is blotchy: a sensor measures each colour at every second pixel only.
    blotches = rng.standard_normal((-(-height // 2), -(-width // 2), 3), np.float32) * (0.8 * level)
    picture += np.asarray(cv2.resize(blotches, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    return np.asarray(cv2.convertScaleAbs(np.clip(picture, 0, 1, out=picture), alpha=255), np.uint8)
