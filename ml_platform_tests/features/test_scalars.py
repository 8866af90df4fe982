"""Derived features that Python computes have the bits that polars gives many rows (S13)."""

import math
import struct
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.errors import FeatureError
from ml_platform.features.definition import FeatureDefinition
from ml_platform.features.kinds.derived import DerivedForm, OneRow, layers
from ml_platform.features.rowwise import derive
from ml_platform.features.scalars.compiling import compiled
from ml_platform.features.scalars.times import _STRETCH, _offsets
from ml_platform.features.scalars.values import Deferred
from ml_platform.pipelines.bike_rentals import bike_rentals
from ml_platform.pipelines.card_fraud import card_fraud
from ml_platform.pipelines.churn import churn
from ml_platform.pipelines.churn_snapshot import churn_snapshot
from ml_platform.pipelines.flight_delay import flight_delay
from ml_platform.pipelines.storm_status import storm_status
from ml_platform.spec.expressions import columns_read
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform_tests.examples import tries
from ml_platform_tests.features.test_expression_rules import (
    COLUMNS,
    ROWS,
    Drawn,
    conditions,
    fractions,
    made,
    numbers,
    stored,
    wholes,
)

NUMBERS = {**COLUMNS, "x": pl.Float64(), "y": pl.Float64()}
DOUBLES = st.sampled_from([0.0, -0.0, 0.5, -0.5, 2.0, math.nan, math.inf, -math.inf, 5e-324, 1e308, None]) | st.floats()
MORE = st.fixed_dictionaries({"x": DOUBLES, "y": DOUBLES})
x, y = pl.col("x"), pl.col("y")
COMPARED = 10  # of `parts`
ZONES = ["UTC", "America/New_York", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe", "Africa/Casablanca"]


def bits(value: Any) -> Any:
    """What tells values apart that compare as equal: types, and the signs of zeros."""
    if isinstance(value, float):
        return "nan" if math.isnan(value) else struct.pack("<d", value)
    return type(value), value


def assert_as_polars(expression: pl.Expr, rows: Sequence[Mapping[str, Any]], schema: Mapping[str, Any]) -> int:
    """The function of an expression gives what polars gives all rows at once; how many rows it left to polars."""
    function = compiled(stored(expression), schema)
    assert function is not None, f"{expression} is left to polars"
    deferred = 0
    for row in rows:
        frame = pl.DataFrame([row, row], schema=dict(schema))
        try:
            value = function(row)
        except Deferred:
            deferred += 1
            continue
        assert bits(value) == bits(made(expression, frame)[0]), (value, made(expression, frame)[0], row)
    return deferred


@settings(max_examples=tries(400), deadline=None)
@given(drawn=(wholes | fractions | conditions).map(Drawn), row=ROWS, more=MORE)
def test_arithmetic_comparisons_and_choices_are_those_of_polars(
    drawn: Drawn, row: dict[str, Any], more: dict[str, Any]
) -> None:
    both = {**row, **more}
    try:
        made(drawn.expression, pl.DataFrame([both], schema=NUMBERS))
    except FeatureError:  # a value that does not fit: polars finds the words for it
        function = compiled(stored(drawn.expression), NUMBERS)
        assert function is not None
        with pytest.raises(Deferred):
            function(both)
    else:
        assert_as_polars(drawn.expression, [both], NUMBERS)


BY_DOUBLES = {
    **{f"{sign}": expression for sign, expression in {"+": x + y, "-": x - y, "*": x * y, "/": x / y}.items()},
    "//": x // y,
    "%": x % y,
    "negate": -x,
    "abs": x.abs(),
    "floor": x.floor(),
    "ceil": x.ceil(),
    "sqrt": x.sqrt(),
    "exp": x.exp(),
    "ln": x.log(),
    "log10": x.log(10),
    "log2": x.log(2),
    "log1p": x.log1p(),
    "sin": x.sin(),
    "cos": x.cos(),
    "sum": pl.sum_horizontal(x, y),
    "least": pl.min_horizontal(x, y, 1.0),
    "greatest": pl.max_horizontal(x, y, 0),
    "clip": x.clip(-1, y),
    "clip below": x.clip(lower_bound=0),
    "clip above": x.clip(upper_bound=0.0),
    "between": x.is_between(-1, y),
    "between, open": x.is_between(0, y, closed="none"),
    "is in": x.is_in([0.5, 2.0, -0.0]),
    "missing": x.is_null() | y.is_not_null(),
    "nan": x.is_nan() ^ y.is_not_nan(),
    "finite": ~x.is_finite(),
    "same": x.eq_missing(y) & x.ne_missing(0),
    "to Float32": x.cast(pl.Float32),
    "to UInt8": x.cast(pl.UInt8, strict=False),
    "to Int64": x.cast(pl.Int64, strict=False),
    "to Boolean": x.cast(pl.Boolean),
    "when": pl.when(x > y).then(x).when(y > 3).then(7),
    "coalesce": pl.coalesce(x, y, 3),
    "alias": (x / 60 + y / 7).alias("other"),
}


@pytest.mark.parametrize("name", BY_DOUBLES)
@settings(max_examples=tries(40), deadline=None)
@given(row=MORE)
def test_functions_of_doubles_are_those_of_polars(name: str, row: dict[str, Any]) -> None:
    assert_as_polars(BY_DOUBLES[name], [row], {"x": pl.Float64(), "y": pl.Float64()})


@pytest.mark.parametrize("name", BY_DOUBLES)
def test_everyday_doubles_are_not_left_to_polars(name: str) -> None:
    rows = [{"x": 0.25, "y": 3.5}, {"x": 17.0, "y": 24.0}, {"x": 1e-3, "y": 2.0}]
    assert assert_as_polars(BY_DOUBLES[name], rows, {"x": pl.Float64(), "y": pl.Float64()}) == 0


@settings(max_examples=tries(60), deadline=None)
@given(
    row=ROWS, drawn=numbers.map(Drawn), to=st.sampled_from([pl.Float32, pl.Float64, pl.Boolean, pl.Int16, pl.UInt64])
)
def test_casts_of_any_number_are_those_of_polars(row: dict[str, Any], drawn: Drawn, to: Any) -> None:
    with suppress(FeatureError):  # of what is cast
        assert_as_polars(drawn.expression.cast(to, strict=False), [row], COLUMNS)


t, u = pl.col("t"), pl.col("u")
TEXTS = {
    "join": t + u,
    "equal": t == u,
    "less": t < u,
    "one of": t.is_in(["a", "é", ""]),
    "lower": t.str.to_lowercase(),
    "upper": t.str.to_uppercase(),
    "length": t.str.len_chars() + u.str.len_chars(),
    "starts": t.str.starts_with(u),
    "ends": t.str.ends_with(u),
    "contains": t.str.contains("a"),
    "contains literally": t.str.contains(".", literal=True),
    "strip": t.str.strip_chars(),
    "strip some": t.str.strip_chars("ab "),
    "concat": pl.concat_str(t, u, separator="-"),
    "concat those": pl.concat_str(t, u, separator="-", ignore_nulls=True),
    "fill": t.fill_null("none"),
    "when": pl.when(t.is_null()).then(u).otherwise(t),
}
STRINGS = st.none() | st.text(max_size=6) | st.sampled_from(["a", "ab", " a\t", "\x1ca\x85", "İ", "ß", "Σ", "."])


@pytest.mark.parametrize("name", TEXTS)
@settings(max_examples=tries(40), deadline=None)
@given(row=st.fixed_dictionaries({"t": STRINGS, "u": STRINGS}))
def test_functions_of_text_are_those_of_polars(name: str, row: dict[str, Any]) -> None:
    schema = {"t": pl.String(), "u": pl.String()}
    assert_as_polars(TEXTS[name], [row], schema)
    assert assert_as_polars(TEXTS[name], [{"t": "ab ", "u": "b"}], schema) == 0


def parts(moment: pl.Expr) -> list[pl.Expr]:
    dt = moment.dt
    return [
        *(dt.year(), dt.month(), dt.day(), dt.hour(), dt.minute(), dt.weekday(), dt.week(), dt.quarter()),
        *(dt.ordinal_day(), dt.date(), moment > datetime(2013, 3, 10, 7, tzinfo=UTC)),
        *(dt.date() == date(2013, 3, 10), dt.hour() + dt.minute() / 60),
    ]


moments = st.datetimes(datetime(1902, 1, 1), datetime(2150, 1, 1)) | st.sampled_from(
    [datetime(2013, 3, 10, 7), datetime(2013, 11, 3, 6), datetime(2013, 10, 27, 1), datetime(2024, 2, 29, 23, 59)]
).flatmap(lambda at: st.sampled_from([at + timedelta(microseconds=step) for step in (-1, 0, 1, 3_600_000_000)]))


@settings(max_examples=tries(80), deadline=None)
@given(zone=st.sampled_from(ZONES), at=moments, which=st.integers(0, 12))
def test_parts_of_times_are_those_of_polars_also_where_clocks_change(zone: str, at: datetime, which: int) -> None:
    own, moment = pl.col("at"), at.replace(tzinfo=UTC)
    in_utc = [{"at": moment}, {"at": None}]
    converted = parts(own.dt.convert_time_zone(zone))[which]
    if columns_read(stored(parts(own)[which])) and which != COMPARED:  # times of two zones are left to polars
        assert assert_as_polars(converted, in_utc, {"at": pl.Datetime("us", "UTC")}) == 0
        rows = [{"at": moment.astimezone(ZoneInfo(zone))}]
        assert assert_as_polars(parts(own)[which], rows, {"at": pl.Datetime("us", zone)}) == 0
    assert assert_as_polars(parts(own)[which], in_utc, {"at": pl.Datetime("us", "UTC")}) == 0


a, b = pl.col("a"), pl.col("b")
SPANS = {
    "minutes": (b - a).dt.total_minutes(),
    "days": (b - a).dt.total_days(),
    "hours": (b - a).dt.total_hours() * 2,
    "seconds": (b - a).dt.total_seconds(),
    "order": a < b,
    "later": (a + timedelta(hours=1)).dt.hour(),
    "earlier": (a - timedelta(hours=1) > b) | (b - a > timedelta(days=1)),
    "gap": (timedelta(days=1) - (b - a) + timedelta(minutes=1)).dt.total_minutes(),
}


@pytest.mark.parametrize("name", SPANS)
@settings(max_examples=tries(40), deadline=None)
@given(row=st.fixed_dictionaries({name: st.none() | moments.map(lambda at: at.replace(tzinfo=UTC)) for name in "ab"}))
def test_spans_of_time_are_those_of_polars(name: str, row: dict[str, Any]) -> None:
    assert assert_as_polars(SPANS[name], [row], dict.fromkeys("ab", pl.Datetime("us", "UTC"))) == 0


def test_parts_of_dates_are_those_of_polars() -> None:
    day, rows = pl.col("day"), [{"day": date(2024, 12, 30)}, {"day": None}, {"day": date(1969, 7, 20)}]
    for expression in (day.dt.year(), day.dt.month(), day.dt.weekday(), day.dt.week(), day.dt.ordinal_day(), day):
        assert assert_as_polars(expression, rows, {"day": pl.Date()}) == 0


def disagreeing(zone: str, minutes: int, first: int, last: int) -> int:
    """At how many moments of those years the table of a zone and polars differ."""
    begin, end = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp() * 1e6) for year in (first, last))
    moments = np.arange(begin, end, minutes * 60_000_000, dtype=np.int64)
    tables = [_offsets(zone, stretch) for stretch in range(begin // _STRETCH, end // _STRETCH + 1)]
    begins, offsets = (np.concatenate([table[side] for table in tables]) for side in (0, 1))
    ours = moments + offsets[np.searchsorted(begins, moments, side="right") - 1]
    times = pl.Series(moments).cast(pl.Datetime("us")).dt.replace_time_zone("UTC").dt.convert_time_zone(zone)
    return int((times.dt.replace_time_zone(None).to_physical().to_numpy() != ours).sum())


@pytest.mark.parametrize("zone", ZONES[1:])
def test_the_offsets_of_a_zone_are_those_of_polars_each_quarter_of_an_hour(zone: str) -> None:
    assert disagreeing(zone, 15, 2010, 2020) == 0


@pytest.mark.slow
def test_the_offsets_of_every_zone_are_those_of_polars_each_hour() -> None:
    zones = sorted(available_timezones() - {"localtime", "Factory"})
    assert {zone: wrong for zone in zones if (wrong := disagreeing(zone, 60, 1990, 2040))} == {}


@pytest.mark.parametrize(
    "pipeline",
    [bike_rentals, card_fraud, churn, churn_snapshot, flight_delay, storm_status],
    ids=lambda pipeline: str(pipeline.name),
)
@settings(max_examples=tries(20), deadline=None)
@given(data=st.data())
def test_every_derived_feature_of_the_example_pipelines_is_that_of_polars(
    pipeline: ModelPipeline, data: st.DataObject
) -> None:
    definition = FeatureDefinition.from_json(FeatureDefinition.of(pipeline).to_json())
    reads = set[str]().union(*(columns_read(form.expression) for form in definition.derived))
    schema = {name: definition.schema[name] for name in sorted(reads - {form.name for form in definition.derived})}
    row = {name: data.draw(_values(dtype)) for name, dtype in schema.items()}
    one = OneRow(definition.derived, definition.schema)
    assert one.by_polars == ()
    frame = pl.DataFrame([row, row], schema=schema)
    try:
        steps = layers(definition.derived, definition.schema)
        together = derive(frame, steps).select(form.name for form in definition.derived).row(0, named=True)
    except FeatureError:
        with pytest.raises(FeatureError):
            one.of(row)
    else:
        assert {name: bits(value) for name, value in one.of(row).items()} == {
            name: bits(value) for name, value in together.items()
        }


def _values(dtype: Any) -> st.SearchStrategy[Any]:
    if isinstance(dtype, pl.Datetime):
        zone = ZoneInfo(dtype.time_zone or "UTC")
        return st.none() | moments.map(lambda at: at.replace(tzinfo=UTC).astimezone(zone))
    if dtype == pl.String:
        return STRINGS
    if dtype == pl.Boolean:
        return st.none() | st.booleans()
    if dtype.is_float():
        return st.none() | st.floats(width=32 if dtype == pl.Float32 else 64)
    low, high = (pl.select(bound).item() for bound in (dtype.min(), dtype.max()))
    return st.none() | st.integers(low, high) | st.integers(0, 100)


FORMS = (
    DerivedForm("third", stored((x / 3).round(2)), early=False),  # `round` has no function
    DerivedForm("half", stored(x / 2), early=False),
    DerivedForm("sixth", stored(pl.col("third") / 2), early=False),
    DerivedForm("quarter", stored(pl.col("half") / 2), early=False),
)
TYPES = {"x": pl.Float64(), **dict.fromkeys(("third", "half", "sixth", "quarter"), pl.Float64())}


def test_what_has_no_function_is_computed_by_polars_and_with_it_what_reads_it() -> None:
    row = OneRow(FORMS, TYPES)
    assert row.by_polars == ("third", "sixth")
    assert row.of({"x": 10.0}) == {"third": 3.33, "half": 5.0, "sixth": 1.665, "quarter": 2.5}
    assert row.of({"x": None}) == dict.fromkeys(("third", "half", "sixth", "quarter"))


def test_a_row_that_a_function_defers_is_computed_by_polars_or_refused_in_its_words() -> None:
    form = DerivedForm("twice", stored(pl.col("n") * 2), early=False)
    row = OneRow([form], {"n": pl.Int64(), "twice": pl.Int64()})
    assert row.of({"n": 2**61}) == {"twice": 2**62}
    with pytest.raises(FeatureError, match=r"Derived\(twice=…\): 1 value does not fit its type; .* n = 46116860184"):
        row.of({"n": 2**62})
    upper = DerivedForm("upper", stored(t.str.to_uppercase()), early=False)
    assert OneRow([upper], {"t": pl.String(), "upper": pl.String()}).of({"t": "straße"}) == {"upper": "STRASSE"}


def test_an_expression_from_before_the_rules_is_left_to_polars_where_they_change_it() -> None:
    node = {"op": "multiply", "inputs": [{"column": "hour"}, {"value": 60}]}
    assert compiled(node, {"hour": pl.Int8()}) is None
    assert OneRow([DerivedForm("m", node, False)], {"hour": pl.Int8(), "m": pl.Int8()}).of({"hour": 21}) == {"m": -20}


def test_a_date_after_the_last_one_of_python_is_left_to_polars() -> None:
    function = compiled(
        stored(pl.col("at").dt.convert_time_zone("Asia/Tokyo").dt.date()), {"at": pl.Datetime("us", "UTC")}
    )
    assert function is not None and function({"at": datetime(9999, 12, 31, 14, tzinfo=UTC)}) == date(9999, 12, 31)
    with pytest.raises(Deferred):
        function({"at": datetime(9999, 12, 31, 15, tzinfo=UTC)})
