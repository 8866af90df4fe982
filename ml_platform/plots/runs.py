"""Plots of two runs: their curves on one pair of axes, and how each compares with the champion."""

from collections.abc import Mapping, Sequence
from typing import Any

from ml_platform.plots.canvas import BLUE, GREY, ORANGE, svg

_COLOURS = (BLUE, ORANGE)
_AXES = {
    "ROC": ("false positive rate", "true positive rate"),
    "calibration": ("mean score", "share of positives"),
    "absolute error": ("share of the rows", "absolute error at most"),
}
Points = Sequence[Sequence[float]]


def curves(name: str, points_by_run: Mapping[str, Points]) -> bytes:
    """The curve of that name of each run."""
    across, up = _AXES.get(name, ("", ""))

    def draw(axes: Any) -> None:
        if name in ("ROC", "calibration"):
            axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle="--")
        for (run, points), colour in zip(points_by_run.items(), _COLOURS, strict=False):
            marker = "o-" if name == "calibration" else "-"
            axes.plot(*zip(*points, strict=True), marker, color=colour, markersize=3.5, linewidth=1.4, label=run)
        axes.set(title=name, xlabel=across, ylabel=up)
        axes.legend(loc="best")

    return svg(draw)


def segments(metric: str, rows_by_run: Mapping[str, Sequence[Mapping[str, Any]]]) -> bytes:
    """The difference from the champion with its 95 % interval, by segment: rows with slice, difference, low, high."""
    names = list(dict.fromkeys(row["slice"] or "all" for rows in rows_by_run.values() for row in rows))

    def draw(axes: Any) -> None:
        axes.axvline(0, color=GREY, linewidth=0.8, linestyle="--")
        for number, ((run, rows), colour) in enumerate(zip(rows_by_run.items(), _COLOURS, strict=False)):
            places = [names.index(row["slice"] or "all") + 0.2 * number for row in rows]
            middle = [row["difference"] for row in rows]
            off = [[row["difference"] - row["low"] for row in rows], [row["high"] - row["difference"] for row in rows]]
            axes.errorbar(middle, places, xerr=off, fmt="o", color=colour, markersize=3.5, linewidth=1.2, label=run)
        axes.set_yticks(range(len(names)), names)
        axes.margins(y=0.15)
        axes.invert_yaxis()
        axes.locator_params(axis="x", nbins=5)
        axes.set(title=f"{metric} better than the champion's by", xlabel="")
        axes.legend(loc="best")

    return svg(draw, height=max(2.0, 0.6 + 0.3 * len(names)))
