"""Partitions: slices of event time in UTC, start inclusive, end exclusive (S20)."""

from bisect import bisect_right
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import ClassVar

import polars as pl

from ml_platform.errors import DeclarationError, NotFoundError
from ml_platform.spec.vocabulary import word

WHOLE = "all"  # the one slice of whatever is not partitioned


@word
class Partitions:
    """Partitions by time in UTC. Declare `Monthly`, `Weekly`, `Daily` or `Hourly`.

    A key is the start of its partition, so keys sort as partitions do.

    Args:
        since: The key of the first partition.
        until: The key of the first partition that is left out; default: none. Partitions exist once they have ended.

    Raises:
        DeclarationError: For a key of another form, and for `until` that is not after `since`.
    """

    since: str
    until: str | None = None

    unit: ClassVar[str]  # what one is called
    form: ClassVar[str]  # of a key, for strftime
    written: ClassVar[str]  # the same for people
    short: ClassVar[bool] = False  # whether several may share a run, because there are many of little work each

    def __post_init__(self) -> None:
        name = type(self).__name__
        for parameter in ("since", "until"):
            value = getattr(self, parameter)
            if value is not None:
                self._parsed(value, f"{name}({parameter}={value!r})")
        if self.until is not None and self.until <= self.since:
            raise DeclarationError(
                name,
                f"until={self.until!r} is not after since={self.since!r}",
                remedy=f"`until` is the first {self.unit} that is left out.",
            )

    def window(self, key: str) -> tuple[datetime, datetime]:
        """Start (inclusive) and end (exclusive) of a partition. Raises DeclarationError for a text that is no key."""
        start = self._parsed(key, f"{self.unit} {key!r}")
        return start, self._next(start)

    def is_key(self, text: str) -> bool:
        """Whether a text is the key of a partition of this kind, within `since` and `until` or not.

        >>> Monthly("2013-01").is_key("2013-01-31")
        False
        """
        try:
            self.window(text)
        except DeclarationError:
            return False
        return True

    def keys(self, through: str | None = None) -> list[str]:
        """Every partition from the first to `through`, or to the last that has ended by now.

        Raises:
            NotFoundError: When `through` is not one of them.

        >>> Monthly("2013-01", until="2014-01").keys("2013-03")
        ['2013-01', '2013-02', '2013-03']
        """
        now = self.at(datetime.now(UTC))
        keys = _keys(type(self), self.since, min(self.until or now, now))  # type: ignore[arg-type]  # a class is hashable: mypy looks at its instances
        if through is None:
            return list(keys)
        upto = bisect_right(keys, through)
        if upto == 0 or keys[upto - 1] != through:
            span = f"{self.since} to {keys[-1] if keys else self.since}"
            raise NotFoundError(self.unit, through, [span], alike=keys)
        return list(keys[:upto])

    def before(self, key: str) -> str | None:
        """The slice just before this one; None for the first."""
        start = self._parsed(key, f"{self.unit} {key!r}")
        before = self.at(start - timedelta(microseconds=1))
        return before if before >= self.since else None

    def at(self, moment: datetime) -> str:
        """The key of the partition that contains a UTC moment.

        >>> Weekly("2013-01-07").at(datetime(2013, 1, 17, tzinfo=UTC))
        '2013-01-14'
        """
        return self._start(moment.replace(minute=0, second=0, microsecond=0)).strftime(self.form)

    def key_of(self, time: pl.Expr) -> pl.Expr:
        """The key of the partition that contains each UTC time of a column."""
        return time.dt.strftime(self.form)

    def alike(self, key: str, other: str) -> bool:
        """Whether the rows of two partitions should look alike. Hours should at the same time of the day."""
        return True

    def _start(self, hour: datetime) -> datetime:
        """The start of the partition that contains a whole hour."""
        raise NotImplementedError

    def _next(self, start: datetime) -> datetime:
        """The start of the partition that follows."""
        raise NotImplementedError

    def _parsed(self, text: str, where: str) -> datetime:
        remedy = f"Write it as {self.written}."
        try:
            start = datetime.strptime(text, self.form).replace(tzinfo=UTC)
        except ValueError:
            article = "an" if self.unit[0] in "aeioh" else "a"
            raise DeclarationError(where, f"not {article} {self.unit}", remedy=remedy) from None
        if self.at(start) != text:
            raise DeclarationError(where, f"its {self.unit} is called {self.at(start)}", remedy=remedy)
        return start


@word
class Monthly(Partitions):
    """Calendar months, such as `2013-01`, from `since` to `until` (exclusive; default: the last month that ended).

    >>> Monthly("2013-01", until="2013-03").keys()
    ['2013-01', '2013-02']
    """

    unit: ClassVar[str] = "month"
    form: ClassVar[str] = "%Y-%m"
    written: ClassVar[str] = "YYYY-MM, such as 2013-01"

    def _start(self, hour: datetime) -> datetime:
        return hour.replace(day=1, hour=0)

    def _next(self, start: datetime) -> datetime:
        return start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)


@word
class Weekly(Partitions):
    """Weeks, each named by its Monday, such as `2013-01-07`, from `since` to `until` (exclusive).

    >>> Weekly("2013-01-07", until="2013-01-21").keys()
    ['2013-01-07', '2013-01-14']
    """

    unit: ClassVar[str] = "week"
    form: ClassVar[str] = "%Y-%m-%d"
    written: ClassVar[str] = "its Monday, YYYY-MM-DD, such as 2013-01-07"

    def _start(self, hour: datetime) -> datetime:
        return hour.replace(hour=0) - timedelta(days=hour.weekday())

    def key_of(self, time: pl.Expr) -> pl.Expr:
        return super().key_of(time.dt.truncate("1w"))  # to the Monday

    def _next(self, start: datetime) -> datetime:
        return start + timedelta(days=7)


@word
class Daily(Partitions):
    """Days, such as `2013-01-07`, from `since` to `until` (exclusive; default: the last day that ended).

    >>> Daily("2013-01-31", until="2013-02-02").keys()
    ['2013-01-31', '2013-02-01']
    """

    unit: ClassVar[str] = "day"
    form: ClassVar[str] = "%Y-%m-%d"
    written: ClassVar[str] = "YYYY-MM-DD, such as 2013-01-07"
    short: ClassVar[bool] = True

    def _start(self, hour: datetime) -> datetime:
        return hour.replace(hour=0)

    def _next(self, start: datetime) -> datetime:
        return start + timedelta(days=1)


@word
class Hourly(Partitions):
    """Hours, such as `2013-01-07T15`, from `since` to `until` (exclusive; default: the last hour that ended).

    >>> Hourly("2013-01-07T23", until="2013-01-08T01").keys()
    ['2013-01-07T23', '2013-01-08T00']
    """

    unit: ClassVar[str] = "hour"
    form: ClassVar[str] = "%Y-%m-%dT%H"
    written: ClassVar[str] = "YYYY-MM-DDTHH in UTC, such as 2013-01-07T15"
    short: ClassVar[bool] = True

    def alike(self, key: str, other: str) -> bool:
        return key[-3:] == other[-3:]

    def _start(self, hour: datetime) -> datetime:
        return hour

    def _next(self, start: datetime) -> datetime:
        return start + timedelta(hours=1)


def spanned(partitions: Iterable[str]) -> str:
    """Partitions in short: consecutive ones are written as a range.

    The keys tell the length of a partition: days that are all Mondays are taken for weeks.

    >>> spanned(["2013-01", "2013-02", "2013-03", "2013-05"])
    '2013-01 … 2013-03, 2013-05'
    """
    names = sorted(set(partitions))
    kind = _kind([name for name in names if name != WHOLE])
    runs: list[list[str]] = []
    for name in names:
        if runs and WHOLE not in (name, runs[-1][-1]) and _follows(kind, runs[-1][-1]) == name:
            runs[-1].append(name)
        else:
            runs.append([name])
    return ", ".join(run[0] if len(run) == 1 else f"{run[0]} … {run[-1]}" for run in runs)


def _kind(names: list[str]) -> type[Partitions]:
    lengths = {len(name) for name in names}
    if lengths == {len("2013-01-07T15")}:
        return Hourly
    if lengths == {len("2013-01-07")}:
        return Weekly if all(datetime.fromisoformat(name).weekday() == 0 for name in names) else Daily
    return Monthly


def _follows(kind: type[Partitions], key: str) -> str:
    slices = kind(key)
    return slices.at(slices.window(key)[1])


@lru_cache(maxsize=16)
def _keys(kind: type[Partitions], since: str, until: str) -> tuple[str, ...]:
    """From `since` (inclusive) to `until` (exclusive). Cached: a year has many hours, and every step asks for them."""
    slices, key = kind(since), since
    keys = []
    while key < until:
        keys.append(key)
        key = slices.at(slices.window(key)[1])
    return tuple(keys)
