"""What the online state keeps of one key: rows in order, with sums and extremes that answer at once.

A timeline holds the rows that count now; the state adds and removes them as it learns.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from itertools import accumulate
from operator import itemgetter
from typing import Any

from ml_platform.features.distinct import DistinctColumn

_FAN = 32  # values that one value of the level above stands for
DISTINCT = frozenset({"n_unique"})  # what is asked of a column whose values are told apart
_WORST = {"min": float("inf"), "max": float("-inf")}  # what a null is to an extreme


class Ladder:
    """The least (or greatest) of any stretch of a list, through levels of stretches of 32."""

    def __init__(self, choose: Callable[..., float]) -> None:
        self._choose = choose
        self._levels: list[list[float]] = [[]]

    def insert(self, index: int, value: float) -> None:
        """Cheap at the end of the list."""
        below = self._levels[0]
        below.insert(index, value)
        if index < len(below) - 1 or len(self._levels) == 1:
            self._raise(index)
            return
        for level in self._levels[1:]:  # at the end: each level has one value to look at
            index //= _FAN
            if index < len(level):
                level[index] = self._choose(level[index], value)
            else:
                level.append(value)
        if len(self._levels[-1]) > _FAN:
            self._raise(len(below) - 1)

    def remove(self, index: int) -> None:
        """Costs what lies behind it."""
        del self._levels[0][index]
        self._raise(index)

    def extend(self, values: list[float]) -> None:
        """Add many at the end."""
        start = len(self._levels[0])
        self._levels[0] += values
        self._raise(start)

    def cut(self, index: int) -> list[float]:
        """Take out everything from `index` on, and give it back."""
        gone = self._levels[0][index:]
        del self._levels[0][index:]
        self._raise(index)
        return gone

    def between(self, first: int, end: int) -> float | None:
        """Of the values first ≤ index < end; None when there are none."""
        values: list[float] = []
        for level in self._levels:
            if end - first <= 2 * _FAN:
                values += level[first:end]
                break
            low, high = -(-first // _FAN), end // _FAN
            values += level[first : low * _FAN]
            values += level[high * _FAN : end]
            first, end = low, high
        return self._choose(values) if values else None

    def _raise(self, index: int) -> None:
        """Make the levels above right again from `index` on."""
        below = self._levels[0]
        for height in range(1, 64):
            if len(below) <= _FAN:
                del self._levels[height:]
                return
            if height == len(self._levels):
                self._levels.append([])
                index = 0
            index //= _FAN
            level = self._levels[height]
            level[index:] = [
                self._choose(below[start : start + _FAN]) for start in range(index * _FAN, len(below), _FAN)
            ]
            below = level


class Column:
    """One column of a window's rows: n, Σu and Σu² up to each row, and their extremes."""

    def __init__(self, wanted: frozenset[str]) -> None:
        self.units: list[int | None] = []
        self._n, self._s, self._r = [0], [0], [0]
        self._extremes = {name: Ladder(choose) for name, choose in (("min", min), ("max", max)) if name in wanted}
        self._sums, self._squares = bool({"sum", "mean", "std"} & wanted), "std" in wanted

    def insert(self, index: int, value: tuple[int, float] | None) -> None:
        """`value` is (units, the value itself); None is a null."""
        unit = None if value is None else value[0]
        self.units.insert(index, unit)
        if index == len(self.units) - 1:
            self._n.append(self._n[-1] + (unit is not None))
            if self._sums:
                self._s.append(self._s[-1] + (unit or 0))
            if self._squares:
                self._r.append(self._r[-1] + (unit or 0) ** 2)
        else:
            self._recount(index)
        for name, ladder in self._extremes.items():
            ladder.insert(index, _WORST[name] if value is None else value[1])

    def extend(self, units: list[int | None], values: list[float]) -> None:
        """Add many at the end; `values` are looked at for extremes only, and where the unit is not null."""
        index = len(self.units)
        self.units += units
        self._recount(index)
        for name, ladder in self._extremes.items():
            ladder.extend([_WORST[name] if u is None else v for u, v in zip(units, values, strict=True)])

    def cut(self, index: int) -> tuple[list[int | None], list[float]]:
        """Take out everything from `index` on, and give it back as `extend` takes it."""
        units = self.units[index:]
        del self.units[index:]
        self._recount(index)
        values = [0.0] * len(units)
        for ladder in self._extremes.values():
            values = ladder.cut(index)
        return units, values

    def remove(self, index: int) -> None:
        """Take the value out; sums behind it are made again."""
        del self.units[index]
        self._recount(index)
        for ladder in self._extremes.values():
            ladder.remove(index)

    def sums(self, first: int, end: int) -> tuple[int, int, int]:
        """n, Σu and Σu² of the rows first ≤ index < end."""
        n = self._n[end] - self._n[first]
        s = self._s[end] - self._s[first] if self._sums else 0
        return n, s, self._r[end] - self._r[first] if self._squares else 0

    def extreme(self, name: str, first: int, end: int) -> float | None:
        """`min` or `max` of the same rows, infinite when all are null."""
        return self._extremes[name].between(first, end)

    def _recount(self, index: int) -> None:
        rows = self.units[index:]
        units = [0 if u is None else u for u in rows]
        self._n[index:] = accumulate((u is not None for u in rows), initial=self._n[index])
        if self._sums:
            self._s[index:] = accumulate(units, initial=self._s[index])
        if self._squares:
            self._r[index:] = accumulate((u * u for u in units), initial=self._r[index])


class WindowTimeline:
    """The rows of one key in order of their clock."""

    def __init__(self, columns: dict[Any, frozenset[str]]) -> None:
        self.clocks: list[int] = []
        self.columns = {name: Column(wanted) for name, wanted in columns.items() if wanted != DISTINCT}
        self.distinct = {name: DistinctColumn() for name, wanted in columns.items() if wanted == DISTINCT}
        self._all: list[tuple[Any, Any]] = [*self.columns.items(), *self.distinct.items()]
        self._marks: list[Any] = []

    def add(self, clock: int, mark: Any, values: dict[Any, Any]) -> None:
        """`mark` tells the row from others; `values` are those of each column, as it takes them."""
        index = bisect_right(self.clocks, clock)
        self.clocks.insert(index, clock)
        self._marks.insert(index, mark)
        for name, column in self._all:
            column.insert(index, values[name])

    def extend(self, clocks: list[int], marks: list[Any], values: dict[Any, tuple[list[Any], ...]]) -> None:
        """`add` many, in order of their clock; `values` are what `extend` of each column takes."""
        index = bisect_right(self.clocks, clocks[0])
        if index == len(self.clocks):
            self.clocks += clocks
            self._marks += marks
            for name, column in self._all:
                column.extend(*values[name])
            return
        later, theirs = self.clocks[index:] + clocks, self._marks[index:] + marks
        order = sorted(range(len(later)), key=later.__getitem__)
        self.clocks[index:] = [later[position] for position in order]
        self._marks[index:] = [theirs[position] for position in order]
        for name, column in self._all:
            lists = [old + new for old, new in zip(column.cut(index), values[name], strict=True)]
            column.extend(*([both[position] for position in order] for both in lists))

    def remove(self, clock: int, mark: Any) -> None:
        """Take out the row that `add` was given."""
        index = self._marks.index(mark, bisect_left(self.clocks, clock))
        del self.clocks[index], self._marks[index]
        for _, column in self._all:
            column.remove(index)

    def stretch(self, start: int, end: int) -> tuple[int, int]:
        """The rows with start ≤ clock < end, as indexes."""
        return bisect_left(self.clocks, start), bisect_left(self.clocks, end)


class PickTimeline:
    """The rows of one key in the order of S10: event time, knowledge, arrival, key."""

    def __init__(self) -> None:
        self._order: list[tuple[Any, ...]] = []
        self._values: list[dict[str, Any]] = []

    def add(self, order: tuple[Any, ...], values: dict[str, Any]) -> None:
        """`order` begins with the event time and is unique."""
        index = bisect_right(self._order, order)
        self._order.insert(index, order)
        self._values.insert(index, values)

    def extend(self, rows: list[tuple[tuple[Any, ...], dict[str, Any]]]) -> None:
        """`add` many: (order, values) each."""
        rows = sorted(rows, key=itemgetter(0))
        index = bisect_right(self._order, rows[0][0])
        if index < len(self._order):
            rows = sorted([*zip(self._order[index:], self._values[index:], strict=True), *rows], key=itemgetter(0))
        self._order[index:] = [order for order, _ in rows]
        self._values[index:] = [values for _, values in rows]

    def remove(self, order: tuple[Any, ...]) -> None:
        """Take out the row that `add` was given."""
        index = bisect_left(self._order, order)
        del self._order[index], self._values[index]

    def latest(self, until: int) -> tuple[int, dict[str, Any]] | None:
        """Event time and values of the last row with event time ≤ `until`."""
        index = bisect_left(self._order, (until + 1,)) - 1
        return (self._order[index][0], self._values[index]) if index >= 0 else None
