"""The kinds of features (S7 to S15). Words only: `ml_platform.features` computes them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl
from pydantic import Field

from ml_platform.errors import DeclarationError
from ml_platform.spec.durations import microseconds
from ml_platform.spec.expressions import to_portable
from ml_platform.spec.vocabulary import Several, word

On = str | Several[str] | Mapping[str, str]
Aggregate = Literal["count", "sum", "mean", "std", "min", "max", "n_unique"]
COUNTED = frozenset({"count", "n_unique"})  # whole numbers, of values of any type


def join_keys(on: On | None) -> dict[str, str]:
    """Example column → table column. A plain name is both; None joins nothing: all rows."""
    if on is None:
        return {}
    if isinstance(on, str):
        return {on: on}
    return dict(on) if isinstance(on, Mapping) else {name: name for name in on}


@dataclass(frozen=True, eq=False, init=False)
class Derived:
    """Row-wise polars expressions over inputs and other features: `Derived(hour=pl.col("at").dt.hour())`."""

    expressions: Mapping[str, pl.Expr]

    def __init__(self, expressions: Mapping[str, pl.Expr] | None = None, /, **named: pl.Expr) -> None:
        merged = {**(expressions or {}), **named}
        for name, expression in merged.items():
            if not isinstance(expression, pl.Expr):
                raise DeclarationError(
                    f"Derived({name}=…)",
                    f"{type(expression).__name__} is not a polars expression",
                    remedy="Write it with pl.col(…).",
                )
            to_portable(expression, f"Derived({name}=…)")
        object.__setattr__(self, "expressions", merged)


@word
class Lookup:
    """Columns of a table without time, by key, as that table stood by arrival at `at` (S12).

    Outputs are `<table>__<column>`, or `<as_>__<column>`.
    """

    table: str
    on: On
    take: Several[str]
    as_: str | None = None

    @property
    def outputs(self) -> tuple[str, ...]:
        return tuple(f"{self.as_ or self.table}__{column}" for column in self.take)

    @property
    def status(self) -> str:
        return f"{self.as_ or self.table}__status"


@word
class Latest:
    """Columns of the latest usable row with that key and event_time <= at - offset (S10).

    `max_age` (inclusive) is counted back from at - offset. Outputs are `<table>__<column>`, with
    the offset appended when there is one, or `<as_>__<column>`.
    """

    table: str
    on: On | None
    take: Several[str]
    max_age: str | None = None
    offset: str | None = None
    as_: str | None = None

    def __post_init__(self) -> None:
        for name in ("max_age", "offset"):
            if getattr(self, name) is not None:
                microseconds(getattr(self, name), f"Latest({self.table!r}, {name}=…)")

    @property
    def prefix(self) -> str:
        return self.as_ or (f"{self.table}_{self.offset}_ago" if self.offset else self.table)

    @property
    def outputs(self) -> tuple[str, ...]:
        return tuple(f"{self.prefix}__{column}" for column in self.take)

    @property
    def status(self) -> str:
        return f"{self.prefix}__status"


@word
class Window:
    """Aggregates over the rows with at - over <= clock < at that are usable at `at` (S9).

    by:         join columns as in Lookup; None: all rows.
    of:         the column aggregated; None: rows are counted. n_unique takes any plain type, the number
                of its different values.
    where:      a polars expression over the table's own columns: rows where it is true count.
    resolution: sums accumulate as whole multiples of it (S13), in the unit of `of`.

    Outputs are `<table>__<of or rows>_<agg>_<span>[_by_<by>]`, or `<as_>_<agg>_<span>`.
    """

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
            if not isinstance(self.where, pl.Expr):
                raise DeclarationError(where, "where= is not a polars expression", remedy="Write it with pl.col(…).")
            to_portable(self.where, f"{where}.where")

    def output(self, agg: str, span: str) -> str:
        if self.as_ is not None:
            return f"{self.as_}_{agg}_{span}"
        by = "_".join(join_keys(self.by))
        return f"{self.table}__{self.of or 'rows'}_{agg}_{span}" + (f"_by_{by}" if by else "")

    @property
    def outputs(self) -> tuple[str, ...]:
        return tuple(self.output(agg, span) for span in self.over for agg in self.agg)


@word
class Since:
    """Seconds from the event_time of the latest usable row with that key to `at` (S11).

    Output: `<table>__since[_by_<on>]`, or `<as_>`.
    """

    table: str
    on: On | None
    as_: str | None = None

    @property
    def outputs(self) -> tuple[str, ...]:
        by = "_".join(join_keys(self.on))
        return (self.as_ or f"{self.table}__since" + (f"_by_{by}" if by else ""),)


Feature = Derived | Lookup | Latest | Window | Since
