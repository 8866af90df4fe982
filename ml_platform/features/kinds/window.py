"""Windows: aggregates over the rows of a span before the prediction time (S9)."""

import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
import polars as pl

from ml_platform.features.arithmetic import NUMERIC, finite, mean_of, std_of, sum_of, unit, units
from ml_platform.features.conditions import Condition, ConditionalFeed
from ml_platform.features.distinct import distinct_value
from ml_platform.features.feeds import Entry, Feed, Key, Keys, News
from ml_platform.features.forms import JoinedForm, On, TableForm
from ml_platform.features.relations import Batch
from ml_platform.features.timelines import DISTINCT, WindowTimeline
from ml_platform.spec.durations import microseconds
from ml_platform.spec.expressions import columns_read, to_portable
from ml_platform.spec.features import Window
from ml_platform.spec.features.window import COUNTED
from ml_platform.spec.tables import Table


@dataclass(frozen=True)
class WindowForm(JoinedForm[Window]):
    """`outputs` are in the order of spans, within a span in that of aggregates. Spans are microseconds.

    nan: "null" where values that may be NaN are counted; None there means that the form was stored when NaN counted.
    """

    word: ClassVar[type] = Window
    kind: ClassVar[str] = "window"
    null_until_available: ClassVar[bool] = True

    table: str
    on: On
    of: str | None
    aggregates: tuple[str, ...]
    spans: tuple[int, ...]
    clock: str
    where: dict[str, Any] | None
    resolution: float
    outputs: tuple[str, ...]
    nan: str | None = None

    def named(self) -> list[tuple[str, str, int]]:
        """(output, aggregate, span), in the order of the outputs."""
        cells = [(aggregate, span) for span in self.spans for aggregate in self.aggregates]
        return [(name, *cell) for name, cell in zip(self.outputs, cells, strict=True)]

    @classmethod
    def from_word(cls, feature: Window) -> Self:
        return cls(
            feature.table,
            tuple(feature.keys.items()),
            feature.of,
            tuple(feature.agg),
            tuple(microseconds(span) for span in feature.over),
            feature.clock,
            to_portable(feature.where, "Window.where") if feature.where is not None else None,
            float(feature.resolution),
            feature.outputs,
        )

    def of_table(self, table: Table) -> Self:
        allowed = self.of is not None and getattr(table.contract.columns()[self.of], "allow_nan", False)
        return replace(self, nan="null") if allowed and COUNTED.intersection(self.aggregates) else self

    def to_json(self) -> dict[str, Any]:
        return {name: item for name, item in super().to_json().items() if name != "nan" or item is not None}

    def condition(self, table: TableForm) -> Condition | None:
        """What is true of the rows that count; None: all count."""
        return Condition(self.where, table, f"Window({self.table!r})") if self.where is not None else None

    @property
    def nan_counts(self) -> bool:
        """Whether NaN of `of` is a value, as it was when the form was stored, and not null."""
        return self.nan is None and bool(COUNTED.intersection(self.aggregates))

    @property
    def columns(self) -> frozenset[str]:
        return frozenset([self.of] if self.of else []) | (columns_read(self.where) if self.where else set())

    @property
    def lookback(self) -> int | None:
        return max(self.spans)

    def code_version(self, table: TableForm) -> int:
        decimal = self.of is not None and isinstance(table.columns[self.of], pl.Decimal)
        return 2 if decimal and NUMERIC.intersection(self.aggregates) else 1  # decimals were rounded twice before

    @property
    def shared(self) -> Hashable:
        return self.kind, self.clock, json.dumps(self.where)

    @classmethod
    def compute(cls, forms: Sequence[Self], table: TableForm, batch: Batch) -> dict[str, pl.Series]:
        from ml_platform.features.windows import windows  # loads pyarrow, which answering online does without

        return windows(forms, table, batch)

    @classmethod
    def feed(cls, forms: Sequence[Self], table: TableForm, keys: Keys) -> Feed:
        feed, condition = WindowFeed(forms, table, keys), forms[0].condition(table)
        return ConditionalFeed(condition, keys, feed) if condition is not None else feed


def columns_without_nan(forms: Sequence[WindowForm], table: TableForm) -> frozenset[str]:
    """The columns of which these windows take NaN as null: fractions, unless a stored form counts it as a value."""
    fractions = {form.of for form in forms if form.of is not None and table.columns[form.of].is_float()}
    return frozenset(fractions - {form.of for form in forms if form.nan_counts})


@dataclass(eq=False)
class _WindowEntry:
    timeline: WindowTimeline
    clock: int
    mark: Any
    values: dict[Any, Any]

    def insert(self) -> None:
        self.timeline.add(self.clock, self.mark, self.values)

    def withdraw(self) -> None:
        self.timeline.remove(self.clock, self.mark)


class WindowFeed:
    """Windows over the same rows: one table, join, clock and condition (S9)."""

    def __init__(self, forms: Sequence[WindowForm], table: TableForm, keys: Keys) -> None:
        head = forms[0]
        self._forms, self._keys = forms, keys
        self._clock = "_known_at" if head.clock == "known_at" else table.event_time or ""
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
        self._without_nan = columns_without_nan(forms, table)
        self._titles = {form.of: f"Window({form.table!r}, of={form.of!r})" for form in forms}
        self._named = [(form, form.named()) for form in forms]
        self._timelines: dict[Key, WindowTimeline] = {}
        self._empty = WindowTimeline(self._columns)

    def entries(self, row: Mapping[str, Any], moments: Mapping[str, int], mark: Any) -> list[Entry]:
        key = self._keys.of_row(row)
        if key is None:
            return []
        values: dict[Any, Any] = {cell: self._value(row, *cell, *kind) for cell, kind in self._kinds.items()}
        values |= {of: distinct_value(self._value_or_none(row, of)) for of in self._distinct}
        return [_WindowEntry(self._timeline(key), moments[self._clock], mark, values)]

    def insert_many(self, news: News) -> None:
        frame, clocks = news.frame, news.moments[self._clock].to_list()
        cells: dict[Any, tuple[list[Any], ...]]
        cells = {cell: self._values(frame, *cell, *kind) for cell, kind in self._kinds.items()}
        for of in self._distinct:
            cells[of] = ([distinct_value(value) for value in self._column(frame, of).to_list()],)
        kept = frame.select(*self._keys.by, _clock=news.moments[self._clock], _index=pl.int_range(pl.len()))
        for key, indexes in news.by_key(self._keys, kept, ["_clock"]):
            values = {
                cell: tuple([listed[index] for index in indexes] for listed in lists) for cell, lists in cells.items()
            }
            marks = [news.marks[index] for index in indexes]
            self._timeline(key).extend([clocks[index] for index in indexes], marks, values)

    def answer(self, key: Key | None, at: int) -> dict[str, Any]:
        timeline = self._empty if key is None else self._timelines.get(key, self._empty)
        answers: dict[str, Any] = {}
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
                        answers[output] = n
                    case "sum":
                        answers[output] = sum_of(s, form.resolution)
                    case "mean":
                        answers[output] = mean_of(n, s, form.resolution)
                    case "std":
                        answers[output] = std_of(n, s, r, form.resolution)
                    case "n_unique":
                        answers[output] = timeline.distinct[form.of].between(*stretch)
                    case _:
                        answers[output] = column.extreme(aggregate, *stretch) if n else None
        return answers

    def _timeline(self, key: Key) -> WindowTimeline:
        timeline = self._timelines.get(key)
        if timeline is None:
            timeline = self._timelines[key] = WindowTimeline(self._columns)
        return timeline

    def _value_or_none(self, row: Mapping[str, Any], of: str) -> Any:
        """The value of a column, None for a null."""
        return None if of in self._without_nan and row[of] != row[of] else row[of]

    def _column(self, frame: pl.DataFrame, of: str) -> pl.Series:
        """`_value_or_none` of many."""
        return frame[of].fill_nan(None) if of in self._without_nan else frame[of]

    def _value(
        self, row: Mapping[str, Any], of: str | None, resolution: float, numeric: bool, summed: bool
    ) -> tuple[int, float] | None:
        value = self._value_or_none(row, of) if of is not None else 0.0
        if value is None:
            return None
        if not numeric:
            return 0, 0.0
        where, number = self._titles[of], float(value)
        return unit(number, resolution, where) if summed else 0, finite(number, where)

    def _values(
        self, frame: pl.DataFrame, of: str | None, resolution: float, numeric: bool, summed: bool
    ) -> tuple[list[int | None], list[float]]:
        """`_value` of many: the units, null where the value is, and the values."""
        if of is None:
            return [0] * frame.height, [0.0] * frame.height
        column = self._column(frame, of)
        missing = column.is_null()
        filled = np.zeros(frame.height)
        if numeric:
            filled = column.cast(pl.Float64).fill_null(0.0).to_numpy() + 0.0  # no negative zero
        whole = units(filled, resolution, self._titles[of]) if summed else np.zeros(frame.height, np.int64)
        if not np.isfinite(filled).all():
            finite(float(filled[~np.isfinite(filled)][0]), self._titles[of])
        counted = pl.select(pl.when(~missing).then(pl.Series(whole))).to_series()
        return counted.to_list(), filled.tolist()
