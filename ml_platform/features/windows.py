"""Windows of many examples (S9, S13): one pass over the rows of a join, in any order, wherever they come from."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
import polars as pl

from ml_platform.errors import FeatureError
from ml_platform.features.arithmetic import RunningSums, means_of, stds_of, sums_of, units
from ml_platform.features.arrays import Floats, Integers, Mask
from ml_platform.features.distinct import DistinctCounts
from ml_platform.features.kinds.window import WindowForm
from ml_platform.features.places import Extremes, Places


class Times(NamedTuple):
    """The group of each of some rows, and its times in microseconds."""

    group: Integers
    clock: Integers
    usable: Integers
    until: Integers


@dataclass(frozen=True)
class CountedRows:
    """Some rows of a table.

    values: by column what is counted or summed, as doubles, and which of them are present (None: all).
    """

    times: Times
    values: Mapping[str, tuple[Floats, Mask | None]] = field(default_factory=dict)


class WindowRows(Protocol):
    """Where the rows of a pass come from. Rows for which its condition is not true are left out."""

    def counted(self, columns: Sequence[str]) -> Iterator[CountedRows]:
        """The rows with these columns, in any order."""

    def distinct(self, of: str) -> Iterator[tuple[CountedRows, pl.DataFrame]]:
        """The rows in which `of` is present, and their group and value, in order of (group, value, start).

        The start of a row is the later one of its clock and the moment at which it was usable.
        """


class WindowPass:
    """The windows that read the same rows: one table, join, clock and condition."""

    def __init__(self, forms: Sequence[WindowForm], places: Places) -> None:
        self.forms, self.places = forms, places
        self.spans = sorted({span for form in forms for span in form.spans})
        summed = [form for form in forms if set(form.aggregates) != {"n_unique"}]
        self.columns = sorted({form.of for form in summed if form.of is not None})
        self.cells: dict[tuple[str | None, float, int], _Cell] = {}
        for form in summed:
            for span in form.spans:
                at = (form.of, form.resolution, span)
                self.cells.setdefault(at, _Cell(self.places.size, form)).want(form.aggregates)
        distinct: dict[str, set[int]] = {}
        for form in forms:
            if form.of is not None and "n_unique" in form.aggregates:
                distinct.setdefault(form.of, set()).update(form.spans)
        self.distinct = {of: DistinctCounts(self.places.size, sorted(spans)) for of, spans in distinct.items()}

    def run(self, source: WindowRows) -> dict[str, pl.Series]:
        """The outputs, in the order of the examples."""
        if self.places.size and self.cells:
            for rows in source.counted(self.columns):
                self._take(rows)
        if self.places.size:
            for of, counts in self.distinct.items():
                for rows, values in source.distinct(of):
                    self._tell_apart(rows, values, counts)
        outputs = {}
        rank = pl.Series(self.places.place_of)
        for form in self.forms:
            for output, aggregate, span in form.named():
                if aggregate == "n_unique":
                    series = pl.Series(output, self.distinct[form.of or ""].result(span))
                else:
                    series = self.cells[form.of, form.resolution, span].result(aggregate, output)
                outputs[output] = series.gather(rank)
        return outputs

    def _take(self, rows: CountedRows) -> None:
        times = rows.times
        keys = self.places.keys(times.group, np.maximum(times.clock, times.usable))
        order = np.argsort(keys)
        group, clock, until = times.group[order], times.clock[order], times.until[order]
        first = self.places.after(keys[order])
        values = {column: _Values(*rows.values[column], order) for column in self.columns}
        for span in self.spans:
            end = self.places.after(self.places.keys(group, np.minimum(clock + span, until)))
            part = _Part(first, end, end > first)
            for (of, resolution, width), cell in self.cells.items():
                if width == span:
                    cell.add(part, values[of] if of is not None else None, resolution)

    def _tell_apart(self, rows: CountedRows, values: pl.DataFrame, counts: DistinctCounts) -> None:
        group, clock, usable, until = rows.times
        first = self.places.after(self.places.keys(group, np.maximum(clock, usable)))
        ends = {
            span: self.places.after(self.places.keys(group, np.minimum(clock + span, until))) for span in counts.spans
        }
        counts.add(values, first, ends)


@dataclass(frozen=True)
class _Part:
    """Rows of one table that share a fate: the places they cover for one span."""

    first: Integers
    end: Integers
    kept: Mask  # first < end: it covers any


class _Values:
    """One column of some rows, in the order of their keys. Units are made once."""

    def __init__(self, values: Floats, present: Mask | None, order: Integers) -> None:
        self.present = present[order] if present is not None else None
        self.values: Floats = values[order]
        self._units: dict[float, Integers] = {}

    def units(self, resolution: float, where: str) -> Integers:
        if resolution not in self._units:
            self._units[resolution] = units(self.values, resolution, where)
        return self._units[resolution]


class _Cell:
    """All that is asked of one column, resolution and span."""

    def __init__(self, size: int, form: WindowForm) -> None:
        self.size, self.resolution = size, form.resolution
        self.where = f"Window({form.table!r}, of={form.of!r})"
        self.count = np.zeros(size + 1, np.int64)
        self.sums: dict[str, RunningSums] = {}
        self.extremes: dict[str, Extremes] = {}
        self._frame: pl.DataFrame | None = None

    def want(self, aggregates: tuple[str, ...]) -> None:
        if {"sum", "mean", "std"} & set(aggregates):
            self.sums.setdefault("s", RunningSums(self.size, squared=False))
        if "std" in aggregates:
            self.sums.setdefault("r", RunningSums(self.size, squared=True))
        if "min" in aggregates:
            self.extremes.setdefault("min", Extremes(self.size, np.minimum, np.inf, np.float64))
        if "max" in aggregates:
            self.extremes.setdefault("max", Extremes(self.size, np.maximum, -np.inf, np.float64))

    def add(self, part: _Part, values: _Values | None, resolution: float) -> None:
        kept = part.kept if values is None or values.present is None else part.kept & values.present
        whole = bool(kept.all())
        first, end = (places if whole else places[kept] for places in (part.first, part.end))
        np.add.at(self.count, first, 1)
        np.subtract.at(self.count, end, 1)
        if values is None:
            return
        for sums in self.sums.values():
            units_ = values.units(resolution, self.where)
            sums.add(first, end, units_ if whole else units_[kept])
        if self.extremes:
            chosen = values.values[kept] + 0.0  # no negative zero: its order is undefined
            if not np.isfinite(chosen).all():
                raise FeatureError(
                    f"{self.where}: Infinity cannot be ordered.", remedy="Reject such rows in the contract (allow_inf)."
                )
            for extreme in self.extremes.values():
                extreme.add(first, end, chosen)

    def result(self, aggregate: str, output: str) -> pl.Series:
        if self._frame is None:
            counts = np.cumsum(self.count)
            columns: dict[str, Any] = {"n": pl.Series(counts)}
            columns |= {name: sums.result(self.where, counts) for name, sums in self.sums.items()}
            columns |= {name: extreme.result() for name, extreme in self.extremes.items()}
            self._frame = pl.DataFrame(columns)
        frame = self._frame
        n, least = frame["n"], 0
        match aggregate:
            case "count":
                values = n
            case "sum":
                values = pl.Series(sums_of(frame["s"], self.resolution))
            case "mean":
                values, least = pl.Series(means_of(n, frame["s"], self.resolution)), 1
            case "std":
                values, least = pl.Series(stds_of(n, frame["s"], frame["r"], self.resolution)), 2
            case _:
                values, least = frame[aggregate], 1
        values = values.zip_with(n >= least, pl.Series([None], dtype=values.dtype)) if least else values
        return values.alias(output)
