"""How good a model of classes or of numbers is: confusion matrix, predicted against actual, residuals."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ml_platform.plots.canvas import BLUE, GREY, INK, QUIET, WIDTH, end_beside, svg
from ml_platform.plots.importance import shortened

Array = npt.NDArray[Any]
CLASSES = 8  # shown; the rarer ones are one row and column
WRITTEN = 0.05  # of a row; smaller shares are only coloured
DOTS = 150


def confusion(actual: Sequence[str], predicted: Sequence[str]) -> bytes:
    """A confusion matrix: rows are labels, columns predictions, cells shares of a row.

    Shows the CLASSES most frequent.
    """
    names, counts = np.unique(np.asarray(actual, dtype=str), return_counts=True)
    order = np.argsort(-counts, kind="stable")
    frequent = sorted(names[order[:CLASSES]])
    shown = [*frequent, "others"] if set(names) | set(predicted) > set(frequent) else frequent
    position = {name: number for number, name in enumerate(frequent)}
    grid = np.zeros((len(shown), len(shown)))
    rows = [position.get(str(name), len(frequent)) for name in actual]
    columns = [position.get(str(name), len(frequent)) for name in predicted]
    np.add.at(grid, (rows, columns), 1)
    shares = grid / np.maximum(grid.sum(axis=1, keepdims=True), 1)

    def draw(axes: Any) -> None:
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
        for row in range(len(shown)):
            for column in range(len(shown)):
                if shares[row, column] >= WRITTEN:
                    color = "white" if shares[row, column] > 0.5 else INK
                    text = f"{shares[row, column]:.0%}"
                    axes.text(column, row, text, ha="center", va="center", color=color, fontsize=7)
        ticks, labels = np.arange(len(shown)), [shortened(name, 16) for name in shown]
        axes.set_xticks(ticks, labels, rotation=30, ha="right", fontsize=7)
        axes.set_yticks(ticks, labels, fontsize=7)
        axes.grid(visible=False)
        axes.set(title="Confusion matrix (% of a row)", xlabel="predicted", ylabel="actual")

    side = max(3.0, 1.6 + 0.34 * len(shown))
    return svg(draw, width=side + 0.6, height=side)


def recalls(classes: Mapping[str, tuple[float, float | None, float | None, int]]) -> bytes:
    """The recall of each class: (recall, ends of its 95 % interval, rows) by name, the worst on top."""
    names = sorted(classes, key=lambda name: (-classes[name][0], name))
    values = [classes[name] for name in names]

    def draw(axes: Any) -> None:
        axes.barh(range(len(values)), [recall for recall, *_ in values], color=BLUE, alpha=0.45, height=0.7)
        ends = [max(recall, high or 0.0) for recall, _, high, _ in values]
        texts = [f"  {recall:.0%} of {rows:,}" for recall, _, _, rows in values]
        for row, (_, low, high, _) in enumerate(values):
            if low is not None and high is not None:
                axes.plot([low, high], [row, row], color=BLUE, linewidth=1.6)
            axes.text(ends[row], row, texts[row], va="center", color=QUIET, fontsize=7)
        axes.set_yticks(range(len(names)), [shortened(name, 24) for name in names], fontsize=7)
        axes.set(title="Recall by class", xlabel="recall, with 95 % intervals")
        axes.set_xlim(0, max(1.25, end_beside(axes, ends, texts, 7, width=WIDTH)))
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
        axes.grid(visible=False, axis="y")

    return svg(draw, height=0.9 + 0.25 * max(len(names), 3))


def against(actual: Array, predicted: Array) -> bytes:
    """Predicted against actual, for DOTS rows evenly spread over the order of the predictions."""
    chosen = np.argsort(predicted, kind="stable")[np.unique(np.linspace(0, len(predicted) - 1, DOTS).astype(int))]
    low, high = float(min(actual.min(), predicted.min())), float(max(actual.max(), predicted.max()))

    def draw(axes: Any) -> None:
        axes.plot([low, high], [low, high], color=GREY, linewidth=0.8, linestyle="--")
        axes.plot(predicted[chosen], actual[chosen], ".", color=BLUE, alpha=0.5, markersize=3)
        axes.text(0.03, 0.92, "above the line: more than predicted", transform=axes.transAxes, color=QUIET, fontsize=8)
        axes.set(title="Predicted and actual", xlabel="predicted", ylabel="actual")

    return svg(draw)


def residuals(actual: Array, predicted: Array) -> bytes:
    """The residuals, actual minus predicted, within the middle 98 %."""
    off = actual - predicted
    low, high = (float(edge) for edge in np.quantile(off, (0.01, 0.99)))
    edges = np.linspace(low, high if high > low else low + 1, 41)
    counts = np.histogram(off, edges)[0]

    def draw(axes: Any) -> None:
        axes.axvline(0, color=GREY, linewidth=0.8, linestyle="--")
        axes.stairs(counts, edges, fill=True, color=BLUE, alpha=0.45, linewidth=0)
        axes.stairs(counts, edges, color=BLUE, linewidth=1)
        text = f"median {np.median(off):+.3g}"
        axes.text(0.97, 0.9, text, transform=axes.transAxes, ha="right", color=INK)
        axes.set(title="Residuals (the middle 98 %)", xlabel="actual minus predicted", ylabel="rows")

    return svg(draw)
