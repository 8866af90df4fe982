"""What moved one prediction."""

from collections.abc import Mapping
from typing import Any

from ml_platform.plots.canvas import BLUE, GREY, ORANGE, svg
from ml_platform.plots.importance import shortened

TOP = 10


def contributions(added: Mapping[str, float]) -> bytes:
    """The TOP contributions by size, greatest on top: orange raises the prediction, blue lowers it."""
    top = sorted(added.items(), key=lambda item: (-abs(item[1]), item[0]))[:TOP][::-1]
    values = [value for _, value in top]

    def draw(axes: Any) -> None:
        axes.axvline(0, color=GREY, linewidth=0.8)
        axes.barh(range(len(top)), values, color=[ORANGE if value > 0 else BLUE for value in values], height=0.7)
        axes.set_yticks(range(len(top)), [shortened(name) for name, _ in top], fontsize=7)
        axes.set(title="What moved the prediction", xlabel="contribution")
        axes.grid(visible=False, axis="y")

    return svg(draw, width=6.2, height=0.8 + 0.2 * max(len(top), 3))
