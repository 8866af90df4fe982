"""Where a split by time cuts: in spans that leave rows in every part."""

import math
from datetime import timedelta

import polars as pl

HOLDOUT, VALIDATION = 0.2, 0.1  # of the rows
_NEAR = 0.05  # of the rows may be in another part for the sake of a round span
_TICK = timedelta(microseconds=1)  # a training without partitions is decided so long after the last row
_UNITS = (("d", timedelta(days=1)), ("h", timedelta(hours=1)), ("m", timedelta(minutes=1)), ("s", timedelta(seconds=1)))


def spans(times: pl.Series) -> tuple[str, str] | None:
    """The spans of validation and holdout, in the coarsest unit that does; None for fewer than three times.

    >>> from datetime import datetime
    >>> spans(pl.Series([datetime(2024, month, 1) for month in (1, 2, 3)]))
    ('29d', '1d')
    """
    counts = times.drop_nulls().alias("time").value_counts(name="n").sort("time")
    moments, rows = counts["time"].to_list(), counts["n"].to_list()
    if len(moments) < 3:
        return None
    total = sum(rows)
    first_held = _cut(rows, len(moments), HOLDOUT * total, 2)
    first_validated = _cut(rows, first_held, VALIDATION * total, 1)
    end = moments[-1] + _TICK
    wanted = (sum(rows[first_held:]) / total, sum(rows[first_validated:first_held]) / total)
    for name, unit in _UNITS:
        held_units = max(1, math.ceil((end - moments[first_held]) / unit))
        validated = max(1, math.ceil((end - held_units * unit - moments[first_validated]) / unit))
        cuts = end - held_units * unit, end - (held_units + validated) * unit
        shares = (
            sum(n for t, n in zip(moments, rows, strict=True) if t >= cuts[0]) / total,
            sum(n for t, n in zip(moments, rows, strict=True) if cuts[1] <= t < cuts[0]) / total,
        )
        whole = min(*shares, 1 - sum(shares)) > 0
        if whole and all(abs(got - due) <= _NEAR for got, due in zip(shares, wanted, strict=True)):
            return f"{validated}{name}", f"{held_units}{name}"
    return None


def widest_gap(times: pl.Series) -> timedelta:
    """The longest span between one time and the next."""
    gap = times.drop_nulls().unique().sort().diff().max()
    return gap if isinstance(gap, timedelta) else timedelta(0)


def _cut(rows: list[int], end: int, wanted: float, least: int) -> int:
    """The last index from which on there are as many rows as `wanted` before `end`, with `least` indices before it."""
    first = end
    while first > least and sum(rows[first:end]) < wanted:
        first -= 1
    return min(first, end - 1)
