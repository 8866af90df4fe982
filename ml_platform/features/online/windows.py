"""Windows from stored rows (S9): sums over the rows of each span, found by where it begins in the order of clocks."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import polars as pl

from ml_platform.errors import FeatureError
from ml_platform.features.arithmetic import NUMERIC, mean_of, std_of, sum_of, units_and_bound
from ml_platform.features.arrays import Integers, Mask
from ml_platform.features.forms import TableForm
from ml_platform.features.kinds.window import WindowForm, columns_without_nan
from ml_platform.features.online.keyed_rows import KeyedRows, ManyAnswers, ManyAsked
from ml_platform.features.online.passes import CLOCK, UNTIL, USABLE, Answers, OnlinePass, unreplaced
from ml_platform.features.online.rows import Kind, StoredRows, Values, kind_of
from ml_platform.features.places import Places
from ml_platform.features.windows import CountedRows, Times, WindowPass

_EXACT = 1 << 62  # no sum of int64 below it overflows
_SUMS = frozenset({"sum", "mean", "std"})


class OnlineWindows(OnlinePass):
    """Windows over the same rows: one table, join, clock and condition."""

    part: ClassVar[str] = "window"

    def __init__(self, forms: Sequence[WindowForm], table: TableForm) -> None:
        self.windows = forms
        self._answers = [(form, form.named()) for form in forms]
        self.spans = sorted({span for form in forms for span in form.spans})
        self._reaches = np.array([0, *self.spans], np.int64)
        self._span_index = {span: index for index, span in enumerate(self.spans)}
        self._without_nan = columns_without_nan(forms, table)
        wanted: dict[str, set[str]] = {}
        for form in forms:
            if form.of is not None:
                wanted.setdefault(form.of, set()).update(form.aggregates)
        self._counted = {
            of: _Counted.of(of, table.columns[of], frozenset(aggregates)) for of, aggregates in wanted.items()
        }
        super().__init__(forms, table, forms[0].condition(table))

    @property
    def meaning(self) -> Any:
        return [self.windows[0].clock, sorted(self._without_nan), self.spans[-1]]  # older rows are left out

    @property
    def stored_columns(self) -> dict[str, Kind]:
        return {name: kind for counted in self._counted.values() for name, kind in counted.columns}

    @property
    def clock(self) -> str:
        return "_known_at" if self.windows[0].clock == "known_at" else self.table.event_time or ""

    @property
    def order(self) -> tuple[str, ...]:
        return (self.clock,)

    def values(self, frame: pl.DataFrame) -> dict[str, Values]:
        columns: dict[str, Values] = {}
        for of, counted in self._counted.items():
            columns |= counted.values(frame[of].fill_nan(None) if of in self._without_nan else frame[of])
        return columns

    def reachable(self, columns: Mapping[str, Integers], horizon: int) -> Mask:
        return np.asarray((columns[UNTIL] >= horizon) & (columns[CLOCK] >= horizon - self.spans[-1]))

    def answer(self, rows: StoredRows, at: int) -> Answers:
        clock = rows.numbers(CLOCK)
        end, *bounds = clock.searchsorted(at - self._reaches).tolist()
        first = bounds[-1]
        live = unreplaced(rows.numbers(USABLE)[first:end], rows.numbers(UNTIL)[first:end], at)
        starts = [bound - first for bound in bounds]
        stretches: dict[Any, _Stretch] = {}
        answers: dict[str, Any] = {}
        for form, named in self._answers:
            cell = (form.of, form.resolution)
            if cell not in stretches:
                counted = self._counted[form.of] if form.of is not None else None
                stretches[cell] = _Stretch(rows, counted, form, slice(first, end), live, starts)
            stretch = stretches[cell]
            for output, aggregate, span in named:
                answers[output] = stretch.aggregate(aggregate, self._span_index[span])
        return Answers(answers)

    def answer_many(self, rows: KeyedRows, asked: ManyAsked) -> ManyAnswers:
        return ManyAnswers(WindowPass(self.windows, asked.places).run(_KeyedWindowRows(self, rows, asked.places)))

    def counted(self, of: str) -> "_Counted":
        """How a column is stored."""
        return self._counted[of]


class _KeyedWindowRows:
    """A `WindowRows` over stored rows. Rows that no example's widest span reaches are left out, as for one example."""

    def __init__(self, windows: OnlineWindows, rows: KeyedRows, places: Places) -> None:
        self._windows, self._rows = windows, rows
        group, clock, usable, until = rows.group, rows.numbers(CLOCK), rows.numbers(USABLE), rows.numbers(UNTIL)
        first = places.after(places.keys(group, np.maximum(clock, usable)))
        end = places.after(places.keys(group, np.minimum(clock + windows.spans[-1], until)))
        self._kept = np.flatnonzero(end > first)
        self._times = Times(*(column[self._kept] for column in (group, clock, usable, until)))

    def counted(self, columns: Sequence[str]) -> Iterator[CountedRows]:
        values = {}
        for of in columns:
            counted = self._windows.counted(of)
            if counted.numbers:
                numbers = self._rows.numbers(counted.numbers)[self._kept].astype(np.float64)
            else:
                numbers = np.zeros(len(self._kept))
            values[of] = numbers, self._present(counted)
        yield CountedRows(self._times, values)

    def distinct(self, of: str) -> Iterator[tuple[CountedRows, pl.DataFrame]]:
        counted = self._windows.counted(of)
        name, present = counted.columns[-1][0], self._present(counted)
        if self._rows.layout.columns[name] == "text":
            value = pl.Series("_of", self._rows.texts(name, self._kept), pl.String)
        else:
            value = pl.Series("_of", self._rows.numbers(name)[self._kept])
        group, clock, usable = self._times[:3]
        frame = pl.DataFrame(
            {"_group": group, "_of": value, "_start": np.maximum(clock, usable), "_row": np.arange(len(group))}
        )
        if present is not None:
            frame = frame.filter(pl.Series(present))
        frame = frame.sort("_group", "_of", "_start")
        order = frame["_row"].to_numpy()
        yield CountedRows(Times(*(column[order] for column in self._times))), frame.select("_group", "_of")

    def _present(self, counted: "_Counted") -> Mask | None:
        present = self._rows.present(counted.present)
        return None if present is None else present[self._kept]


class _Counted:
    """A column of the table that windows aggregate, and how it is stored.

    columns: name and kind of what is stored. Of values that are only counted their presence is enough. Decimals are
             the nearest doubles, beside their digits where different ones are counted.
    numbers: the stored column of which numbers are asked; empty: none is.
    """

    def __init__(self, columns: tuple[tuple[str, Kind], ...], numbers: str = "") -> None:
        self.columns, self.numbers = columns, numbers
        self.present = columns[0][0]

    @classmethod
    def of(cls, of: str, dtype: pl.DataType, aggregates: frozenset[str]) -> "_Counted":
        """How `of` is stored for these aggregates."""
        numeric, distinct = bool(NUMERIC & aggregates), "n_unique" in aggregates
        kind = kind_of(dtype)
        if not numeric and not distinct:
            return cls(((f"any {of}", "whole"),))
        if numeric and kind == "text":  # a Decimal
            columns: tuple[tuple[str, Kind], ...] = ((f"double {of}", "fraction"),)
            return cls((*columns, (f"of {of}", "text")) if distinct else columns, f"double {of}")
        return cls(((f"of {of}", kind),), f"of {of}" if numeric else "")

    def values(self, series: pl.Series) -> dict[str, Values]:
        """The stored columns of it."""
        columns: dict[str, Values] = {}
        for name, _ in self.columns:
            if name.startswith("any "):
                present = series.is_not_null().to_numpy() if series.null_count() else None
                columns[name] = Values.whole(np.zeros(len(series)), present)
            else:
                columns[name] = Values.of(series.cast(pl.Float64) if name.startswith("double ") else series)
        return columns


class _Stretch:
    """What is asked of one column, at one resolution, over the rows of the widest span.

    starts: by index of a span, the shortest first, where its rows begin; they end with those of the widest span.
    """

    def __init__(
        self,
        rows: StoredRows,
        counted: _Counted | None,
        form: WindowForm,
        stretch: slice,
        live: Mask,
        starts: Sequence[int],
    ) -> None:
        self._rows, self._counted, self._stretch, self._starts = rows, counted, stretch, starts
        self._resolution = form.resolution
        self._where = f"Window({form.table!r}, of={form.of!r})"
        present = rows.present(counted.present) if counted is not None else None
        self._unreplaced = live
        self._live = live if present is None else live & present[stretch]
        self._counts = [int(np.count_nonzero(self._live[start:])) for start in starts]

    def aggregate(self, name: str, span_index: int) -> Any:
        """One aggregate of the rows of the span at that index."""
        n = self._counts[span_index]
        match name:
            case "count":
                return n
            case "mean":
                return mean_of(n, self._sums[span_index], self._resolution)
            case "sum":
                return sum_of(self._sums[span_index], self._resolution)
            case "std":
                return std_of(n, self._sums[span_index], self._squares[span_index], self._resolution)
            case "n_unique":
                return self._distinct(self._starts[span_index])
            case _:
                return self._extreme(name, self._starts[span_index]) if n else None

    @cached_property
    def _units(self) -> tuple[Integers, int]:
        """The values in whole units, and a number that none of them exceeds in size."""
        return units_and_bound(self._doubles(), self._resolution, self._where)

    @cached_property
    def _sums(self) -> list[int]:
        """By index of a span the sum in units."""
        units, peak = self._units
        if peak * len(units) >= _EXACT:
            return [sum(units[start:].tolist()) for start in self._starts]
        begins = sorted({start for start in self._starts if start < len(units)})
        sum_from, total = dict.fromkeys(self._starts, 0), 0
        if begins:  # the sums of the rows between two starts, added up from the newest
            for begin, part in zip(reversed(begins), reversed(np.add.reduceat(units, begins).tolist()), strict=True):
                sum_from[begin] = total = total + part
        return [sum_from[start] for start in self._starts]

    @cached_property
    def _squares(self) -> list[int]:
        """By index of a span the sum of squares in units."""
        units, peak = self._units
        if peak**2 * len(units) >= _EXACT:
            return [sum(unit * unit for unit in units[start:].tolist()) for start in self._starts]
        return [int(units[start:] @ units[start:]) for start in self._starts]

    def _doubles(self) -> npt.NDArray[np.float64]:
        """The values of the rows that count as doubles, 0 for the others: a null is stored as 0."""
        assert self._counted is not None  # what sums or orders has a column
        values = self._rows.numbers(self._counted.numbers)[self._stretch].astype(np.float64, copy=False)
        return values if np.count_nonzero(self._unreplaced) == len(values) else np.where(self._unreplaced, values, 0.0)

    def _extreme(self, name: str, start: int) -> float:
        values = self._doubles()[start:][self._live[start:]] + 0.0  # no zero is negative
        if not np.isfinite(values).all():
            raise FeatureError(
                f"{self._where}: Infinity cannot be ordered.", remedy="Reject such rows in the contract (allow_inf)."
            )
        return float(values.min() if name == "min" else values.max())

    def _distinct(self, start: int) -> int:
        assert self._counted is not None  # n_unique has a column
        name = self._counted.columns[-1][0]
        if self._rows.layout.columns[name] == "text":
            first = self._stretch.start + start
            indexes = (np.flatnonzero(self._live[start:]) + first).tolist()
            return len({self._rows.text(name, index) for index in indexes})
        return len(np.unique(self._rows.numbers(name)[self._stretch][start:][self._live[start:]]))
