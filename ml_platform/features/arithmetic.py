"""Exact sums and the figures computed from them, once for batch and online (S13).

A value x is the whole number u = round-half-even(x / resolution), the quotient of two doubles.
With the resolution as the decimal fraction p / q that it is written as, n values, s = Σu, r = Σu²:

    sum  = s·p / q
    mean = s·p / (n·q)
    std  = sqrt((n·r - s²)·p² / (n·(n - 1)·q²))

Each quotient is the double nearest to the exact one, ties to even, whatever the size of its parts.
"""

import math
from fractions import Fraction
from functools import lru_cache

import numpy as np
import polars as pl

from ml_platform.errors import FeatureError
from ml_platform.features.arrays import Floats, Integers

_LARGEST = 2.0**62  # of a value in units
_WIDEST = 2.0**126  # of n·r
_EXACT = 2.0**53  # whole numbers below it are doubles
_LIMB = 1 << 32
_MASK = _LIMB - 1
NUMERIC = frozenset({"sum", "mean", "std", "min", "max"})


@lru_cache
def fraction(resolution: float) -> tuple[int, int]:
    """The resolution as p / q, exactly as written in decimal."""
    exact = Fraction(repr(resolution))
    return exact.numerator, exact.denominator


def units(values: Floats, resolution: float, where: str) -> Integers:
    """Values in whole units. Raises FeatureError, naming `where`, for what has none."""
    return units_and_bound(values, resolution, where)[0]


def units_and_bound(values: Floats, resolution: float, where: str) -> tuple[Integers, int]:
    """The same, with a whole number that none of them exceeds in size."""
    largest, least = np.maximum.reduce(values, initial=0.0), np.minimum.reduce(values, initial=0.0)
    peak = max(float(largest), -float(least)) / resolution  # the largest quotient, since rounding keeps order
    if not peak < _LARGEST:  # NaN is not
        with np.errstate(over="ignore"):
            beyond = ~(np.abs(values / resolution) < _LARGEST)
        raise _beyond(float(values[beyond][0]), resolution, where)
    ratios = values / resolution
    return np.rint(ratios, out=ratios).astype(np.int64), int(peak) + 1


def _beyond(value: float, resolution: float | None, where: str) -> FeatureError:
    at = f" at a resolution of {resolution}" if resolution is not None and math.isfinite(value) else ""
    return FeatureError(
        f"{where}: the value {value} has no exact sum{at}.",
        remedy="Bound the column in its contract, or take a coarser resolution.",
    )


def sum_of(s: int, resolution: float) -> float:
    """0 for no values."""
    p, q = fraction(resolution)
    return s * p / q


def mean_of(n: int, s: int, resolution: float) -> float | None:
    """None for no values."""
    p, q = fraction(resolution)
    return s * p / (n * q) if n else None


def std_of(n: int, s: int, r: int, resolution: float) -> float | None:
    """The sample one; None under two values."""
    p, q = fraction(resolution)
    return math.sqrt((n * r - s * s) * p * p / (n * (n - 1) * q * q)) if n > 1 else None


def sums_of(s: pl.Series, resolution: float) -> Floats:
    """`sum_of` over a column of whole numbers."""
    p, q = fraction(resolution)
    return _quotients(s, p, _whole(1), q)


def means_of(n: pl.Series, s: pl.Series, resolution: float) -> Floats:
    """`mean_of` over columns of whole numbers; any value where n is 0."""
    p, q = fraction(resolution)
    return _quotients(s, p, n, q)


def stds_of(n: pl.Series, s: pl.Series, r: pl.Series, resolution: float) -> Floats:
    """`std_of` over columns of whole numbers; any value where n is under 2."""
    p, q = fraction(resolution)
    n, s, r = (numbers.cast(pl.Int128) for numbers in (n, s, r))
    return np.sqrt(_quotients(n * r - s * s, p * p, n * (n - _whole(1)), q * q))


def _quotients(above: pl.Series, p: int, below: pl.Series, q: int) -> Floats:
    """above·p / (below·q), each the nearest double; any value where below is 0.

    A division of doubles is exact in that sense while both are whole numbers under 2^53, and is done
    by numpy: polars divides by a constant through its reciprocal. Python's of whole numbers always is.
    """
    top = above.cast(pl.Float64).to_numpy() * float(p)
    bottom = np.maximum(below.cast(pl.Float64).to_numpy() * float(q), 1.0)
    quotients: Floats = top / bottom
    wide = np.flatnonzero((np.abs(top) >= _EXACT) | ((bottom >= _EXACT) & (top != 0)))
    if len(wide):
        tops = above.gather(wide).to_list()
        bottoms = below.gather(wide).to_list() if len(below) > 1 else below.to_list() * len(wide)
        quotients = quotients.copy()
        quotients[wide] = [a * p / (max(b, 1) * q) for a, b in zip(tops, bottoms, strict=True)]
    return quotients


def _whole(number: int) -> pl.Series:
    return pl.Series([number], dtype=pl.Int128)


class RunningSums:
    """Σu or Σu² of rows that cover a stretch of `size` places, as limbs of 32 bits: nothing overflows.

    Limbs beyond the first are made when a value first needs them.
    """

    def __init__(self, size: int, *, squared: bool) -> None:
        self.size = size
        self.squared = squared
        self._limbs: dict[int, Integers] = {}

    def add(self, first: Integers, end: Integers, values: Integers) -> None:
        """Each value counts at the places first ≤ place < end."""
        for weight, part in _square_limbs(values) if self.squared else _limbs(values):
            limb = self._limbs.setdefault(weight, np.zeros(self.size + 1, np.int64))
            np.add.at(limb, first, part)
            np.subtract.at(limb, end, part)

    def result(self, where: str, counts: Integers) -> pl.Series:
        """The sum at each place, and at one more that nothing covers: Int64 where one limb holds them, or Int128."""
        sums = {weight: np.cumsum(limb) for weight, limb in self._limbs.items()}
        size = sum(
            (float(_LIMB) ** weight * np.abs(limb.astype(np.float64)) for weight, limb in sums.items()),
            start=np.zeros(1),
        )
        if self.squared and float((size * counts).max()) >= _WIDEST:
            raise FeatureError(
                f"{where}: the squares in one window exceed 126 bits.", remedy="Give the window a coarser resolution."
            )
        if sums.keys() <= {0}:  # values under 2^32, of fewer than 2^31 rows
            return pl.Series(sums.get(0, np.zeros(self.size + 1, np.int64)))
        total = pl.Series(np.zeros(self.size + 1, np.int64)).cast(pl.Int128)
        for weight in range(max(sums, default=0), -1, -1):
            total = total * _whole(_LIMB)
            if weight in sums:
                total = total + pl.Series(sums[weight]).cast(pl.Int128)
        return total


def _limbs(values: Integers) -> list[tuple[int, Integers]]:
    if len(values) == 0 or np.abs(values).max() < _LIMB:
        return [(0, values)]
    return [(0, values & _MASK), (1, values >> 32)]


def _square_limbs(values: Integers) -> list[tuple[int, Integers]]:
    size = np.abs(values).astype(np.uint64)
    if len(values) == 0 or size.max() < 1 << 16:
        return [(0, (size * size).astype(np.int64))]
    shift, mask = np.uint64(32), np.uint64(_MASK)
    low, high = size & mask, size >> shift
    square = low * low
    if not high.any():
        return [(0, (square & mask).astype(np.int64)), (1, (square >> shift).astype(np.int64))]
    cross, top = np.uint64(2) * low * high, high * high
    parts = [square & mask, (square >> shift) + (cross & mask), (cross >> shift) + (top & mask), top >> shift]
    return [(weight, part.astype(np.int64)) for weight, part in enumerate(parts)]
