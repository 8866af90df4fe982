"""The examples of one join, in order of (group, at): rows of a table cover stretches of them.

A row counts for an example when start < at ≤ end, and these are neighbours in that order. So
windows and latest rows become: every row covers the places [first, end). Rows need no order, and
a row that was superseded, refreshed or known late is a row like any other.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from ml_platform.features.arrays import Integers

NEVER = np.iinfo(np.int64).max  # an end that does not come
ALWAYS = np.iinfo(np.int64).min  # a start before everything


class Places:
    """Examples by group (0…; -1: joins nothing) and `at` in microseconds.

    Place `size` is that of every example that joins nothing: no row covers it.
    """

    def __init__(self, group: Integers, at: Integers) -> None:
        members = np.flatnonzero(group >= 0)
        groups, times = group[members], at[members]
        self.size = len(members)
        self._low, self._high = (int(times.min()), int(times.max())) if self.size else (0, 0)
        self._axis: Integers | None = None
        self._stride = self._high - self._low + 2
        if (int(groups.max(initial=0)) + 1) * self._stride >= 2**63:
            self._axis = np.unique(times)
            self._stride = len(self._axis) + 1
        keys = self.keys(groups, times)
        order = np.argsort(keys, kind="stable")
        self._keys = keys[order]
        self.groups = groups[order]
        self.place_of = np.full(len(group), self.size, np.int64)
        self.place_of[members[order]] = np.arange(self.size)

    def keys(self, groups: Integers, times: Integers) -> Integers:
        """(group, time) as one number that sorts as they do."""
        if self._axis is None:
            offsets = np.clip(times, self._low - 1, self._high) - (self._low - 1)
        else:
            offsets = np.searchsorted(self._axis, times, side="right")
        return groups * self._stride + offsets

    def after(self, keys: Integers) -> Integers:
        """The first place whose example is later than the key's time, or the end of its group."""
        return np.searchsorted(self._keys, keys, side="right")

    def groups_at(self, places: Integers) -> Integers:
        """The groups of places; past the last one its group. There is at least one place."""
        return self.groups[np.minimum(places, self.size - 1)]


_NO_RANK = -1  # ranks begin at 0


class HighestRanks:
    """The highest rank of the rows that cover each place, for rows of which most are never replaced."""

    def __init__(self, places: Places) -> None:
        self._places = places
        self._standing = np.full(places.size + 1, _NO_RANK, np.int64)  # of rows that nothing replaced
        self._replaced = Extremes(places.size, np.maximum, _NO_RANK, np.int64)
        self._ranks = 0

    def add(self, rank: Integers, group: Integers, start: Integers, last: Integers) -> None:
        """More rows: each counts for the examples of its group with start < at ≤ last. Ranks differ."""
        places = self._places
        self._ranks = max(self._ranks, int(rank.max(initial=_NO_RANK)) + 1)
        first = places.after(places.keys(group, start))
        current = last == NEVER
        # A row that begins after its group's last example would land on the next group.
        begun = current & (first < places.size) & (places.groups_at(first) == group)
        np.maximum.at(self._standing, first[begun], rank[begun])
        over = np.flatnonzero(~current)
        until = places.after(places.keys(group[over], last[over]))
        covers = until > first[over]
        over = over[covers]
        self._replaced.add(first[over], until[covers], rank[over])

    def result(self) -> Integers:
        """The rank at each place, and at one more that no row covers; -1 where there is none."""
        base = self._places.groups * (self._ranks + 1)
        carried = np.maximum.accumulate(base + self._standing[:-1] + 1) - base - 1  # the greatest so far of its group
        ranks: Integers = np.maximum(np.append(carried, _NO_RANK), self._replaced.result())
        return ranks


class Extremes:
    """The least (or greatest) value of the rows that cover each place.

    A stretch of length between 2^k and 2^(k+1) is two stretches of 2^k; in the end each level is
    handed down to the one below. Exact, and the order of rows does not matter.
    """

    def __init__(self, size: int, operation: np.ufunc, neutral: float | int, dtype: type[np.generic]) -> None:
        self._make: Callable[[], npt.NDArray[np.generic]] = lambda: np.full(size + 1, neutral, dtype)
        self._operation = operation
        self._levels: dict[int, npt.NDArray[np.generic]] = {}

    def add(self, first: Integers, end: Integers, values: npt.NDArray[np.generic]) -> None:
        """Each value counts at the places first ≤ place < end; first < end."""
        levels = np.frexp((end - first).astype(np.float64))[1] - 1
        for level in np.unique(levels):
            chosen = levels == level
            table = self._level(int(level))
            self._operation.at(table, first[chosen], values[chosen])
            if level:
                self._operation.at(table, end[chosen] - (1 << int(level)), values[chosen])

    def result(self) -> npt.NDArray[np.generic]:
        """The value at each place, and at one more that no row covers; neutral where none does."""
        for level in range(max(self._levels, default=0), 0, -1):
            table, below, half = self._levels.pop(level, None), self._level(level - 1), 1 << (level - 1)
            if table is not None:
                self._operation(below, table, out=below)
                self._operation(below[half:], table[:-half], out=below[half:])
        return self._level(0)

    def _level(self, level: int) -> npt.NDArray[np.generic]:
        if level not in self._levels:
            self._levels[level] = self._make()
        return self._levels[level]
