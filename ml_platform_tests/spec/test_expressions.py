"""Expressions as data: what is written is read back and means the same (S15)."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from ml_platform.errors import DeclarationError
from ml_platform.spec.canonical import canonical, content_key
from ml_platform.spec.expression_rules import computed
from ml_platform.spec.expression_vocabulary import as_polars_means
from ml_platform.spec.expressions import columns_read, to_portable

FRAME = pl.DataFrame(
    {
        "at": [datetime(2024, 3, 31, 0, 30, tzinfo=UTC), datetime(2024, 10, 27, 1, 30, tzinfo=UTC), None],
        "day": [date(2024, 2, 29), None, date(1970, 1, 1)],
        "x": [1.5, -0.0, None],
        "y": [float("nan"), 2.0, 4.0],
        "n": [3, -7, None],
        "s": [" Ab", "é", None],
        "b": [True, False, None],
    },
    schema_overrides={"at": pl.Datetime("us", "UTC")},
)

x, y, n, s, b, at, day = (pl.col(name) for name in ("x", "y", "n", "s", "b", "at", "day"))
EXPRESSIONS: dict[str, pl.Expr] = {
    "arithmetic": (x + y * 2 - 1) / (n + 10) ** 2,
    "whole": (n // 2) + n % 3,
    "negative": -x,
    "comparisons": (x > 1) & (y <= 4) | ~(n == 3) ^ (n != 4),
    "missing": x.eq_missing(y) & s.ne_missing("Ab") | x.is_null() | s.is_not_null(),
    "not a number": y.is_nan() & x.is_not_nan() | y.is_finite(),
    "functions": x.abs().sqrt() + y.exp() + (n + 10).log1p() + (n + 10).log(2.0) + x.floor() + x.ceil() + x.sign(),
    "waves": x.sin() + y.cos(),
    "rounded": x.round(1),
    "clipped": x.clip(0, 1) + y.clip(upper_bound=3),
    "filled": x.fill_null(0.5) + pl.coalesce(n, 1),
    "across": pl.min_horizontal(x, y) + pl.max_horizontal(x, n) + pl.sum_horizontal(x, n),
    "when": pl.when(x > 0).then(pl.lit("up")).when(n < 0).then(pl.lit("down")).otherwise(s),
    "when without otherwise": pl.when(b).then(x),
    "is in": n.is_in([3, 4]) | s.is_in(["é", "x"]),
    "between": x.is_between(0, 2, closed="left"),
    "texts": s.str.strip_chars().str.to_lowercase() + s.str.to_uppercase() + s.str.slice(0, 1),
    "about texts": s.str.len_chars() + s.str.starts_with("é") + s.str.contains("b", literal=True),
    "ends of texts": s.str.ends_with("b"),
    "joined texts": pl.concat_str(s, pl.lit("-"), n.cast(pl.String), separator="/"),
    "local time": at.dt.convert_time_zone("Europe/Berlin").dt.hour(),
    "parts of time": at.dt.year() + at.dt.month() + at.dt.day() + at.dt.minute() + at.dt.weekday() + at.dt.quarter(),
    "parts of days": day.dt.ordinal_day() + day.dt.week(),
    "spans": (at - timedelta(hours=3) - datetime(2024, 1, 1, tzinfo=UTC)).dt.total_hours(),
    "days": (at.dt.date() - day).dt.total_days() + (day > date(2000, 1, 1)),
    "casts": x.cast(pl.Int32) + b.cast(pl.Int8) + n.cast(pl.Float32, strict=False),
    "alias": (x + 1).alias("other"),
    "literals": pl.lit(None) | (s == 'it\'s "quoted"') | (x == 1e-300),
}


@pytest.mark.parametrize("expression", EXPRESSIONS.values(), ids=EXPRESSIONS.keys())
def test_an_expression_survives_json(expression: pl.Expr) -> None:
    portable = to_portable(expression, "test")
    again = computed(json.loads(json.dumps(portable)), dict(FRAME.schema))
    values = FRAME.select(again.value.alias("made"))
    one_by_one = pl.concat(FRAME[index].select(again.value.alias("made")) for index in range(FRAME.height))
    assert one_by_one.equals(values)  # row by row is all at once
    as_polars = FRAME.select(as_polars_means(json.loads(json.dumps(portable))).alias("made"))
    assert as_polars.equals(FRAME.select(expression.alias("made")))
    # Where no NaN and no narrow number is involved, the rule and polars agree.
    agree = FRAME.select(nan_free=~pl.any_horizontal(pl.col("y").is_nan().fill_null(False)))["nan_free"]
    polars_means = FRAME.select(expression.alias("made"))["made"]
    assert values["made"].filter(agree).cast(polars_means.dtype).equals(polars_means.filter(agree))


def test_the_columns_that_an_expression_reads_are_known() -> None:
    portable = to_portable(pl.when(x > 0).then(pl.coalesce(y, n)).otherwise(s.str.len_chars()).alias("z"), "test")
    assert columns_read(portable) == {"x", "y", "n", "s"}


@pytest.mark.parametrize(
    "expression",
    [
        x.mean(),
        x.sum().over("s"),
        x.shift(1),
        x.cum_sum(),
        x.rank(),
        x.map_elements(abs, pl.Float64),
        pl.len(),
        x.filter(b),
        x.sort(),
        pl.col("x", "y"),
        pl.all(),
        s.str.to_datetime(),
        x.cast(pl.Decimal(10, 2)),
        n.is_in(pl.col("n").implode()),
    ],
    ids=str,
)
def test_what_looks_at_other_rows_or_calls_python_is_refused_by_name(expression: pl.Expr) -> None:
    with pytest.raises(DeclarationError, match=r"Derived\(z=…\).*cannot be used"):
        to_portable(expression, "Derived(z=…)")


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [(x + 1, pl.col("x") + 1, True), (x + 1, x + 2, False), (x + 1, 1 + x, False), (x > y, y < x, False)],
)
def test_keys_follow_the_meaning_of_expressions(one: Any, other: Any, same: bool) -> None:  # S31
    assert (canonical(one) == canonical(other)) is same
    assert (content_key(one) == content_key(other)) is same
