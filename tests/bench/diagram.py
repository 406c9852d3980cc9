"""A reliability diagram as a drawing: the share that was right over the confidence that was claimed; on the diagonal the two agree."""

import math
from html import escape

from tests.bench.calibration import Bin, Reliability
from tests.bench.scores import likely

_SIDE, _LEFT, _BELOW, _ABOVE = 260, 40, 40, 26


def reliability(title: str, told: Reliability) -> str:
    """An SVG; a point's area grows with the claims behind it, its line shows between which shares the truth may lie."""
    width, height = _LEFT + _SIDE + 12, _ABOVE + _SIDE + _BELOW
    caption = f"{title}: {told.n}, calibration error {told.error:.3f}"
    parts = [*_axes(), *(_mark(each, told.n) for each in told.bins), _curve(told)]
    words = f'<text x="0" y="12">{escape(caption)}</text>'
    return f'<svg role="img" width="{width}" height="{height}" viewBox="0 0 {width} {height}">{words}{"".join(parts)}</svg>'


def _at(confidence: float, share: float) -> tuple[float, float]:
    return round(_LEFT + confidence * _SIDE, 1), round(_ABOVE + (1 - share) * _SIDE, 1)


def _axes() -> list[str]:
    low, high = _at(0, 0), _at(1, 1)
    frame = f'<rect class="axis" x="{low[0]}" y="{high[1]}" width="{_SIDE}" height="{_SIDE}"/>'
    ideal = f'<line class="ideal" x1="{low[0]}" y1="{low[1]}" x2="{high[0]}" y2="{high[1]}"/>'
    ticks = [_tick(step / 5) for step in range(6)]
    middle, foot = _LEFT + _SIDE / 2, _ABOVE + _SIDE + 32
    return [frame, ideal, *ticks, f'<text x="{middle}" y="{foot}" text-anchor="middle">confidence; upwards: share right</text>']


def _tick(value: float) -> str:
    (x, y), (left, up) = _at(value, 0), _at(0, value)
    across = f'<text x="{x}" y="{y + 15}" text-anchor="middle">{value:.1f}</text>'
    return f'{across}<text x="{left - 6}" y="{up + 4}" text-anchor="end">{value:.1f}</text>'


def _mark(each: Bin, n: int) -> str:
    x, y = _at(each.confidence, each.right)
    low, high = likely(round(each.right * each.n), each.n)
    top, bottom = _at(0, high)[1], _at(0, low)[1]
    radius = round(2.5 + 9 * math.sqrt(each.n / n), 1)
    told = f"<title>{each.n} at {each.confidence:.3f}: {each.right:.3f} right</title>"
    span = f'<line class="range" x1="{x}" y1="{top}" x2="{x}" y2="{bottom}"/>'
    return f'{span}<circle class="point" cx="{x}" cy="{y}" r="{radius}">{told}</circle>'


def _curve(told: Reliability) -> str:
    points = " ".join("{},{}".format(*_at(each.confidence, each.right)) for each in told.bins)
    return f'<polyline class="curve" points="{points}"/>'
