"""Parts of single times, in the time zones as polars knows them."""

from bisect import bisect_right
from collections.abc import Callable
from datetime import date
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from ml_platform.features.scalars.values import EPOCH_DAY, Deferred, Scalar, Unsupported, applied

_SECOND = 1_000_000  # microseconds
_HOUR, _DAY = 3600 * _SECOND, 86_400 * _SECOND
_STRETCH = 366 * _DAY  # of which the offsets of a zone are looked up together


def in_zone(moment: Scalar, zone: str) -> Scalar:
    """A time in another zone."""
    if not isinstance(moment.dtype, pl.Datetime) or moment.dtype.time_zone is None:
        raise Unsupported
    return Scalar(pl.Datetime("us", zone), moment.of)


def of_day(function: Callable[[int], Any]) -> Callable[[Scalar], Scalar]:
    """A part of the day that a Date or a time is on, given in days since 1970."""

    def part(moment: Scalar) -> Scalar:
        if moment.dtype == pl.Date:
            return applied(pl.Int64(), function, moment)
        return applied(pl.Int64(), lambda local: function(local // _DAY), _local(moment))

    return part


def of_clock(unit: int, count: int) -> Callable[[Scalar], Scalar]:
    """The hour or minute that a clock shows."""
    return lambda moment: applied(pl.Int64(), lambda local: local // unit % count, _local(moment))


def of_date(function: Callable[[date], int]) -> Callable[[Scalar], Scalar]:
    """A part of a date of the calendar."""
    return of_day(lambda day: function(date_of(day)))


def on_day(moment: Scalar) -> Scalar:
    """The date that a time is on."""
    return applied(pl.Date(), lambda local: local // _DAY, _local(moment))


def weekday(day: int) -> int:
    """1 (Monday) to 7."""
    return (day + 3) % 7 + 1


def total(unit: int) -> Callable[..., Scalar]:
    """A duration in whole units, towards 0."""

    def of_duration(span: Scalar, fractional: bool) -> Scalar:
        if span.dtype != pl.Duration("us") or fractional:
            raise Unsupported
        return applied(pl.Int64(), lambda ticks: ticks // unit if ticks >= 0 else -(-ticks // unit), span)

    return of_duration


def date_of(day: int) -> date:
    """The date that lies so many days after 1970-01-01; one that Python has no name for is deferred."""
    try:
        return date.fromordinal(day + EPOCH_DAY)
    except (ValueError, OverflowError):
        raise Deferred from None


def _local(moment: Scalar) -> Scalar:
    """Microseconds since 1970 of the clock and calendar of the time's zone."""
    if not isinstance(moment.dtype, pl.Datetime) or moment.dtype.time_zone is None:
        raise Unsupported
    zone = moment.dtype.time_zone
    if zone == "UTC":
        return moment

    def local(ticks: int) -> int:
        begins, offsets = _offsets(zone, ticks // _STRETCH)
        return ticks + offsets[bisect_right(begins, ticks) - 1]

    return applied(pl.Int64(), local, moment)


@lru_cache(maxsize=1024)
def _offsets(zone: str, stretch: int) -> tuple[list[int], list[int]]:
    """From which moments on a zone is how far from UTC, over one stretch, by polars; they are whole seconds."""
    hours = np.arange(stretch * _STRETCH, (stretch + 1) * _STRETCH + 1, _HOUR, dtype=np.int64)
    offsets = _by_polars(zone, hours)
    changes = np.flatnonzero(offsets[1:] != offsets[:-1])
    low, high = hours[changes] // _SECOND, hours[changes + 1] // _SECOND
    before = offsets[changes]
    while len(changes) and (high - low).max() > 1:
        middle = (low + high) // 2
        earlier = _by_polars(zone, middle * _SECOND) == before
        low, high = np.where(earlier, middle, low), np.where(earlier, high, middle)
    return [int(hours[0]), *(high * _SECOND).tolist()], [int(offsets[0]), *offsets[changes + 1].tolist()]


def _by_polars(zone: str, moments: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    try:
        times = pl.Series(moments).cast(pl.Datetime("us")).dt.replace_time_zone("UTC").dt.convert_time_zone(zone)
        return times.dt.replace_time_zone(None).to_physical().to_numpy() - moments
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):  # a year that it has no calendar for
        raise Deferred from None
