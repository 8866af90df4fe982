"""Maps from a probability to the share of true labels that it stands for, by the same operations for any row."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ml_platform.models.lbfgs import minimised

Array = npt.NDArray[np.float64]

_SMALLEST = 1e-15  # away from 0 and 1, so that log-odds are finite


@dataclass(frozen=True)
class Sigmoid:
    """1 / (1 + exp(slope · log-odds + offset))."""

    slope: float
    offset: float

    @classmethod
    def fitted(cls, probabilities: Array, labels: Array) -> "Sigmoid":
        """Platt's scaling, with his targets, which are a little away from 0 and 1 (Platt 1999)."""
        margins = _log_odds(probabilities)
        scale = float(np.std(margins)) or 1.0
        positive = float(np.sum(labels))
        negative = len(labels) - positive
        targets = np.where(labels == 1.0, (positive + 1) / (positive + 2), 1 / (negative + 2))

        def loss(at: Array) -> tuple[float, Array]:
            turned = at[0] * margins / scale + at[1]
            residuals = targets - np.exp(-np.logaddexp(0.0, turned))
            value = np.mean(targets * np.logaddexp(0.0, turned) + (1 - targets) * np.logaddexp(0.0, -turned))
            return float(value), np.array([np.mean(residuals * margins / scale), np.mean(residuals)])

        best, _, _ = minimised(loss, np.array([0.0, float(np.log((negative + 1) / (positive + 1)))]))
        return cls(float(best[0]) / scale, float(best[1]))

    def of(self, probabilities: Array) -> Array:
        """The calibrated probabilities."""
        return np.asarray(np.exp(-np.logaddexp(0.0, self.slope * _log_odds(probabilities) + self.offset)))


@dataclass(frozen=True)
class Isotonic:
    """A rising line through points; level before the first and after the last."""

    probabilities: list[float]
    shares: list[float]

    @classmethod
    def fitted(cls, probabilities: Array, labels: Array) -> "Isotonic":
        """Pools neighbours until shares rise (Zadrozny & Elkan 2002); a pool is level from its first to its last.

        No share is nearer to 0 or 1 than what `n` rows without an exception can show, 1 / (n + 2) (Laplace).
        """
        values, of_value, counts = np.unique(probabilities, return_inverse=True, return_counts=True)
        sums = np.bincount(of_value.ravel(), labels).tolist()
        pools: list[tuple[float, int, int, int]] = []  # labels, rows, first and last value
        for at, (total, count) in enumerate(zip(sums, counts.tolist(), strict=True)):
            pools.append((total, count, at, at))
            while len(pools) > 1 and pools[-2][0] * pools[-1][1] >= pools[-1][0] * pools[-2][1]:
                later, earlier = pools.pop(), pools.pop()
                pools.append((earlier[0] + later[0], earlier[1] + later[1], earlier[2], later[3]))
        ends = [(end, total / count) for total, count, first, last in pools for end in dict.fromkeys((first, last))]
        least = 1.0 / (len(labels) + 2)
        return cls([float(values[at]) for at, _ in ends], [min(max(share, least), 1.0 - least) for _, share in ends])

    def of(self, probabilities: Array) -> Array:
        """The calibrated probabilities."""
        x, y = np.array(self.probabilities), np.array(self.shares)
        if len(x) == 1:
            return np.full(len(probabilities), y[0])
        inside = np.clip(probabilities, x[0], x[-1])
        at = np.clip(np.searchsorted(x, inside, side="right") - 1, 0, len(x) - 2)
        return np.asarray(y[at] + (y[at + 1] - y[at]) * ((inside - x[at]) / (x[at + 1] - x[at])))


Calibration = Sigmoid | Isotonic
METHODS: Mapping[str, type[Sigmoid] | type[Isotonic]] = {"sigmoid": Sigmoid, "isotonic": Isotonic}
FIT: Mapping[str, Callable[[Array, Array], Calibration]] = {name: kind.fitted for name, kind in METHODS.items()}


def calibration_of(method: str, values: Mapping[str, Any]) -> Calibration:
    """The map whose fields are `values`."""
    return METHODS[method](**values)


def _log_odds(probabilities: Array) -> Array:
    inside = np.clip(probabilities, _SMALLEST, 1.0 - _SMALLEST)
    return np.asarray(np.log(inside) - np.log1p(-inside))
