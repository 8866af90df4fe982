"""Windows of a batch of examples (S9, S13): one pass over the rows of a join, in any order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from ml_platform.errors import FeatureError
from ml_platform.features.arithmetic import NUMERIC, Floats, RunningSums, means_of, stds_of, sums_of, units
from ml_platform.features.distinct import DistinctCounts
from ml_platform.features.forms import TableForm
from ml_platform.features.kinds.window import WindowForm, columns_without_nan
from ml_platform.features.places import Extremes, Integers, Places
from ml_platform.features.relations import Batch
from ml_platform.naming import quoted


def windows(forms: Sequence[WindowForm], table: TableForm, batch: Batch) -> dict[str, pl.Series]:
    """The outputs of windows that read the same rows, for the examples of `batch`, in their order."""
    return _Pass(forms, table, batch).run()


@dataclass(frozen=True)
class _Part:
    """Rows of one table that share a fate: the places they cover for one span."""

    first: Integers
    end: Integers
    kept: npt.NDArray[np.bool_]  # first < end: it covers any


class _Pass:
    """The windows that read the same rows: one table, join, clock and condition."""

    def __init__(self, forms: Sequence[WindowForm], table: TableForm, batch: Batch) -> None:
        self.forms, self.table, self.batch = forms, table, batch
        self.head = forms[0]
        self.condition = self.head.condition(table)
        self.without_nan = columns_without_nan(forms, table)
        self.places: Places = batch.places(self.head.on)
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

    def run(self) -> dict[str, pl.Series]:
        if self.places.size and self.cells:
            for rows in self._rows(self._numbers()):
                self._take(rows)
        if self.places.size:
            for of, counts in self.distinct.items():
                value, start = self._value_or_null(of), f"greatest({self.clock}, e._usable_at)"
                order = f"ORDER BY k._group, {value}, {start}"
                for rows in self._rows([f"{value} AS _of"], f"AND {value} IS NOT NULL", order):
                    self._tell_apart(rows, counts)
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

    @property
    def clock(self) -> str:
        return "e._known_at" if self.head.clock == "known_at" else f"e.{quoted(self.table.event_time or '')}"

    def _numbers(self) -> list[str]:
        """What is counted and summed, as doubles `_of0`, `_of1`, …"""
        chosen = []
        for index, column in enumerate(self.columns):
            numeric = any(form.of == column and NUMERIC & set(form.aggregates) for form in self.forms)
            known_expression = self._value_or_null(column)
            if isinstance(self.table.columns[column], pl.Decimal):  # DuckDB rounds twice on the direct way
                known_expression = f"CAST({known_expression} AS VARCHAR)"
            value = f"CAST({known_expression} AS DOUBLE)" if numeric else f"if({known_expression} IS NULL, NULL, 0e0)"
            chosen.append(f"{value} AS _of{index}")
        return chosen

    def _value_or_null(self, of: str) -> str:
        """The value of a column in SQL, NULL for a null."""
        value = f"e.{quoted(of)}"
        return f"CASE WHEN NOT isnan({value}) THEN {value} END" if of in self.without_nan else value

    def _rows(self, values: list[str], only: str = "", order: str = "") -> Iterator[pa.RecordBatch]:
        near = f"AND {self.batch.near(self.clock, self.spans[-1])}"
        return self.batch.rows(self.head, self.clock, values, self.condition, f"{near} {only} {order}")

    def _take(self, rows: Any) -> None:
        group, clock, usable, until = (_integers(rows[name]) for name in ("_group", "_clock", "_usable", "_end"))
        keys = self.places.keys(group, np.maximum(clock, usable))
        order = np.argsort(keys)
        group, clock, until = group[order], clock[order], until[order]
        first = self.places.after(keys[order])
        values = {column: _Values(rows[f"_of{index}"], order) for index, column in enumerate(self.columns)}
        for span in self.spans:
            end = self.places.after(self.places.keys(group, np.minimum(clock + span, until)))
            part = _Part(first, end, end > first)
            for (of, resolution, width), cell in self.cells.items():
                if width == span:
                    cell.add(part, values[of] if of is not None else None, resolution)

    def _tell_apart(self, rows: Any, counts: DistinctCounts) -> None:
        """As `_take`, of rows in order of (group, value, start)."""
        group, clock, usable, until = (_integers(rows[name]) for name in ("_group", "_clock", "_usable", "_end"))
        first = self.places.after(self.places.keys(group, np.maximum(clock, usable)))
        ends = {
            span: self.places.after(self.places.keys(group, np.minimum(clock + span, until))) for span in counts.spans
        }
        values = pl.from_arrow(rows.select(["_group", "_of"]))
        assert isinstance(values, pl.DataFrame)
        counts.add(values, first, ends)


class _Values:
    """One column of some rows, in the order of their keys. Units are made once."""

    def __init__(self, column: Any, order: Integers) -> None:
        nulls = column.null_count
        self.present = np.asarray(column.is_valid())[order] if nulls else None
        filled = column.fill_null(0.0) if nulls else column
        self.values: Floats = np.asarray(filled, np.float64)[order]
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
            columns: dict[str, Any] = {"n": pl.Series(counts).cast(pl.Int128)}
            columns |= {name: sums.result(self.where, counts) for name, sums in self.sums.items()}
            columns |= {name: extreme.result() for name, extreme in self.extremes.items()}
            self._frame = pl.DataFrame(columns)
        frame = self._frame
        n, least = frame["n"], 0
        match aggregate:
            case "count":
                values = n.cast(pl.Int64)
            case "sum":
                values = pl.Series(sums_of(frame["s"], self.resolution))
            case "mean":
                values, least = pl.Series(means_of(n, frame["s"], self.resolution)), 1
            case "std":
                values, least = pl.Series(stds_of(n, frame["s"], frame["r"], self.resolution)), 2
            case _:
                values, least = frame[aggregate], 1
        return frame.select(pl.when(n >= least).then(values.alias(output)))[output]


def _integers(column: Any) -> Integers:
    return np.asarray(column, np.int64)
