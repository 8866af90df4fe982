"""How well predicted quantiles fit: their pinball loss, and how often an interval holds the label."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def quantile_scorecard(labels: Array, values: Array, levels: Sequence[float]) -> dict[str, float]:
    """The metrics of quantiles, in units of the label but for coverages, which are shares of rows.

    Args:
        labels: Shape (n,), at least one.
        values: Shape (n, levels), rising in each row.
        levels: Rising. Level q is predicted well where a share of q of the labels is at or below its value.

    Returns:
        `pinball loss at q` of each level, the mean of max(q d, (q - 1) d) with d = label - value (Koenker and Bassett
        1978); `pinball loss`, their mean; and `coverage of p to q`, the share of labels from the value of p to that of
        q, both included, for each pair of levels that lie symmetrically around the median.

    >>> scores = quantile_scorecard(np.array([1.0, 4.0]), np.array([[0.0, 1.0, 2.0]] * 2), [0.1, 0.5, 0.9])
    >>> scores["pinball loss at 0.5"], scores["coverage of 0.1 to 0.9"]
    (0.75, 0.5)
    """
    off = np.asarray(labels, dtype=np.float64)[:, None] - values
    of_level = np.asarray(levels)
    losses = np.maximum(of_level * off, (of_level - 1) * off).mean(axis=0)
    metrics = {"pinball loss": float(losses.mean())}
    metrics |= {f"pinball loss at {level:g}": float(loss) for level, loss in zip(levels, losses, strict=True)}
    for low, level in enumerate(levels):
        for high in range(low + 1, len(levels)):
            if abs(level + levels[high] - 1) < 1e-9:
                inside = (off[:, low] >= 0) & (off[:, high] <= 0)
                metrics[f"coverage of {level:g} to {levels[high]:g}"] = float(inside.mean())
    return metrics
