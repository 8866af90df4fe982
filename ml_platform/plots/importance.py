"""The importance of a model's features."""

from collections.abc import Mapping
from typing import Any

from ml_platform.escaping import one_line
from ml_platform.plots.canvas import BLUE, QUIET, end_beside, svg

TOP = 20
_WIDTH = 6.2  # inches


def importance(shares: Mapping[str, float]) -> bytes:
    """The TOP features by their share of the importance, greatest on top."""
    top = sorted(shares.items(), key=lambda item: (-item[1], item[0]))[:TOP][::-1]
    names, values = [name for name, _ in top], [100 * share for _, share in top]

    def draw(axes: Any) -> None:
        axes.barh(range(len(values)), values, color=BLUE, height=0.7)
        texts = [f" {value:.1f}" for value in values]
        for row, (value, text) in enumerate(zip(values, texts, strict=True)):
            axes.text(value, row, text, va="center", color=QUIET, fontsize=7)
        axes.set_yticks(range(len(names)), [shortened(name) for name in names], fontsize=7)
        axes.set(title="Feature importance", xlabel="share of the importance, %")
        axes.margins(y=0.01)
        axes.set_xlim(0, max(1.0, end_beside(axes, values, texts, 7, width=_WIDTH)))
        axes.grid(visible=False, axis="y")

    return svg(draw, width=_WIDTH, height=0.8 + 0.2 * max(len(values), 3))


def shortened(name: str, length: int = 44) -> str:
    """A name that fits beside a plot. Its middle is left out, because beginnings and ends distinguish names."""
    name = one_line(name)
    return name if len(name) <= length else f"{name[: length // 2 - 1]}…{name[-(length // 2) :]}"
