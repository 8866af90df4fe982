"""The realised metric of the champions, partition by partition."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ml_platform.plots.canvas import BLUE, GREY, QUIET, svg


@dataclass(frozen=True)
class Month:
    """One partition: the metric of its champion with its 95 % interval, and that champion's version."""

    partition: str
    value: float
    low: float | None
    high: float | None
    version: int


SHOWN = 24  # partitions; older ones are left out


def by_month(metric: str, months: Sequence[Month], floor: float | None = None) -> bytes:
    """The metric over the newest SHOWN partitions; a dashed line where another version began to serve.

    `floor` is the one that a gate asks of candidates, drawn for comparison.
    """
    shown = list(months)[-SHOWN:]
    positions = list(range(len(shown)))
    values = [month.value for month in shown]
    # A percentile interval need not hold the value itself; an error bar cannot say so.
    down = [max(0.0, month.value - (month.value if month.low is None else month.low)) for month in shown]
    up = [max(0.0, (month.value if month.high is None else month.high) - month.value) for month in shown]

    def draw(axes: Any) -> None:
        for position, (before, month) in enumerate(itertools.pairwise(shown), start=1):
            if month.version != before.version:
                axes.axvline(position - 0.5, color=GREY, linewidth=0.7, linestyle=":")
        if floor is not None:
            axes.axhline(floor, color=GREY, linewidth=0.8, linestyle="--", label=f"floor of the gate: {floor:g}")
            axes.legend(loc="lower right")
        axes.errorbar(positions, values, [down, up], color=BLUE, fmt="o-", markersize=3.5, linewidth=1.4, capsize=2)
        for position, month in enumerate(shown):
            top = month.value + up[position]
            axes.annotate(
                f"@{month.version}",
                (position, top),
                (0, 3),
                textcoords="offset points",
                ha="center",
                color=QUIET,
                fontsize=7,
            )
        every = -(-len(shown) // 12)
        ticks = positions[::-1][::every]  # the newest has one
        axes.set_xticks(ticks, [shown[position].partition for position in ticks], rotation=30, fontsize=8)
        axes.set(title=f"{metric} of the champion, realised", xlim=(-0.5, len(shown) - 0.5))
        axes.margins(y=0.15)

    return svg(draw, width=6.2, height=2.9)
