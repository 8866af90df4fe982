"""Bootstrap intervals: rows drawn with replacement, as integer weights (Efron 1979, percentile method).

Seeded: the same rows give the same interval. A resample that does not define the metric (one class)
is left out; when fewer than half define it there is no interval.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ml_platform.evaluation.metrics import Statistic

RESAMPLES = 200
TAILS = (0.025, 0.975)  # of a 95 % interval


@dataclass(frozen=True)
class Interval:
    """A point estimate and the ends of its 95 % interval; each None when the rows do not define it."""

    value: float | None
    low: float | None
    high: float | None


def interval(computed: Statistic, rows: int, *, resamples: int = RESAMPLES, seed: int = 0) -> Interval:
    """The statistic on all rows, and its interval over resamples of them."""
    value = computed(np.ones(rows))
    return _summary(value, [computed(weights) for weights in draws(rows, resamples, seed)])


def paired_difference(
    first: Statistic, second: Statistic, rows: int, *, resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """`first - second` on the same rows: each resample is given to both, so what they share cancels."""
    value = first(np.ones(rows)) - second(np.ones(rows))
    return _summary(value, [first(weights) - second(weights) for weights in draws(rows, resamples, seed)])


def draws(rows: int, resamples: int, seed: int) -> Iterator[npt.NDArray[Any]]:
    """Multinomial weights: how often each row was drawn in `rows` draws with replacement."""
    generator = np.random.default_rng(seed)
    for _ in range(resamples if rows else 0):
        yield np.bincount(generator.integers(0, rows, size=rows), minlength=rows).astype(float)


def _summary(value: float, values: list[float]) -> Interval:
    defined = [v for v in values if not math.isnan(v)]
    if math.isnan(value):
        return Interval(None, None, None)
    if not defined or 2 * len(defined) < len(values):
        return Interval(value, None, None)
    low, high = np.quantile(defined, TAILS)
    return Interval(value, float(low), float(high))
