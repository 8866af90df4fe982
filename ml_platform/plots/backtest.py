"""The metric of each policy of a backtest, partition by partition."""

from collections.abc import Mapping
from typing import Any

from ml_platform.plots.canvas import svg


def by_policy(metric: str, values: Mapping[str, Mapping[str, float]]) -> bytes:
    """One line for each policy. `values`: policy → partition → the metric."""

    def draw(axes: Any) -> None:
        for policy, points in values.items():
            axes.plot(list(points), list(points.values()), "o-", markersize=3, linewidth=1.2, label=policy)
        axes.tick_params(axis="x", rotation=30, labelsize=8)
        axes.set(title=f"{metric} by policy")
        axes.legend(loc="best", fontsize=7)

    return svg(draw, width=6.2, height=3.2)
