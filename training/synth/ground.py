"""What a fruit lies on and is lit by: belt, lane marks, specks, light gradient and cast shadow."""

import math

import cv2
import numpy as np

from training.synth.scene import SceneRanges, draw
from training.synth.skin import Floats32, three, tinted


def draw_ground(size: tuple[int, int], rng: np.random.Generator, scene: SceneRanges) -> Floats32:
    """An empty belt of size = (width, height) pixels -> (height, width, 3) float32, 0 to 1, evenly lit."""
    width, height = size
    long_side = max(size)
    ground = np.empty((height, width, 3), np.float32)
    ground[:] = tinted(scene.grounds[rng.integers(len(scene.grounds))], scene.ground_jitter, rng)
    grain = draw(rng, scene.grain)
    relief: Floats32 = 1 + grain * _noise(size, (6, 6), rng) + 0.7 * grain * _noise(size, (width // 3 + 2, height // 3 + 2), rng)
    x: Floats32 = np.arange(width, dtype=np.float32)[None, :] / np.float32(long_side)
    y: Floats32 = np.arange(height, dtype=np.float32)[:, None] / np.float32(long_side)
    if rng.random() < scene.rib_share:
        relief *= _ribs(x, y, long_side, rng)
    ground *= three(relief)
    if rng.random() < scene.lane_mark_share:
        _mark_lane(ground, x, y, rng)
    for _ in range(rng.integers(scene.specks[0], scene.specks[1] + 1)):
        _speck(ground, long_side, rng)
    return ground


def cast_shadow(alpha: Floats32, width_px: float, rng: np.random.Generator, scene: SceneRanges) -> Floats32:
    """How much light the ground keeps under a fruit: coverage (H, W) float32, 0 to 1 -> (H, W) float32, 0 to 1."""
    height, width = alpha.shape
    direction, reach = rng.uniform(0, 2 * math.pi), width_px * rng.uniform(0.12, 0.42)
    softness = width_px * rng.uniform(0.12, 0.4)
    dark = draw(rng, scene.shadow)
    # A blur this wide needs no full resolution; a quarter of the pixels in each direction looks the same.
    shrink = max(1, round(softness / 2.5))
    small = cv2.resize(alpha, (-(-width // shrink), -(-height // shrink)), interpolation=cv2.INTER_AREA)
    shift = np.array([[1, 0, math.cos(direction) * reach / shrink], [0, 1, math.sin(direction) * reach / shrink]], np.float32)
    moved = cv2.warpAffine(small, shift, (small.shape[1], small.shape[0]))
    soft = cv2.GaussianBlur(moved, (0, 0), max(softness / shrink, 0.4))
    contact = cv2.GaussianBlur(small, (0, 0), max(0.35 * softness / shrink, 0.3))
    return 1 - dark * np.asarray(cv2.resize(0.75 * soft + 0.45 * contact, (width, height)), np.float32)


def light(size: tuple[int, int], rng: np.random.Generator, scene: SceneRanges) -> Floats32:
    """Light over the frame, (height, width, 3) float32 around 1: exposure, gradient and colour temperature."""
    width, height = size
    x = np.linspace(-1, 1, 12, dtype=np.float32)[None, :]
    y = np.linspace(-1, 1, 12, dtype=np.float32)[:, None]
    direction, strength = rng.uniform(0, 2 * math.pi), draw(rng, scene.gradient)
    slope = (x * math.cos(direction) + y * math.sin(direction)) * 0.5
    spot_x, spot_y = rng.uniform(-1.2, 1.2, 2)
    spot = np.exp(-((x - spot_x) ** 2 + (y - spot_y) ** 2) / 1.4) - 0.4
    level = draw(rng, scene.exposure) * (1 + strength * (slope + draw(rng, (0.0, 0.6)) * spot))
    warmth = draw(rng, scene.warmth) + draw(rng, scene.warmth) * 0.5 * slope  # two lamps are rarely of one colour
    lit = np.stack([level * (1 + warmth), level, level * (1 - warmth)], -1).astype(np.float32)
    return np.asarray(cv2.resize(lit, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def _noise(size: tuple[int, int], cells: tuple[int, int], rng: np.random.Generator) -> Floats32:
    """(height, width) float32 smooth noise of about unit deviation from cells = (columns, rows) of white noise."""
    coarse = rng.standard_normal((cells[1], cells[0]), np.float32)
    return np.asarray(cv2.resize(coarse, size, interpolation=cv2.INTER_LINEAR) * 1.4, np.float32)


def _ribs(x: Floats32, y: Floats32, long_side: int, rng: np.random.Generator) -> Floats32:
    """Ribs along or across the belt: (height, width) float32 factor around 1."""
    period = max(draw(rng, (0.025, 0.13)), 3 / long_side)
    angle = rng.choice([0.0, math.pi / 2]) + draw(rng, (-0.06, 0.06))
    phase = 2 * math.pi / period
    # cos(a + b) from the cosines of one row and one column: no cosine of a whole frame
    along, down = phase * math.cos(angle) * x + draw(rng, (0, 6)), phase * math.sin(angle) * y
    wave = np.cos(along) * np.cos(down) - np.sin(along) * np.sin(down)
    if rng.random() < 0.5:
        wave = np.clip(3 * wave - 1.5, -1, 1)  # narrow ribs with flat gaps
    return np.asarray(1 + draw(rng, (0.02, 0.10)) * wave, np.float32)


def _mark_lane(ground: Floats32, x: Floats32, y: Floats32, rng: np.random.Generator) -> None:
    """A painted or worn line right across the belt, in place."""
    height, width = ground.shape[:2]
    angle = rng.choice([0.0, math.pi / 2]) + draw(rng, (-0.05, 0.05))
    middle = rng.uniform(0.05, 0.95) * (x[0, -1] * abs(math.cos(angle)) + y[-1, 0] * abs(math.sin(angle)))
    away = np.abs(x * math.cos(angle) + y * math.sin(angle) - middle)
    sharpness = max(width, height)
    cover = np.clip((draw(rng, (0.004, 0.016)) - away) * sharpness + 0.5, 0, 1) * draw(rng, (0.25, 0.8))
    palette = ((0.86, 0.86, 0.84), (0.84, 0.72, 0.25), (0.22, 0.24, 0.26))
    paint = np.array(palette[rng.integers(len(palette))], np.float32)
    down, along = np.flatnonzero(cover.any(1)), np.flatnonzero(cover.any(0))
    if down.size:  # only the line's own box: most of the belt is untouched
        box = (slice(down[0], down[-1] + 1), slice(along[0], along[-1] + 1))
        ground[box] += (paint - ground[box]) * cover[box].astype(np.float32)[..., None]


def _speck(ground: Floats32, long_side: int, rng: np.random.Generator) -> None:
    """A crumb of soil, a drop or a scuff, in place."""
    height, width = ground.shape[:2]
    at = int(rng.uniform(0, width)), int(rng.uniform(0, height))
    shade = ground[at[1], at[0]] * draw(rng, (0.45, 1.3))
    colour = tuple(float(value) for value in shade)
    if rng.random() < 0.6:
        cv2.circle(ground, at, int(long_side * rng.uniform(0, 0.008)), colour, -1, cv2.LINE_AA)
    else:
        end = at[0] + int(long_side * rng.uniform(-0.1, 0.1)), at[1] + int(long_side * rng.uniform(-0.02, 0.02))
        faint = tuple(float(value) for value in ground[at[1], at[0]] * draw(rng, (0.85, 1.12)))
        cv2.line(ground, at, end, faint, max(1, long_side // 320))
