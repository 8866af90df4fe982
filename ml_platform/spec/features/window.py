"""`Window`: aggregates over the rows of a span of time before the prediction time (S9)."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, ClassVar, Literal, Self

import polars as pl
from pydantic import Field

from ml_platform.errors import DeclarationError
from ml_platform.spec.aggregates import COUNTED
from ml_platform.spec.durations import microseconds
from ml_platform.spec.expression_wording import expression_in_words, span_in_words
from ml_platform.spec.expressions import to_portable
from ml_platform.spec.features.conditions import check_condition, check_expression, condition_columns
from ml_platform.spec.features.word import JoinedFeature, On, Phrases, join_keys
from ml_platform.spec.tables import Table
from ml_platform.spec.vocabulary import Several, word

Aggregate = Literal["count", "sum", "mean", "std", "min", "max", "n_unique"]
_IN_WORDS = {
    "mean": "mean",
    "sum": "sum",
    "std": "standard deviation",
    "min": "least",
    "max": "greatest",
    "n_unique": "number of different values",
}


@word
class Window(JoinedFeature):
    """Aggregates over the rows with at - over <= clock < at that are usable at `at` (S9).

    The outputs are `<table>__<of or rows>_<agg>_<span>[_by_<by>]`, or `<as_>_<agg>_<span>`.

    Args:
        table: A table with an event time.
        by: The join: a column that both tables have, several of them, or example column → table column. None: all rows.
        of: The column to aggregate. None: count the rows.
        agg: Any of count, sum, mean, std, min, max and n_unique, which counts different values of any plain type.
        over: Spans such as "3h" or "7d", one at least.
        clock: The time that places a row in the window: when it became known, or when it happened.
        where: A Boolean polars expression over the table's own columns. Only rows that meet it count.
        resolution: Sums are exact in whole multiples of it (S13), in the unit of `of`; 1e-9 to 1e9.
        as_: A prefix for the outputs.

    Raises:
        DeclarationError: For a text that is no span, an aggregate that needs `of`, a resolution out of range and a
            condition that is not row-wise.

    >>> Window("flights", by="carrier", of="delay", agg=["mean"], over=["3h", "7d"]).outputs
    ('flights__delay_mean_3h_by_carrier', 'flights__delay_mean_7d_by_carrier')
    """

    output_parameters: ClassVar[tuple[str, ...]] = ("agg", "over")

    table: str
    by: On | None = None
    of: str | None = None
    agg: Several[Aggregate] = ("count",)
    over: Several[str] = Field(default=(), min_length=1, validate_default=True)
    clock: Literal["known_at", "event_time"] = "known_at"
    where: Any = None
    resolution: float = 1e-6
    as_: str | None = None

    def __post_init__(self) -> None:
        where = f"Window({self.table!r}, of={self.of!r})"
        for span in self.over:
            microseconds(span, f"{where}.over")
        if self.of is None and set(self.agg) != {"count"}:
            raise DeclarationError(
                where, f"agg={list(self.agg)} needs a column", remedy='Name it with of=, or use agg=["count"].'
            )
        if not 1e-9 <= self.resolution <= 1e9:
            raise DeclarationError(
                where,
                f"resolution={self.resolution} is outside 1e-9 to 1e9",
                remedy="Give the smallest difference that matters, in the column's unit.",
            )
        if self.where is not None:
            check_expression(self.where, where)

    def output(self, agg: str, span: str) -> str:
        """The name of the output of one aggregate over one span."""
        if self.as_ is not None:
            return f"{self.as_}_{agg}_{span}"
        by = "_".join(self.keys)
        return f"{self.table}__{self.of or 'rows'}_{agg}_{span}" + (f"_by_{by}" if by else "")

    @property
    def outputs(self) -> tuple[str, ...]:
        return tuple(self.output(agg, span) for span in self.over for agg in self.agg)

    def without(self, outputs: Collection[str]) -> tuple[Self, ...]:
        """One window for each set of spans: a window has all of its aggregates over all of its spans."""
        aggregates_by_spans: dict[tuple[str, ...], list[Aggregate]] = {}
        for agg in self.agg:
            spans = tuple(span for span in self.over if self.output(agg, span) not in outputs)
            aggregates_by_spans.setdefault(spans, []).append(agg)
        return tuple(replace(self, agg=aggs, over=spans) for spans, aggs in aggregates_by_spans.items() if spans)

    @property
    def keys(self) -> dict[str, str]:
        return join_keys(self.by)

    def output_types(self, table: Table) -> list[pl.DataType]:
        dtype: pl.DataType = pl.Null()
        if self.of is not None:
            self.check_columns(table, self.of)
            dtype = table.stored_columns[self.of]
        if not COUNTED.issuperset(self.agg) and not (dtype.is_numeric() or dtype == pl.Boolean):
            raise DeclarationError(self.title, f"of={self.of!r} is {dtype}", remedy="Only numbers have a sum or mean.")
        if self.where is not None:
            check_condition(self.where, table, self.title)
        return [pl.Int64() if agg in COUNTED else pl.Float64() for _ in self.over for agg in self.agg]

    def columns_behind(self) -> dict[str, tuple[str, ...]]:
        columns = (*([self.of] if self.of else []), *condition_columns(self.where))
        return dict.fromkeys(self.outputs, columns)

    def in_words(self, phrases: Phrases) -> dict[str, str]:
        rows = self.joined_rows("rows")
        if self.where is not None:
            rows += f" where {expression_in_words(to_portable(self.where, 'Window.where'))}"
        return {
            self.output(agg, span): f"{self._aggregated(agg, rows)} {self._span_in_words(span, phrases.before)}"
            for span in self.over
            for agg in self.agg
        }

    def of_example(self, example: Mapping[str, Any], phrases: Phrases) -> dict[str, str]:
        rows = self.rows_of(example, every="all ")
        if self.where is not None:
            rows += f" where {expression_in_words(to_portable(self.where, 'Window.where'))}"
        words = {}
        for span in self.over:
            last = "of" if self.clock == "event_time" else "known in"
            over = f"{last} the last {span_in_words(span).removeprefix('1 ')}"
            for agg in self.agg:
                words[self.output(agg, span)] = f"{self._of_rows(agg, rows, phrases)} {over}"
        return words

    def _of_rows(self, agg: str, rows: str, phrases: Phrases) -> str:
        if self.of is None:
            return f"number of {rows}"
        if agg == "count":
            return f"number of {rows} ({self.of} present)"
        return f"{_IN_WORDS[agg]} {'of ' if agg == 'n_unique' else ''}{phrases.unit(self.table, self.of)} of {rows}"

    def _aggregated(self, agg: str, rows: str) -> str:
        if agg == "count":
            return f"number of known {self.of} over {rows}" if self.of else f"number of {rows}"
        return f"{_IN_WORDS[agg]} of {self.of} over {rows}"

    def _span_in_words(self, span: str, before: str) -> str:
        length = span_in_words(span).removeprefix("1 ")
        if self.clock == "event_time":
            return f"of the last {length}, as far as known {before}"
        return f"known in the last {length} {before}"
