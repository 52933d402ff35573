"""The curve of a simulated season as an SVG picture that stands alone: accuracy over batches, with the loop and without."""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from markupsafe import escape

WIDTH: Final = 720
HEIGHT: Final = 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 68, 140, 30, 54
WITH: Final = "#1f7a4d"
WITHOUT: Final = "#c2571a"
_INK, _GRID, _BANDS = "#333333", "#dddddd", ("#ffffff", "#f4f6f8")


class Point(NamedTuple):
    """After one batch."""

    condition: str
    with_loop: float
    """Accuracy in the condition, 0 to 1."""
    without: float
    refused: bool
    """Whether the gate refused what was learned of the batch."""


def season_chart(seasons: Sequence[Sequence[Point]], batch: int) -> str:
    """A line for each season and kind; the points of all seasons stand at the same places. `batch` is the fruit of a batch."""
    places = [point.condition for point in seasons[0]]
    if any([point.condition for point in season] != places for season in seasons):
        raise ValueError("the seasons differ in their conditions")
    lowest = min(min(point.with_loop, point.without) for season in seasons for point in season)
    bottom = max(0.0, (int(lowest * 10 - 0.5)) / 10)
    step = (WIDTH - _LEFT - _RIGHT) / len(places)

    def x(index: int) -> float:
        return round(_LEFT + step * (index + 0.5), 1)

    def y(value: float) -> float:
        return round(_TOP + (HEIGHT - _TOP - _BOTTOM) * (1 - (value - bottom) / (1 - bottom)), 1)

    parts = [*_bands(places, step), *_levels(bottom, y)]
    for index, condition in enumerate(places):
        number = index - places.index(condition)
        parts.append(_text(x(index), HEIGHT - _BOTTOM + 18, str(number), "middle"))
    words = f"batches of {batch} labels since the conditions changed; a ring: the gate refused what was learned"
    parts.append(_text(_LEFT, HEIGHT - 10, words, "start"))
    upright = f'transform="translate(14 {(HEIGHT - _BOTTOM + _TOP) / 2:.0f}) rotate(-90)" text-anchor="middle" fill="{_INK}"'
    parts.append(f"<text {upright}>accuracy</text>")
    for season in seasons:
        still, loop = ([(x(i), y(value)) for i, value in enumerate(values)] for values in _lines(season))
        parts += [_line(still, WITHOUT, ' stroke-dasharray="6 4"'), _line(loop, WITH)]
        parts += (_dot(at, WITHOUT) for at in still)
        parts += (_dot(at, WITH, ring=point.refused) for at, point in zip(loop, season, strict=True))
    last = WIDTH - _RIGHT + 10
    parts.append(_text(last, y(seasons[0][-1].with_loop) + 4, "with the loop", "start", WITH))
    parts.append(_text(last, y(seasons[0][-1].without) + 4, "without", "start", WITHOUT))
    title = f"Accuracy over a season of {', '.join(dict.fromkeys(places))}, with the loop and without."
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" '
        f'aria-label="{escape(title)}" font-family="sans-serif" font-size="13">\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _lines(season: Sequence[Point]) -> tuple[list[float], list[float]]:
    return [point.without for point in season], [point.with_loop for point in season]


def _line(points: Sequence[tuple[float, float]], colour: str, more: str = "") -> str:
    listed = " ".join(f"{x},{y}" for x, y in points)
    return f'<polyline points="{listed}" fill="none" stroke="{colour}" stroke-width="2"{more}/>'


def _dot(at: tuple[float, float], colour: str, ring: bool = False) -> str:
    fill = f'r="4.5" fill="#ffffff" stroke="{colour}" stroke-width="2"' if ring else f'r="3.5" fill="{colour}"'
    return f'<circle cx="{at[0]}" cy="{at[1]}" {fill}/>'


def _bands(places: Sequence[str], step: float) -> list[str]:
    """A band and a name for each condition."""
    parts = []
    for number, condition in enumerate(dict.fromkeys(places)):
        left, width = _LEFT + step * places.index(condition), step * places.count(condition)
        box = f'x="{left:.1f}" y="{_TOP}" width="{width:.1f}" height="{HEIGHT - _TOP - _BOTTOM}"'
        parts.append(f'<rect {box} fill="{_BANDS[number % 2]}"/>')
        parts.append(f'<path d="M{left:.1f} {_TOP}V{HEIGHT - _BOTTOM}" stroke="{_INK}" stroke-dasharray="2 3"/>')
        parts.append(_text(left + width / 2, _TOP - 10, condition, "middle"))
    return parts


def _levels(bottom: float, y: Callable[[float], float]) -> list[str]:
    parts = []
    for tenth in range(round(bottom * 10), 11):
        at = y(tenth / 10)
        parts.append(f'<path d="M{_LEFT} {at}H{WIDTH - _RIGHT}" stroke="{_GRID}"/>')
        parts.append(_text(_LEFT - 8, at + 4, f"{10 * tenth} %", "end"))
    return parts


def _text(x: float, y: float, words: str, anchor: str, colour: str = _INK) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(words)}</text>'
