"""Plots of a search: its trials with the best so far, and which parameters mattered."""

from collections.abc import Mapping, Sequence
from typing import Any

from ml_platform.plots.canvas import BLUE, GREY, ORANGE, QUIET, svg
from ml_platform.plots.importance import shortened

MOST = 20  # parameters that are drawn
_LONG = 2_000  # trials that are drawn one by one


def progress(metric: str, points: Sequence[tuple[int, float, bool]], *, higher_is_better: bool) -> bytes:
    """Every finished trial (number, value, whether it misses no constraint), and the best so far that misses none."""
    best, steps = None, []
    for number, value, feasible in points:
        if feasible and (best is None or (value > best if higher_is_better else value < best)):
            best = value
        if best is not None:
            steps.append((number, best))
    shown = points[:: max(1, len(points) // _LONG)]
    groups = [
        ("trial", BLUE, [(number, value) for number, value, feasible in shown if feasible]),
        ("misses a constraint", GREY, [(number, value) for number, value, feasible in shown if not feasible]),
    ]

    def draw(axes: Any) -> None:
        for label, colour, spots in groups:
            if spots:
                axes.scatter(*zip(*spots, strict=True), s=12, color=colour, label=label)
        if steps:
            axes.step(*zip(*steps, strict=True), where="post", color=ORANGE, linewidth=1.6, label="best so far")
        axes.set(title=f"{metric} of the trials", xlabel="trial", ylabel=f"mean {metric} over the folds")
        axes.legend(loc="best")

    return svg(draw)


def parameter_importance(shares: Mapping[str, float]) -> bytes:
    """The parameters by their share of what tells good trials apart, greatest on top."""
    top = sorted(shares.items(), key=lambda item: (-item[1], item[0]))[:MOST][::-1]

    def draw(axes: Any) -> None:
        axes.barh(range(len(top)), [100 * share for _, share in top], color=BLUE, height=0.7)
        axes.set_yticks(range(len(top)), [shortened(name) for name, _ in top], fontsize=7)
        axes.set(title="Which parameters mattered", xlabel="share of the importance, %")
        axes.tick_params(colors=QUIET)
        axes.grid(visible=False, axis="y")

    return svg(draw, height=0.8 + 0.25 * max(len(top), 3))
