"""Slices of event time in UTC, start inclusive, end exclusive (S20)."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Protocol

import polars as pl

from ml_platform.errors import DeclarationError, NotFoundError
from ml_platform.spec.vocabulary import word

WHOLE = "all"  # the one slice of whatever is not partitioned


class Partitions(Protocol):
    """A way to slice time: keys sort as their slices do."""

    def window(self, key: str) -> tuple[datetime, datetime]:
        """Start (inclusive) and end (exclusive) of the slice, in UTC."""

    def keys(self, through: str | None = None) -> list[str]:
        """Every slice from the first to `through` or to the last that has ended by now."""

    def key_of(self, time: pl.Expr) -> pl.Expr:
        """The key of the slice that each UTC time of the column lies in."""


@word
class Monthly:
    """Calendar months in UTC: from `since` (inclusive) to `until` (exclusive; default: the last that ended)."""

    since: str
    until: str | None = None

    def __post_init__(self) -> None:
        for name in ("since", "until"):
            value = getattr(self, name)
            if value is not None:
                _month(value, f"Monthly({name}={value!r})")
        if self.until is not None and self.until <= self.since:
            raise DeclarationError(
                "Monthly",
                f"until={self.until!r} is not after since={self.since!r}",
                remedy="`until` is the first month that is left out.",
            )

    def window(self, key: str) -> tuple[datetime, datetime]:
        start = _month(key, f"month {key!r}")
        return start, _next(start)

    def keys(self, through: str | None = None) -> list[str]:
        month = _month(self.since, "Monthly.since")
        end = _month(self.until, "Monthly.until") if self.until else datetime.now(UTC)
        found = []
        while _next(month) <= end and (through is None or f"{month:%Y-%m}" <= through):
            found.append(f"{month:%Y-%m}")
            month = _next(month)
        if through is not None and through not in found:
            raise NotFoundError("month", through, [self.since, f"to {found[-1] if found else self.since}"])
        return found

    def key_of(self, time: pl.Expr) -> pl.Expr:
        return time.dt.strftime("%Y-%m")


def _month(text: str, where: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC)
    except ValueError:
        raise DeclarationError(where, "not a month", remedy="Write it as YYYY-MM, such as 2013-01.") from None


def _next(month: datetime) -> datetime:
    return month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)


def spanned(partitions: Iterable[str]) -> str:
    """Partitions as people say them, months in a row as one: `2013-01 … 2013-03, 2013-05`."""
    runs: list[list[str]] = []
    for name in sorted(set(partitions)):
        if runs and WHOLE != name == f"{_next(_month(runs[-1][-1], name)):%Y-%m}":
            runs[-1].append(name)
        else:
            runs.append([name])
    return ", ".join(run[0] if len(run) == 1 else f"{run[0]} … {run[-1]}" for run in runs)
