"""95 % intervals by the jackknife: how far an estimate moves when rows are left out (Efron & Tibshirani 1993, §11).

The interval is made on a scale on which the metric has no bounds (the logit of a share, the logarithm of an error). The
side on which rare rows weigh most is longer (Hall 1992, of a skewed mean). For metrics of a regression the quantile is
Student's, with fewer degrees of freedom the fewer rows carry the variance. `bench/intervals.py` simulates how often
such intervals hold the true value.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from ml_platform.evaluation.metrics import Statistic
from ml_platform.spec.metrics import METRICS

GROUPS = 200  # of rows, each left out once; with fewer rows each is a group
FEWEST = 3.0  # degrees of freedom that are assumed at least
Z = 1.959964  # the 97.5 % quantile of the normal distribution


@dataclass(frozen=True)
class Interval:
    """A point estimate and the ends of its 95 % interval; each None when the rows do not define it.

    `error` is the standard error of the estimate, in its own units.
    """

    value: float | None
    low: float | None
    high: float | None
    error: float | None = field(default=None, compare=False)


def interval(computed: Statistic, rows: int, metric: str = "", *, seed: int = 0) -> Interval:
    """The statistic on all rows with its interval. `metric` tells its bounds; "" is a statistic without bounds.

    The same rows give the same interval. There is none where leaving a group out leaves the statistic undefined.
    """
    value = computed(np.ones(rows))
    return _summary(value, [computed(weights) for weights in left_out(rows, seed)], metric)


def paired_difference(first: Statistic, second: Statistic, rows: int, *, seed: int = 0) -> Interval:
    """`first - second` on the same rows: both lack the same group, so that what they share cancels."""
    value = first(np.ones(rows)) - second(np.ones(rows))
    return _summary(value, [first(weights) - second(weights) for weights in left_out(rows, seed)], "")


def share(hits: float, rows: int) -> Interval:
    """The share `hits / rows` with Wilson's interval (1927), which is never empty, also at 0 and at 1."""
    if rows == 0:
        return Interval(None, None, None)
    value, z2 = hits / rows, Z * Z
    centre = (value + z2 / (2 * rows)) / (1 + z2 / rows)
    half = Z / (1 + z2 / rows) * math.sqrt(value * (1 - value) / rows + z2 / (4 * rows * rows))
    low, high = max(0.0, centre - half), min(1.0, centre + half)
    return Interval(value, min(low, value), max(high, value), math.sqrt(value * (1 - value) / rows))


def left_out(rows: int, seed: int = 0) -> Iterator[npt.NDArray[Any]]:
    """Weights of 1, and of 0 for the rows of one group. The groups are drawn at random and about equally large."""
    groups = min(rows, GROUPS)
    group = np.random.default_rng(seed).permutation(rows) % max(groups, 1)
    for number in range(groups):
        yield (group != number).astype(float)


def quantile_of_t(degrees: float) -> float:
    """The 97.5 % quantile of Student's t, to 0.5 % from 3 degrees of freedom on (Abramowitz & Stegun 26.7.5).

    >>> round(quantile_of_t(10), 2), round(quantile_of_t(1e6), 2)
    (2.23, 1.96)
    """
    z, inverse = Z, 0.0 if math.isinf(degrees) else 1 / degrees
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + sum(term * inverse**power for power, term in enumerate(terms, start=1))


def _summary(value: float, without: list[float], metric: str) -> Interval:
    if math.isnan(value):
        return Interval(None, None, None)
    if len(without) < 2 or any(math.isnan(other) for other in without):
        return Interval(value, None, None)
    others = np.array(without)
    influence = others.mean() - others
    squares = influence**2
    total = float(squares.sum())
    if total <= 0 or total < 1e-24 * max(value * value, 1e-300):
        return Interval(value, value, value, 0.0)
    groups = len(without)
    error = math.sqrt((groups - 1) / groups * total)
    uneven = float((squares**2).sum()) - total * total / groups
    tailed = metric in METRICS and METRICS[metric][0] == {"regression"}
    degrees = max(2 * total * total / uneven, FEWEST) if tailed and uneven > 0 else math.inf
    reach = quantile_of_t(degrees)
    skewness = float((influence**3).sum()) / (6 * total**1.5)
    longer = min(abs(skewness) * (2 * reach * reach + 1), reach / 2)
    below, above = (reach + longer, reach) if skewness < 0 else (reach, reach + longer)
    low, high = _bounded(metric, value, below * error, above * error)
    return Interval(value, low, high, error)


def _bounded(metric: str, value: float, below: float, above: float) -> tuple[float, float]:
    """The ends so far below and above the value, measured on the unbounded scale of the metric."""
    _, _, lowest, highest = METRICS.get(metric, (None, None, -math.inf, math.inf))
    if (math.isinf(lowest) and math.isinf(highest)) or not lowest < value < highest:
        return value - below, value + above
    if math.isinf(highest):
        at, slope = math.log(value - lowest), 1 / (value - lowest)
        return lowest + _exp(at - below * slope), lowest + _exp(at + above * slope)
    if math.isinf(lowest):
        at, slope = -math.log(highest - value), 1 / (highest - value)
        return highest - _exp(below * slope - at), highest - _exp(-at - above * slope)
    width = highest - lowest
    part = (value - lowest) / width
    at, slope = math.log(part / (1 - part)), 1 / (width * part * (1 - part))
    return lowest + width / (1 + _exp(below * slope - at)), lowest + width / (1 + _exp(-at - above * slope))


def _exp(power: float) -> float:
    return math.exp(max(min(power, 700.0), -700.0))  # beyond about 709 there is no number
