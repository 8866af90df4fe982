"""Plots of a binary model: ROC curve, calibration and the histogram of its scores."""

from typing import Any

import numpy as np
import numpy.typing as npt

from ml_platform.plots.canvas import BLUE, GREY, INK, ORANGE, QUIET, svg

Array = npt.NDArray[Any]
POINTS = 200  # of a curve; the eye sees no more
BINS = 10  # of the calibration curve, of equal counts
BARS = 40  # of a histogram


def roc(labels: Array, scores: Array, auc: str, title: str = "ROC curve") -> bytes:
    """The ROC curve (Fawcett 2006). `labels` are 0 or 1, `auc` is the text of the AUC."""
    alarms, rate = roc_points(labels, scores).T

    def draw(axes: Any) -> None:
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle="--")
        axes.fill_between(alarms, rate, color=BLUE, alpha=0.08, linewidth=0)
        axes.plot(alarms, rate, color=BLUE, linewidth=1.6)
        axes.text(0.97, 0.06, auc, ha="right", color=INK)
        axes.text(0.62, 0.55, "random", color=QUIET, fontsize=8, rotation=31)
        axes.set(title=title, xlabel="false positive rate", ylabel="true positive rate")
        axes.set(xlim=(0, 1), ylim=(0, 1.01))

    return svg(draw)


def roc_points(labels: Array, scores: Array) -> Array:
    """(share of the negatives, share of the positives) at or above falling thresholds; POINTS of them at most."""
    order = np.argsort(-scores, kind="stable")
    hits = labels[order] == 1
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)  # equal scores are one threshold
    true, false = np.cumsum(hits)[ends], np.cumsum(~hits)[ends]
    kept = np.unique(np.linspace(0, len(ends) - 1, min(len(ends), POINTS)).astype(int))
    points = np.column_stack([false[kept] / max(false[-1], 1), true[kept] / max(true[-1], 1)])
    return np.vstack([np.zeros((1, 2)), points])


def calibration(labels: Array, scores: Array, title: str = "Calibration") -> bytes:
    """The calibration curve: mean score and share of positives, with 95 % intervals, in groups of equal size."""
    mean_scores, observed, counts = calibration_points(labels, scores)
    low, high = _wilson(observed, counts)
    off = [np.maximum(observed - low, 0), np.maximum(high - observed, 0)]
    top = float(min(1.0, max(mean_scores.max(), high.max()) * 1.1))

    def draw(axes: Any) -> None:
        axes.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle="--")
        axes.errorbar(mean_scores, observed, off, color=BLUE, fmt="o-", markersize=3.5, linewidth=1.2)
        text = "above the line: scores are too low"
        axes.text(0.03, 0.92, text, transform=axes.transAxes, color=QUIET, fontsize=8)
        text = f"{len(scores):,} rows, about {int(np.median(counts)):,} a point"
        axes.text(0.97, 0.06, text, transform=axes.transAxes, ha="right", color=INK)
        axes.set(title=title, xlabel="mean score", ylabel="share of positives")
        axes.set(xlim=(0, top), ylim=(0, top))

    return svg(draw)


def calibration_points(labels: Array, scores: Array) -> tuple[Array, Array, Array]:
    """Mean score, share of positives and rows of BINS groups in order of the score; equal scores are in one group."""
    order = np.argsort(scores, kind="stable")
    ordered = scores[order]
    ends = np.unique(np.linspace(0, len(order), min(BINS, len(order)) + 1).astype(int))
    ends = np.unique(np.searchsorted(ordered, ordered[ends[1:] - 1], side="right"))
    starts = np.concatenate([[0], ends[:-1]])
    counts = ends - starts
    mean_scores = np.add.reduceat(ordered, starts) / counts
    observed = np.add.reduceat((labels[order] == 1).astype(float), starts) / counts
    return mean_scores, observed, counts


def histogram(scores: Array, labels: Array | None = None, title: str = "Scores") -> bytes:
    """How many rows have which score; by label when there are labels (0 or 1)."""
    low, high = (0.0, 1.0) if scores.min() >= 0 and scores.max() <= 1 else (float(scores.min()), float(scores.max()))
    edges = np.linspace(low, high if high > low else low + 1, BARS + 1)
    groups = {"": scores} if labels is None else {"false": scores[labels != 1], "true": scores[labels == 1]}

    def draw(axes: Any) -> None:
        for (name, values), color in zip(groups.items(), (BLUE, ORANGE), strict=False):
            counts = np.histogram(values, edges)[0]
            axes.stairs(counts, edges, fill=True, color=color, alpha=0.45, linewidth=0)
            axes.stairs(counts, edges, color=color, linewidth=1, label=f"label {name}: {len(values):,}")
        axes.set(title=title, xlabel="score", ylabel="rows", xlim=(edges[0], edges[-1]))
        if labels is not None:
            axes.legend(loc="upper right")

    return svg(draw)


def _wilson(share: Array, counts: Array) -> tuple[Array, Array]:
    """The 95 % interval of a share (Wilson 1927)."""
    z = 1.96
    middle = (share + z * z / (2 * counts)) / (1 + z * z / counts)
    half = z * np.sqrt(share * (1 - share) / counts + z * z / (4 * counts**2)) / (1 + z * z / counts)
    return middle - half, middle + half
