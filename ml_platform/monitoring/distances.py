"""Distances of two distributions: PSI, Wasserstein, Jensen-Shannon. Functions of arrays, no input or output."""

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from ml_platform.evaluation.ranking import dot

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]
FLOOR = 1e-4  # the least share of a bin: one empty bin would make any PSI infinite; Evidently uses the same


def psi(reference: Floats, current: Floats) -> float:
    """Population stability index of two rows of shares, bin by bin: sum of (c - r) ln(c / r).

    By convention a PSI below .1 is no change and one above .25 a large change (Siddiqi, Credit Risk Scorecards,
    2006).

    >>> round(psi(np.array([0.5, 0.5]), np.array([0.25, 0.75])), 4)
    0.2747
    """
    r, c = np.maximum(reference, FLOOR), np.maximum(current, FLOOR)
    return float(np.sum((c - r) * np.log(c / r)))


def jensen_shannon(reference: Floats, current: Floats) -> float:
    """Jensen-Shannon distance, to base 2: 0 for equal shares, 1 for shares that have no bin in common."""
    middle = (reference + current) / 2
    divergence = (_relative_entropy(reference, middle) + _relative_entropy(current, middle)) / 2
    return float(np.sqrt(max(divergence, 0.0)))


def wasserstein(reference: Floats, current: Floats) -> float:
    """First Wasserstein distance of two sorted samples, exact, in their unit: the area between their quantiles.

    The shorter sample's quantile function has longer steps, so each step of the longer one meets at
    most two of them. Which ones, and for how long, depends on the two lengths only.
    """
    long, short = (reference, current) if len(reference) >= len(current) else (current, reference)
    if len(long) == len(short):
        return float(np.mean(np.abs(long - short)))
    first, with_first, across, second, with_second = _steps(len(long), len(short))
    gaps = short[first]
    np.abs(np.subtract(long, gaps, out=gaps), out=gaps)  # no new arrays: fresh memory costs more than the sums
    return dot(with_first, gaps) + dot(with_second, np.abs(long[across] - short[second]))


@lru_cache(maxsize=2)  # the columns of two frames mostly have the same lengths, but for those with nulls
def _steps(long: int, short: int) -> tuple[Places, Floats, Places, Places, Floats]:
    """For each step of the long sample the step of the short one that it meets first, and for how long.

    Then which of them go on into a second one, into which, and for how long.
    """
    # In units of 1 / (long x short) all lengths are whole numbers.
    first, offset = np.divmod(np.arange(long, dtype=np.int64) * short, long)
    overlap = np.minimum(long - offset, short)
    across = np.flatnonzero(overlap < short)
    shares = [np.asarray(part / (long * short), dtype=np.float64) for part in (overlap, short - overlap[across])]
    return first, shares[0], across, first[across] + 1, shares[1]


def _relative_entropy(shares: Floats, middle: Floats) -> float:
    some = shares > 0
    return float(np.sum(shares[some] * np.log2(shares[some] / middle[some])))
