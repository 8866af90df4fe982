"""Faults that a month of real flights may come with, as functions of the rows of its file (all texts)."""

from collections.abc import Callable

import polars as pl

Fault = Callable[[pl.DataFrame], list[pl.DataFrame]]  # one frame a file, in the order of arrival


def number(column: str) -> pl.Expr:
    return pl.col(column).cast(pl.Float64, strict=False)


def text(values: pl.Expr) -> pl.Expr:
    return values.cast(pl.String)


def _changed(**columns: pl.Expr) -> Fault:
    return lambda month: [month.with_columns(**columns)]


def _nulls(column: str) -> Fault:
    hit = pl.int_range(pl.len()) % 50 < 3  # 6 of 100
    return _changed(**{column: pl.when(hit).then(None).otherwise(column)})


def _twice(**columns: pl.Expr) -> Fault:
    """A day's rows once more in the same file, with other content or other keys where columns are given."""
    return lambda month: [pl.concat([month, month.filter(pl.col("day") == "17").with_columns(**columns)])]


def _twice_in_another_file(month: pl.DataFrame) -> list[pl.DataFrame]:
    return [month, month.filter(pl.col("day") == "17").with_columns(air_time=pl.lit("1"), arr_delay=pl.lit("1"))]


later = text(pl.col("flight").cast(pl.Int64) % 1000 + 9000)
hour = pl.col("time_hour").str.to_datetime("%Y-%m-%dT%H:%M:%SZ")

# name → (the fault, the checks of which one must fail)
FAULTS: dict[str, tuple[Fault, set[str]]] = {
    "delays become seconds": (
        _changed(dep_delay=text(number("dep_delay") * 60), arr_delay=text(number("arr_delay") * 60)),
        {"units"},
    ),
    "departure delays become seconds": (_changed(dep_delay=text(number("dep_delay") * 60)), {"units"}),
    "arrival delays become seconds": (_changed(arr_delay=text(number("arr_delay") * 60)), {"units"}),
    "times shifted by five hours": (
        _changed(time_hour=(hour + pl.duration(hours=5)).dt.strftime("%Y-%m-%dT%H:%M:%SZ")),
        {"hours"},
    ),
    "times shifted back by five hours": (
        _changed(time_hour=(hour - pl.duration(hours=5)).dt.strftime("%Y-%m-%dT%H:%M:%SZ")),
        {"hours"},
    ),
    "carriers in lower case": (_changed(carrier=pl.col("carrier").str.to_lowercase()), {"levels"}),
    "aircraft in lower case": (_changed(tailnum=pl.col("tailnum").str.to_lowercase()), {"levels"}),
    "arrival delays negated": (_changed(arr_delay=text(-number("arr_delay"))), {"direction"}),
    "arrival delays mirrored at the label's border": (
        _changed(arr_delay=text(30 - number("arr_delay"))),
        {"direction"},
    ),
    "six per cent of the arrival delays missing": (_nulls("arr_delay"), {"null_share"}),
    "six per cent of the aircraft missing": (_nulls("tailnum"), {"null_share"}),
    "six per cent of the planned arrivals missing": (_nulls("sched_arr_time"), {"null_share"}),
    "half of the rows": (lambda month: [month.gather_every(2)], {"volume"}),
    "the first half of the month": (lambda month: [month.filter(pl.col("day").cast(pl.Int64) <= 15)], {"rows_by_day"}),
    "a day twice, the same rows": (_twice(), {"repeats"}),
    "a day twice, other content": (_twice(arr_delay=pl.lit("1")), {"repeats"}),
    "a day twice, in a second file": (_twice_in_another_file, {"repeats"}),
    "a day twice, under other keys": (_twice(flight=later), {"rows_by_day"}),
    "the carrier frozen": (_changed(carrier=pl.lit("UA")), {"frozen"}),
    "the distance frozen": (_changed(distance=pl.lit("1000")), {"frozen"}),
    "the arrival delay frozen": (_changed(arr_delay=pl.lit("0")), {"frozen"}),
    "the arrival delay frozen from the 15th on": (
        _changed(arr_delay=pl.when(pl.col("day").cast(pl.Int64) < 15).then("arr_delay").otherwise(pl.lit("7"))),
        {"frozen"},
    ),
}
