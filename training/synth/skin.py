"""The skin of a cucumber as a flat map: mottling, pale streaks from the flower end, warts in rows, scratches and scars."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from training.synth.scene import Colour, SceneRanges, draw

Floats32 = npt.NDArray[np.float32]

_PALE: Final = np.array((0.74, 0.74, 0.40), np.float32)
_STALK: Final = np.array((0.52, 0.56, 0.34), np.float32)
_SCAR: Final = np.array((0.66, 0.62, 0.46), np.float32)


@dataclass(frozen=True, slots=True)
class Skin:
    """A map around and along the fruit: rows run over the visible half (-90 to 90 degrees), columns from stem to flower."""

    colour: Floats32
    """(rows, columns, 3) float32, 0 to 1, unlit."""
    relief: Floats32
    """(rows, columns) float32, about -1 to 1: positive where a wart catches the light."""


def flat_skin(length_px: float, width_px: float, rng: np.random.Generator, scene: SceneRanges) -> Skin:
    """Draw a skin with about one texel per pixel of a fruit of this size."""
    columns, rows = int(np.clip(length_px, 48, 700)), int(np.clip(width_px * 1.5, 16, 240))
    along = np.linspace(0, 1, columns, dtype=np.float32)[None, :]
    relief = _warts(rows, columns, rng)
    base = tinted(scene.skins[rng.integers(len(scene.skins))], scene.skin_jitter, rng)
    shade = 1 + draw(rng, scene.mottle) * (0.6 * _clouds(rows, columns, 5, 14, rng) + 0.5 * _clouds(rows, columns, 14, 60, rng))
    shade += draw(rng, scene.prickles) * relief
    colour: Floats32 = np.multiply(base, shade[..., None], dtype=np.float32)
    # Pale streaks start at the flower end and thin out toward the middle; the tip itself is paler still.
    fade = draw(rng, scene.pale_tip)
    streaks = np.clip(_clouds(rows, 2, 9, 2, rng)[:, :1] * 0.8 + 0.3, 0, 1)
    reach = draw(rng, (0.15, 0.45))
    pale = fade * (0.55 * streaks * np.clip((along - 1 + reach) / reach, 0, 1) + 0.6 * np.exp((along - 1) / 0.022))
    _blend(colour, _PALE, np.clip(pale, 0, 0.9, dtype=np.float32))
    _blend(colour, _STALK, draw(rng, (0.3, 0.8)) * np.exp(-along / 0.012))
    _scratch(colour, rng, scene)
    return Skin(colour, relief)


def tinted(colour: Colour, jitter: float, rng: np.random.Generator) -> Floats32:
    """(3,) float32, 0 to 1: a palette colour made lighter or darker and shifted a little in hue."""
    brightness = 1 + draw(rng, (-jitter, jitter))
    hue = 1 + rng.uniform(-0.3, 0.3, 3) * jitter
    return np.asarray(np.array(colour) / 255 * brightness * hue, np.float32)


def three(channel: Floats32) -> Floats32:
    """(H, W) -> (H, W, 3) float32. Far quicker in arithmetic than broadcasting over a last axis of three."""
    return np.asarray(cv2.merge((channel, channel, channel)), np.float32)


def _clouds(rows: int, columns: int, cells_down: int, cells_along: int, rng: np.random.Generator) -> Floats32:
    """(rows, columns) float32 smooth noise of about unit deviation."""
    coarse = rng.standard_normal((cells_down, cells_along), np.float32)
    return np.asarray(cv2.resize(coarse, (columns, rows), interpolation=cv2.INTER_LINEAR) * 1.4, np.float32)


def _warts(rows: int, columns: int, rng: np.random.Generator) -> Floats32:
    """(rows, columns) float32: warts stand loosely in lengthwise rows, each a bright dot with its own small shadow."""
    relief = np.zeros((rows, columns), np.float32)
    lanes = rng.integers(5, 8)
    per_lane = rng.integers(11, 20)
    lane = (np.arange(lanes)[:, None] + rng.uniform(0, 1) + rng.uniform(-0.22, 0.22, (lanes, per_lane))) / lanes
    along = (np.arange(per_lane)[None, :] + rng.uniform(0, 1, (lanes, per_lane))) / per_lane
    size = max(1.0, rows / 40)
    y = np.clip(lane * rows, 0, rows - 1).astype(np.intp).ravel()
    x = np.clip((0.03 + 0.94 * along) * columns, 0, columns - 1).astype(np.intp).ravel()
    height = rng.uniform(0.5, 1.0, x.size).astype(np.float32)
    relief[y, x] = height
    shadow = np.clip(y + round(1.5 * size), 0, rows - 1)
    relief[shadow, np.clip(x + round(size), 0, columns - 1)] -= 0.8 * height
    # the blur spreads each dot over 2 pi size^2 texels: bring its peak back to `height`
    return np.asarray(cv2.GaussianBlur(relief, (0, 0), size) * (6.3 * size * size), np.float32)


def _blend(colour: Floats32, toward: Floats32, share: Floats32) -> None:
    """Move a (rows, columns, 3) map toward a (3,) colour in place, by a share of 0 to 1 that broadcasts to (rows, columns)."""
    colour += (toward - colour) * share[..., None]


def _scratch(colour: Floats32, rng: np.random.Generator, scene: SceneRanges) -> None:
    """Dry, pale scratches and scabs in place."""
    rows, columns = colour.shape[:2]
    for _ in range(rng.integers(scene.scars[0], scene.scars[1] + 1)):
        start = rng.uniform((0.05, 0.1), (0.95, 0.9)) * (columns, rows)
        mark = np.zeros((rows, columns), np.float32)
        if rng.random() < 0.6:
            end = start + rng.uniform((-0.12, -0.25), (0.12, 0.25)) * (columns, rows)
            cv2.line(mark, _point(start), _point(end), 1.0, max(1, rows // 50), cv2.LINE_8)
        else:
            axes = rng.uniform((0.008, 0.03), (0.035, 0.1)) * (columns, rows)
            cv2.ellipse(mark, _point(start), _point(np.maximum(axes, 1)), 0, 0, 360, 1.0, -1)
        _blend(colour, _SCAR, mark * draw(rng, (0.25, 0.7)))


def _point(xy: npt.NDArray[np.floating]) -> tuple[int, int]:
    return int(xy[0]), int(xy[1])
