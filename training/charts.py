"""Charts as SVG text for the HTML report: axes from 0 to 1, colours from the page's own variables, a title read aloud."""

from collections.abc import Iterable, Sequence
from typing import Final

from markupsafe import Markup, escape

from training.calibrate import ReliabilityBin
from training.selective import RiskCoverage, Selective

SIDE: Final = 300
"""Width and height of the plotting area, in units of the SVG."""
_LEFT, _TOP, _RIGHT, _BOTTOM = 46, 14, 14, 42
Point = tuple[float, float]


def reliability_chart(after: Sequence[ReliabilityBin], before: Sequence[ReliabilityBin] | None) -> Markup:
    """Accuracy against confidence, a dot for each bin; on the diagonal a model is right as often as it says."""
    parts = [f'<path class="ideal" d="M{_x(0)} {_y(0)}L{_x(1)} {_y(1)}"/>']
    for name, bins in (("before", before), ("after", after)):
        if bins:
            points = [(each.confidence, each.accuracy) for each in bins]
            marks = (
                _mark(name, x, y, f"{n.images} images: {x:.0%} sure, {y:.0%} right")
                for (x, y), n in zip(points, bins, strict=True)
            )
            parts += [_line(name, points), *marks]
    pairs = ", ".join(f"{each.confidence:.2f} sure and {each.accuracy:.2f} right" for each in after)
    title = f"Reliability diagram: share of right answers by confidence, after calibration: {pairs}."
    return _chart(title, "confidence", "accuracy", 1.0, parts)


def risk_coverage_chart(curve: RiskCoverage, chosen: Selective) -> Markup:
    """Share of errors among the accepted photographs against the share accepted, with the proposed threshold."""
    top = _ceiling(float(curve.risk.max()))
    points = list(zip(map(float, curve.coverage), map(float, curve.risk), strict=True))
    aim = 1 - chosen.target_accuracy
    parts = [_line("after", points, top)]
    if aim <= top:
        parts.append(f'<path class="ideal" d="M{_x(0)} {_y(aim, top)}L{_x(1)} {_y(aim, top)}"/>')
    title = f"Risk-coverage curve: {points[-1][1]:.0%} errors where every photograph is accepted"
    if chosen.threshold is None or chosen.coverage is None or chosen.accuracy is None:
        title += f"; no threshold reaches {chosen.target_accuracy:.0%} right answers."
    else:
        words = f"confidence {chosen.threshold:.3f} or more: {chosen.coverage:.0%} accepted, {chosen.accuracy:.1%} of them right"
        x, y = chosen.coverage, 1 - chosen.accuracy
        parts.append(f'<path class="drop" d="M{_x(x)} {_y(0)}L{_x(x)} {_y(y, top)}"/>')
        parts.append(_mark("chosen", x, y, words, top))
        title += f"; {words}."
    return _chart(title, "coverage", "risk", top, parts)


def _chart(title: str, across: str, up: str, top: float, parts: Iterable[str]) -> Markup:
    """Frame, ticks and names of the axes around the parts; the vertical axis ends at `top`."""
    ticks = []
    for step in range(6):
        share = step / 5
        ticks.append(f'<path class="grid" d="M{_x(0)} {_y(share)}H{_x(1)}"/>')
        ticks.append(f'<text x="{_x(share)}" y="{_TOP + SIDE + 16}" text-anchor="middle">{share:.1f}</text>')
        ticks.append(f'<text x="{_LEFT - 6}" y="{_y(share) + 4}" text-anchor="end">{share * top:.2g}</text>')
    names = (
        f'<text x="{_x(0.5)}" y="{_TOP + SIDE + 36}" text-anchor="middle">{across}</text>'
        f'<text transform="translate(12 {_y(0.5)}) rotate(-90)" text-anchor="middle">{up}</text>'
    )
    box = f"0 0 {_LEFT + SIDE + _RIGHT} {_TOP + SIDE + _BOTTOM}"
    drawn = "".join((*ticks, names, *parts))
    return Markup(f'<svg viewBox="{box}" role="img" aria-label="{escape(title)}">{drawn}</svg>')  # noqa: S704 - numbers and words of ours


def _line(name: str, points: Sequence[Point], top: float = 1.0) -> str:
    return f'<polyline class="{name}" points="{" ".join(f"{_x(x)},{_y(y, top)}" for x, y in points)}"/>'


def _mark(name: str, x: float, y: float, words: str, top: float = 1.0) -> str:
    """A dot, or before calibration a ring: told apart without colour."""
    return f'<circle class="{name}" cx="{_x(x)}" cy="{_y(y, top)}" r="4.5"><title>{escape(words)}</title></circle>'


def _ceiling(value: float) -> float:
    """The least of a few round numbers that is no less."""
    return next(top for top in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0) if value <= top)


def _x(share: float) -> float:
    return round(_LEFT + share * SIDE, 1)


def _y(value: float, top: float = 1.0) -> float:
    return round(_TOP + SIDE * (1 - value / top), 1)
