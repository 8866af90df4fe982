"""The rows that windows count, from the validated relations of the lake."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl

from ml_platform.features.arithmetic import NUMERIC
from ml_platform.features.forms import TableForm
from ml_platform.features.kinds.window import WindowForm, columns_without_nan
from ml_platform.features.relations import Batch
from ml_platform.features.windows import CountedRows, Times, WindowPass
from ml_platform.naming import quoted


def windows(forms: Sequence[WindowForm], table: TableForm, batch: Batch) -> dict[str, pl.Series]:
    """The outputs of windows that read the same rows, for the examples of `batch`, in their order."""
    return WindowPass(forms, batch.places(forms[0].on)).run(_LakeRows(forms, table, batch))


class _LakeRows:
    """A `WindowRows` over one join of a batch."""

    def __init__(self, forms: Sequence[WindowForm], table: TableForm, batch: Batch) -> None:
        self._forms, self._table, self._batch, self._head = forms, table, batch, forms[0]
        self._condition = self._head.condition(table)
        self._without_nan = columns_without_nan(forms, table)
        self._clock = "e._known_at" if self._head.clock == "known_at" else f"e.{quoted(table.event_time or '')}"

    def counted(self, columns: Sequence[str]) -> Iterator[CountedRows]:
        for rows in self._rows([f"{self._number(column)} AS _of{index}" for index, column in enumerate(columns)]):
            values = {}
            for index, column in enumerate(columns):
                read = rows[f"_of{index}"]
                present = np.asarray(read.is_valid()) if read.null_count else None
                values[column] = np.asarray(read.fill_null(0.0) if read.null_count else read, np.float64), present
            yield CountedRows(_times(rows), values)

    def distinct(self, of: str) -> Iterator[tuple[CountedRows, pl.DataFrame]]:
        value, start = self._value_or_null(of), f"greatest({self._clock}, e._usable_at)"
        order = f"ORDER BY k._group, {value}, {start}"
        for rows in self._rows([f"{value} AS _of"], f"AND {value} IS NOT NULL", order):
            values = pl.from_arrow(rows.select(["_group", "_of"]))
            assert isinstance(values, pl.DataFrame)  # as of every record batch
            yield CountedRows(_times(rows)), values

    def _number(self, column: str) -> str:
        """What is counted and summed, as a double."""
        numeric = any(form.of == column and NUMERIC & set(form.aggregates) for form in self._forms)
        value = self._value_or_null(column)
        if isinstance(self._table.columns[column], pl.Decimal):  # DuckDB rounds twice on the direct way
            value = f"CAST({value} AS VARCHAR)"
        return f"CAST({value} AS DOUBLE)" if numeric else f"if({value} IS NULL, NULL, 0e0)"

    def _value_or_null(self, of: str) -> str:
        """The value of a column in SQL, NULL for a null."""
        value = f"e.{quoted(of)}"
        return f"CASE WHEN NOT isnan({value}) THEN {value} END" if of in self._without_nan else value

    def _rows(self, values: list[str], only: str = "", order: str = "") -> Iterator[Any]:
        widest = max(span for form in self._forms for span in form.spans)
        near = f"AND {self._batch.near(self._clock, widest)}"
        return self._batch.rows(self._head, self._clock, values, self._condition, f"{near} {only} {order}")


def _times(rows: Any) -> Times:
    return Times(*(np.asarray(rows[name], np.int64) for name in ("_group", "_clock", "_usable", "_end")))
