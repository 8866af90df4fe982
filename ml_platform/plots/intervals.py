"""Estimates with their intervals, one below the other."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ml_platform.escaping import one_line
from ml_platform.plots.canvas import BLUE, GREY, svg
from ml_platform.plots.importance import shortened


@dataclass(frozen=True)
class Estimate:
    """A value with the ends of its 95 % interval, if it has one. `name` is text of any kind."""

    name: str
    value: float
    low: float | None
    high: float | None


def intervals(estimates: Sequence[Estimate], title: str, line: float | None = None) -> bytes:
    """The estimates from top to bottom. `line`: a value to compare them with, drawn dashed."""
    values = [one.value for one in estimates]
    below = [max(0.0, one.value - (one.value if one.low is None else one.low)) for one in estimates]
    above = [max(0.0, (one.value if one.high is None else one.high) - one.value) for one in estimates]

    def draw(axes: Any) -> None:
        if line is not None:
            axes.axvline(line, color=GREY, linewidth=0.8, linestyle="--")
        axes.errorbar(
            values, range(len(values)), xerr=[below, above], fmt="o", color=BLUE, markersize=3.5, linewidth=1.2
        )
        axes.set_yticks(range(len(values)), [shortened(one.name, 24) for one in estimates], fontsize=8)
        axes.margins(y=0.15)
        axes.invert_yaxis()
        axes.locator_params(axis="x", nbins=5)
        axes.set(title=one_line(title, 60))

    return svg(draw, height=max(1.4, 0.7 + 0.24 * len(values)))
