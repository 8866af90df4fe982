"""Columns that tell the time: they differ from the training data by construction, so their drift says nothing.

A column is one when its values only ever rise, or only ever fall, with time: the day of the year, a running number.
The cost: a quantity that only grows, such as a price or a counter, looks the same and is left out as well. No figure
tells the two apart, so the check of the important columns names those that it left out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

SLICES = 64  # equal spans of time into which each side is cut
_ANEW = 2  # falls of a rising column that starts anew once, in the middle of a slice
_LEAST = 4  # different values in the reference: a switch that was thrown once is a change and no calendar


@dataclass(frozen=True)
class Slice:
    """The least and the greatest value of a column in one span of time, of those that are no nulls."""

    low: object
    high: object


def calendar_columns(
    reference: Mapping[str, Sequence[Slice]], current: Mapping[str, Sequence[Slice]], of_time_alone: frozenset[str]
) -> frozenset[str]:
    """The columns that tell the time, from their slices in order of time.

    of_time_alone: columns that are computed from the prediction time and nothing else. They tell the time where
    their values run in one direction now, and start anew once at most: within a month the day of the year does, and
    the hour does not.
    """
    return frozenset(
        name
        for name, now in current.items()
        if (_one_way([*now]) if name in of_time_alone else _tells_time([*reference.get(name, ())], [*now]))
    )


def _tells_time(then: list[Slice], now: list[Slice]) -> bool:
    """Whether a column of any origin runs in one direction on both sides, and has not merely stopped."""
    if not then or not now or pl.Series([one.low for one in then]).n_unique() < _LEAST:
        return False
    if not any(rises(then) and rises(now) for rises in (_rises, _falls)):
        return False
    low, high = _range(now)
    least, greatest = _range(then)
    return low != high or low > greatest or high < least


def _range(slices: list[Slice]) -> tuple[float, float]:
    lows, highs = pl.Series([one.low for one in slices]), pl.Series([one.high for one in slices])
    return lows.min(), highs.max()  # type: ignore[return-value]  # numbers, or texts that are compared alike


def _one_way(slices: list[Slice]) -> bool:
    return bool(slices) and min(_drops(slices), _climbs(slices)) <= _ANEW


def _rises(slices: list[Slice]) -> bool:
    return _drops(slices) == 0


def _falls(slices: list[Slice]) -> bool:
    return _climbs(slices) == 0


def _drops(slices: list[Slice]) -> int:
    """How often the values fall from one slice to the next."""
    before, after = pl.Series([one.high for one in slices[:-1]]), pl.Series([one.low for one in slices[1:]])
    return int((before > after).sum())


def _climbs(slices: list[Slice]) -> int:
    """How often they rise."""
    before, after = pl.Series([one.low for one in slices[:-1]]), pl.Series([one.high for one in slices[1:]])
    return int((before < after).sum())
