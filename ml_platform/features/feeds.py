"""What the online state asks of its feeds, and how windows keep rows and answer from them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import polars as pl

from ml_platform.features.arithmetic import NUMERIC, finite, mean_of, std_of, sum_of, unit, units
from ml_platform.features.definition import TableForm
from ml_platform.features.derived import HOLDS, condition, derive
from ml_platform.features.distinct import told_apart
from ml_platform.features.forms import On, WindowForm
from ml_platform.features.timelines import DISTINCT, WindowTimeline
from ml_platform.spec.expressions import columns_read

Key = tuple[Any, ...]


class Entry(Protocol):
    """A row in one timeline, to be placed there or withdrawn."""

    def place(self) -> None:
        """Let the row count."""

    def withdraw(self) -> None:
        """Let it count no more."""


@dataclass(frozen=True)
class News:
    """Rows that begin, in the validated layout: their times in microseconds by column, and each row's mark."""

    frame: pl.DataFrame
    moments: Mapping[str, pl.Series]
    marks: list[Any]

    def by_key(self, keys: "Keys", kept: pl.DataFrame, order: list[str]) -> Iterator[tuple[Key, list[int]]]:
        """The rows of `kept` (which has `_place`) of each wanted key: the key, and the places in `order`."""
        by = keys.by
        listed = keys.wanted(kept).sort([*by, *order], maintain_order=True)
        places = listed["_place"].to_list()
        if not by:
            yield from [((), places)] if places else []
            return
        start = 0
        for *key, count in listed.group_by(by, maintain_order=True).len().iter_rows():
            yield tuple(key), places[start : start + count]
            start += count


class Keys:
    """The table columns that a feed is joined by, and the keys that are asked for (None: all)."""

    def __init__(self, by: list[str], known: pl.DataFrame | None) -> None:
        self.by = by
        self._known = known
        self._set = set(known.iter_rows()) if known is not None else None

    @classmethod
    def of(cls, examples: pl.DataFrame | None, on: On) -> "Keys":
        """The keys of some examples, under the table's names; all without examples."""
        by = [theirs for _, theirs in on]
        if examples is None or not on:
            return cls(by, None)
        return cls(by, examples.select(pl.col(own).alias(theirs) for own, theirs in on).drop_nulls().unique())

    def of_row(self, row: Mapping[str, Any]) -> Key | None:
        """The key of a row; None when a part of it is null or nobody asks for it."""
        key = tuple([row[name] for name in self.by])
        return None if None in key or (self._set is not None and key not in self._set) else key

    def wanted(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The rows whose key is whole and asked for."""
        whole = frame.drop_nulls(self.by) if self.by else frame
        return whole if self._known is None else whole.join(self._known, on=self.by, how="semi")


class Feed(Protocol):
    """The timelines of one join, by key."""

    def entries(self, row: Mapping[str, Any], moments: Mapping[str, int], mark: Any) -> list[Entry]:
        """Where the row belongs. `moments` are its times in microseconds; `mark` tells it from others."""

    def place_many(self, news: News) -> None:
        """Let many rows count, as placing the entries of each does."""

    def answer(self, key: Key | None, at: int) -> dict[str, Any]:
        """The outputs for an example with this key; None: a part of the key is null."""


@dataclass(eq=False)
class _WindowEntry:
    timeline: WindowTimeline
    clock: int
    mark: Any
    values: dict[Any, Any]

    def place(self) -> None:
        self.timeline.add(self.clock, self.mark, self.values)

    def withdraw(self) -> None:
        self.timeline.remove(self.clock, self.mark)


class WindowFeed:
    """Windows over the same rows: one table, join, clock and condition (S9)."""

    def __init__(self, forms: list[WindowForm], table: TableForm, keys: Keys) -> None:
        head = forms[0]
        self._forms, self._keys = forms, keys
        self._clock = "_known_at" if head.clock == "known_at" else table.event_time or ""
        self._where = condition(head.where) if head.where else None
        self._read = {name: table.columns[name] for name in sorted(columns_read(head.where) if head.where else ())}
        cells: dict[tuple[str | None, float], frozenset[str]] = {}
        for form in forms:
            cell = (form.of, form.resolution)
            cells[cell] = cells.get(cell, frozenset()) | set(form.aggregates) - DISTINCT
        # Whether a cell's values are numbers, and whether they are summed.
        self._kinds = {
            cell: (bool(wanted & NUMERIC), bool(wanted & NUMERIC - {"min", "max"})) for cell, wanted in cells.items()
        }
        self._distinct = sorted({form.of for form in forms if form.of is not None and DISTINCT & set(form.aggregates)})
        self._columns: dict[Any, frozenset[str]] = {**cells, **dict.fromkeys(self._distinct, DISTINCT)}
        self._told = {form.of: f"Window({form.table!r}, of={form.of!r})" for form in forms}
        self._named = [(form, form.named()) for form in forms]
        self._timelines: dict[Key, WindowTimeline] = {}
        self._empty = WindowTimeline(self._columns)

    def entries(self, row: Mapping[str, Any], moments: Mapping[str, int], mark: Any) -> list[Entry]:
        """As Feed says; none for a row that `where=` leaves out."""
        key = self._keys.of_row(row)
        if key is None or not self._holds(row):
            return []
        values: dict[Any, Any] = {cell: self._value(row, *cell, *kind) for cell, kind in self._kinds.items()}
        values |= {of: told_apart(row[of]) for of in self._distinct}
        return [_WindowEntry(self._timeline(key), moments[self._clock], mark, values)]

    def place_many(self, news: News) -> None:
        """As Feed says."""
        frame, clocks = news.frame, news.moments[self._clock].to_list()
        cells: dict[Any, tuple[list[Any], ...]]
        cells = {cell: self._values(frame, *cell, *kind) for cell, kind in self._kinds.items()}
        cells |= {of: ([told_apart(value) for value in frame[of].to_list()],) for of in self._distinct}
        kept = frame.select(*self._keys.by, _clock=news.moments[self._clock], _place=pl.int_range(pl.len()))
        if self._where is not None:
            typed = frame.select(pl.col(name).cast(kind) for name, kind in self._read.items())
            kept = kept.filter(derive(typed, self._where)[HOLDS].fill_null(False))
        for key, places in news.by_key(self._keys, kept, ["_clock"]):
            values = {
                cell: tuple([listed[place] for place in places] for listed in lists) for cell, lists in cells.items()
            }
            marks = [news.marks[place] for place in places]
            self._timeline(key).extend([clocks[place] for place in places], marks, values)

    def answer(self, key: Key | None, at: int) -> dict[str, Any]:
        """As Feed says."""
        timeline = self._empty if key is None else self._timelines.get(key, self._empty)
        found: dict[str, Any] = {}
        for form, named in self._named:
            column = timeline.columns[form.of, form.resolution]
            stretch, sums = (0, 0), (0, 0, 0)
            span = None
            for output, aggregate, width in named:
                if width != span:
                    span = width
                    stretch = timeline.stretch(at - width, at)
                    sums = column.sums(*stretch)
                n, s, r = sums
                match aggregate:
                    case "count":
                        found[output] = n
                    case "sum":
                        found[output] = sum_of(s, form.resolution)
                    case "mean":
                        found[output] = mean_of(n, s, form.resolution)
                    case "std":
                        found[output] = std_of(n, s, r, form.resolution)
                    case "n_unique":
                        found[output] = timeline.distinct[form.of].between(*stretch)
                    case _:
                        found[output] = column.extreme(aggregate, *stretch) if n else None
        return found

    def _timeline(self, key: Key) -> WindowTimeline:
        timeline = self._timelines.get(key)
        if timeline is None:
            timeline = self._timelines[key] = WindowTimeline(self._columns)
        return timeline

    def _holds(self, row: Mapping[str, Any]) -> bool:
        if self._where is None:
            return True
        frame = pl.DataFrame({name: [row[name]] for name in self._read}, schema=self._read)
        return derive(frame, self._where)[HOLDS][0] is True

    def _value(
        self, row: Mapping[str, Any], of: str | None, resolution: float, numeric: bool, summed: bool
    ) -> tuple[int, float] | None:
        value = row[of] if of is not None else 0.0
        if value is None:
            return None
        if not numeric:
            return 0, 0.0
        where, number = self._told[of], float(value)
        return unit(number, resolution, where) if summed else 0, finite(number, where)

    def _values(
        self, frame: pl.DataFrame, of: str | None, resolution: float, numeric: bool, summed: bool
    ) -> tuple[list[int | None], list[float]]:
        """`_value` of many: the units, null where the value is, and the values."""
        if of is None:
            return [0] * frame.height, [0.0] * frame.height
        missing = frame[of].is_null()
        filled = np.zeros(frame.height)
        if numeric:
            filled = frame[of].cast(pl.Float64).fill_null(0.0).to_numpy() + 0.0  # no negative zero
        whole = units(filled, resolution, self._told[of]) if summed else np.zeros(frame.height, np.int64)
        if not np.isfinite(filled).all():
            finite(float(filled[~np.isfinite(filled)][0]), self._told[of])
        counted = pl.select(pl.when(~missing).then(pl.Series(whole))).to_series()
        return counted.to_list(), filled.tolist()
