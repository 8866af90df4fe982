"""Small plots of a figure's history and of two mixes, for checks.

Written by hand instead of through `canvas.svg`: a check of every month has one, and 0.1 ms instead of 50
is what lets it. The inks are the canvas's.
"""

from collections.abc import Sequence

from ml_platform.escaping import html_text
from ml_platform.plots.canvas import BLUE, GREEN, GREY, INK, QUIET, RED

_WIDTH, _HEIGHT, _TOP, _BOTTOM, _LEFT = 360, 124, 22, 22, 8


def series(title: str, values: Sequence[float], low: float, high: float) -> bytes:
    """The last value after the earlier ones, over the band that it may lie in: blue inside, red outside."""
    least, most = min(*values, low), max(*values, high)
    span = (most - least) or 1.0

    def y(value: float) -> float:
        return _HEIGHT - _BOTTOM - (value - least) / span * (_HEIGHT - _TOP - _BOTTOM)

    step = (_WIDTH - 2 * _LEFT) / len(values)
    spots = [(_LEFT + step * (i + 0.5), y(value)) for i, value in enumerate(values)]
    ink = BLUE if low <= values[-1] <= high else RED
    line = " ".join(f"{x:.1f},{at:.1f}" for x, at in spots)
    parts = [
        f'<rect x="{_LEFT}" y="{y(high):.1f}" width="{_WIDTH - 2 * _LEFT}" height="{y(low) - y(high):.1f}" '
        f'fill="{GREEN}" opacity="0.12"/>',
        f'<polyline points="{line}" fill="none" stroke="{GREY}"/>',
        *(f'<circle cx="{x:.1f}" cy="{at:.1f}" r="2.5" fill="{GREY}"/>' for x, at in spots[:-1]),
        f'<circle cx="{spots[-1][0]:.1f}" cy="{spots[-1][1]:.1f}" r="4.5" fill="{ink}"/>',
        _text(_LEFT, _HEIGHT - 7, f"from {least:,.3g} to {most:,.3g}; green is allowed"),
        _text(_WIDTH - _LEFT, _HEIGHT - 7, f"now {values[-1]:,.3g}", ink, "end"),
    ]
    return _document(title, parts)


def pairs(title: str, labels: Sequence[str], before: Sequence[float], now: Sequence[float]) -> bytes:
    """Two bars for each label: what it had before, and now. Up to 1 the figures are shares, else rows."""
    most = max([*before, *now], default=0.0) or 1.0
    step = (_WIDTH - 2 * _LEFT) / max(len(labels), 1)
    bar, floor, room = step * 0.4, _HEIGHT - _BOTTOM - 12, _HEIGHT - _TOP - _BOTTOM - 12
    parts = []
    for i, (label, *shares) in enumerate(zip(labels, before, now, strict=True)):
        x = _LEFT + step * i
        for j, (share, ink) in enumerate(zip(shares, (GREY, BLUE), strict=True)):
            tall = share / most * room
            where = f'x="{x + bar * j:.1f}" y="{floor - tall:.1f}" width="{bar:.1f}" height="{tall:.1f}"'
            parts.append(f'<rect {where} fill="{ink}"/>')
        parts.append(_text(x + bar, floor + 10, label[: max(2, int(step / 5))], QUIET, "middle", 7))
    tallest = f"{most:.1%}" if most <= 1 else f"{most:,.0f} rows"
    parts.append(_text(_LEFT, _HEIGHT - 5, f"grey: before; blue: now; the tallest bar is {tallest}"))
    return _document(title, parts)


def _text(x: float, y: float, text: str, ink: str = QUIET, anchor: str = "start", size: int = 9) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="{ink}" text-anchor="{anchor}" font-size="{size}">{html_text(text)}</text>'
    )


def _document(title: str, parts: Sequence[str]) -> bytes:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" '
        f'height="{_HEIGHT}" font-family="sans-serif"><rect width="100%" height="100%" fill="white"/>'
        f"{_text(_LEFT, 12, title, INK, size=10)}{''.join(parts)}</svg>"
    ).encode()
