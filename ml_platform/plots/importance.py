"""The importance of a model's features."""

from collections.abc import Mapping
from typing import Any

from ml_platform.escaping import one_line
from ml_platform.plots.canvas import BLUE, QUIET, svg

TOP = 20


def importance(shares: Mapping[str, float]) -> bytes:
    """The TOP features by their share of the importance, greatest on top."""
    top = sorted(shares.items(), key=lambda item: (-item[1], item[0]))[:TOP][::-1]
    names, values = [name for name, _ in top], [100 * share for _, share in top]

    def draw(axes: Any) -> None:
        axes.barh(range(len(values)), values, color=BLUE, height=0.7)
        for row, value in enumerate(values):
            axes.text(value, row, f" {value:.1f}", va="center", color=QUIET, fontsize=7)
        axes.set_yticks(range(len(names)), [shortened(name) for name in names], fontsize=7)
        axes.set(title="Feature importance", xlabel="share of the importance, %")
        axes.margins(x=0.08, y=0.01)  # the figures stand beside the bars
        axes.grid(visible=False, axis="y")

    return svg(draw, width=6.2, height=0.8 + 0.2 * max(len(values), 3))


def shortened(name: str, length: int = 44) -> str:
    """A name that fits beside a plot. Its middle is left out, because beginnings and ends distinguish names."""
    name = one_line(name)
    return name if len(name) <= length else f"{name[: length // 2 - 1]}…{name[-(length // 2) :]}"
