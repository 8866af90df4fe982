"""Numbers in expressions mean the same at any width, in any path (S13)."""

import json
import math
from dataclasses import dataclass
from typing import Any

import dataframely as dy
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform import Derived, Examples, Files, LightGBM, ModelPipeline, Table, TimeSince, Window
from ml_platform.errors import DeclarationError, FeatureError
from ml_platform.features.definition import FeatureDefinition
from ml_platform.features.rowwise import DerivedColumn, derive
from ml_platform.spec.expression_types import type_of
from ml_platform.spec.expressions import to_portable
from ml_platform_tests.examples import tries
from ml_platform_tests.features.relations import batch_features, connect, online_answers, validated
from ml_platform_tests.scenario.flights import hour
from ml_platform_tests.spec.naive_expressions import BITS, DoesNotFit, naive

COLUMNS: dict[str, Any] = {
    **{name.lower(): getattr(pl, name)() for name in BITS},
    "float32": pl.Float32(),
    "float64": pl.Float64(),
    "flag": pl.Boolean(),
}
WHOLE = [name for name in COLUMNS if "int" in name]


def _whole_values(dtype: Any) -> st.SearchStrategy[int | None]:
    low, high = dtype.min(), dtype.max()
    low, high = (pl.select(bound).item() for bound in (low, high))
    return st.sampled_from([low, low + 1, high - 1, high, 1, 2, 3, 60, 0, None]) | st.integers(low, high)


FLOATS = st.sampled_from([0.0, 1.0, -1.0, 0.5, 0.1, -2.5, 1e18, 1e300, math.inf, -math.inf, math.nan, None])
ROWS = st.fixed_dictionaries(
    {
        **{name: _whole_values(COLUMNS[name]) for name in WHOLE},
        "float32": st.sampled_from([0.0, 0.5, -1.5, 0.10000000149011612, math.nan, None]),
        "float64": FLOATS,
        "flag": st.sampled_from([True, False, None]),
    }
)


def _column(name: str) -> pl.Expr:
    return pl.col(name)


wholes = st.deferred(lambda: _wholes)
fractions = st.deferred(lambda: _fractions)
conditions = st.deferred(lambda: _conditions)
numbers = wholes | fractions
_wholes = st.one_of(
    st.sampled_from(WHOLE).map(_column),
    st.sampled_from([0, 1, -1, 7, 60, 2**31, 2**63 - 1]).map(pl.lit),
    st.tuples(wholes, wholes, st.sampled_from("+-*")).map(lambda t: _binary(*t)),
    st.tuples(wholes, wholes | st.sampled_from([2, -7, 0]), st.sampled_from(["//", "%"])).map(lambda t: _binary(*t)),
    st.tuples(wholes, st.integers(0, 4)).map(lambda t: t[0] ** t[1]),
    wholes.map(lambda a: -a),
    wholes.map(lambda a: a.abs()),
    st.tuples(conditions, wholes, wholes).map(lambda t: pl.when(t[0]).then(t[1]).otherwise(t[2])),
    st.tuples(wholes, wholes).map(lambda t: pl.coalesce(*t)),
    st.lists(wholes, min_size=2, max_size=3).map(lambda t: pl.sum_horizontal(*t)),
    st.tuples(wholes, wholes).map(lambda t: pl.max_horizontal(*t)),
    st.tuples(numbers, st.sampled_from([pl.Int8, pl.UInt16, pl.Int64]), st.booleans()).map(
        lambda t: t[0].cast(t[1], strict=t[2])
    ),
)
_fractions = st.one_of(
    st.sampled_from(["float32", "float64"]).map(_column),
    st.sampled_from([0.5, -3.0, 0.1, 60.0]).map(pl.lit),
    st.tuples(fractions, numbers, st.sampled_from(["+", "-", "*", "//", "%"])).map(lambda t: _binary(*t)),
    st.tuples(numbers, numbers).map(lambda t: t[0] / t[1]),
    fractions.map(lambda a: -a),
    st.tuples(fractions, numbers).map(lambda t: pl.min_horizontal(*t)),
    st.tuples(conditions, numbers, fractions).map(lambda t: pl.when(t[0]).then(t[1]).otherwise(t[2])),
    st.tuples(fractions, numbers).map(lambda t: t[0].fill_null(t[1])),
)
_conditions = st.one_of(
    st.just(pl.col("flag")),
    st.tuples(numbers, numbers, st.sampled_from(["<", "<=", "==", "!=", ">", ">="])).map(lambda t: _binary(*t)),
    st.tuples(numbers, numbers).map(lambda t: t[0].eq_missing(t[1])),
    st.tuples(wholes, st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=3)).map(lambda t: t[0].is_in(t[1])),
    numbers.map(lambda a: a.is_null()),
    st.tuples(conditions, conditions).map(lambda t: t[0] & t[1]),
    st.tuples(conditions, conditions).map(lambda t: t[0] | t[1]),
    conditions.map(lambda a: ~a),
)


@dataclass(frozen=True, eq=False)
class Drawn:
    """An expression that hypothesis may compare: `==` of two expressions is no truth value."""

    expression: pl.Expr


def _binary(a: pl.Expr, b: Any, sign: str) -> pl.Expr:
    return {
        "+": lambda: a + b,
        "-": lambda: a - b,
        "*": lambda: a * b,
        "//": lambda: a // b,
        "%": lambda: a % b,
        "<": lambda: a < b,
        "<=": lambda: a <= b,
        "==": lambda: a == b,
        "!=": lambda: a != b,
        ">": lambda: a > b,
        ">=": lambda: a >= b,
    }[sign]()


def stored(expression: pl.Expr) -> dict[str, Any]:
    """The expression as a bundle keeps it."""
    loaded: dict[str, Any] = json.loads(json.dumps(to_portable(expression, "test")))
    return loaded


def made(expression: pl.Expr, frame: pl.DataFrame) -> pl.Series:
    """What is derived from the rows of a frame at once."""
    column = DerivedColumn.of("made", stored(expression), dict(frame.schema), "Derived(made=…)")
    return derive(frame, ((column,),))["made"]


def same(value: Any, other: Any) -> bool:
    return value == other or (value != value and other != other)


@settings(max_examples=tries(300), deadline=None)
@given(drawn=(wholes | fractions | conditions).map(Drawn), rows=st.lists(ROWS, min_size=2, max_size=3))
def test_a_derived_value_is_that_of_whole_numbers_without_width_in_batch_and_row_by_row(
    drawn: Drawn, rows: list[dict[str, Any]]
) -> None:
    expression = drawn.expression
    frame, node = pl.DataFrame(rows, schema=COLUMNS), stored(expression)
    expected: list[Any] = []
    for index, row in enumerate(frame.iter_rows(named=True)):
        try:
            expected.append(naive(node, row, COLUMNS))
            alone = made(expression, frame.slice(index, 1))
            assert same(alone[0], expected[-1]), (alone[0], expected[-1], row)
        except DoesNotFit:
            expected.append(DoesNotFit)
            with pytest.raises(FeatureError, match=r"not fit (its|their) type"):
                made(expression, frame.slice(index, 1))
    if DoesNotFit in expected:
        with pytest.raises(FeatureError, match=r"not fit (its|their) type"):
            made(expression, frame)
        return
    together = made(expression, frame)
    assert all(same(value, other) for value, other in zip(together, expected, strict=True)), (together, expected)
    for index in range(frame.height):
        assert made(expression, frame.slice(index, 1)).equals(together.slice(index, 1), null_equal=True)


ONE = pl.DataFrame(
    {
        "hour": pl.Series([21, 22], dtype=pl.Int8),
        "seats": pl.Series([137, 9], dtype=pl.UInt8),
        "taken": pl.Series([151, 3], dtype=pl.UInt8),
        "none": [0.0, 4.0],
        "big": [2**63 - 1, 5],
        "nan": [math.nan, 2.0],
    }
)
hours, seats, taken, none, big, nan = map(pl.col, ONE.columns)


@pytest.mark.parametrize(
    ("expression", "values"),
    [
        (hours * 60 + 9, [1269, 1329]),
        (seats - taken, [-14, 6]),
        (-seats, [-137, -9]),
        (none / none > 0.2, [None, True]),
        (pl.when(none / none > 0.2).then(1).otherwise(0), [0, 1]),
        (seats / none, [None, 2.25]),
        (seats // 0, [None, None]),
        (seats % 0, [None, None]),
        (nan > 1e300, [None, False]),
        (nan != 2.0, [None, False]),
        (pl.max_horizontal(nan, none), [0.0, 4.0]),
        (pl.sum_horizontal(nan, none), [0.0, 6.0]),
        (nan.fill_null(7.0), [7.0, 2.0]),
        (nan.is_nan(), [True, False]),
        (big == 2.0**63 - 1, [True, False]),  # beside a fraction, the nearest double
        (pl.when(big < 10).then(big * big).otherwise(0), [0, 25]),  # a branch that is not taken has no fault
        (hours / 60, [21 / 60, 22 / 60]),  # polars would multiply by the reciprocal
        ((hours + 2) / 60, [23 / 60, 24 / 60]),
    ],
    ids=str,
)
def test_a_value_is_what_the_rule_says(expression: pl.Expr, values: list[Any]) -> None:
    assert made(expression, ONE).to_list() == values


@pytest.mark.parametrize(
    "expression",
    [
        *(big + 1, big * 2, -(-big - 2), big**2, (-big - 1).abs(), (-big - 1) // -1, pl.sum_horizontal(big, hours)),
        *(big.cast(pl.Int32), big.cast(pl.UInt64) + 1, seats.cast(pl.Int8)),
    ],
    ids=str,
)
def test_a_whole_number_that_does_not_fit_is_refused_with_the_feature_and_the_row(expression: pl.Expr) -> None:
    with pytest.raises(
        FeatureError, match=r"Derived\(made=…\): 1 value does not fit .* (big = 9223372036854775807|seats = 137)"
    ):
        made(expression, ONE)


def test_constants_that_do_not_fit_are_refused_too() -> None:
    with pytest.raises(FeatureError, match="2 values do not fit their type; the first is of constants"):
        made(pl.lit(2**62) * 4, ONE)


def test_the_type_of_an_expression_is_the_one_that_it_is_computed_in() -> None:
    columns = dict(ONE.schema)
    assert type_of(hours * 60, columns, "t") == pl.Int64
    assert type_of(hours, columns, "t") == pl.Int8  # a column alone keeps its type
    assert type_of(pl.when(none > 1).then(hours), columns, "t") == pl.Int64
    assert type_of(hours / 2, columns, "t") == pl.Float64
    with pytest.raises(DeclarationError, match="~ of a whole number"):
        type_of(~seats, columns, "t")


def test_an_expression_that_was_stored_before_the_rule_keeps_the_meaning_that_its_model_learnt() -> None:
    before = {"op": "multiply", "inputs": [{"column": "hour"}, {"value": 60}]}
    column = DerivedColumn.of("made", before, dict(ONE.schema), "Derived(made=…)")
    assert derive(ONE, ((column,),))["made"].to_list() == [-20, 40]
    assert stored(hours * 60) == {**before, "rules": 2}


class Readings(dy.Schema):
    id = dy.Int64(primary_key=True)
    at = dy.Datetime(time_zone="UTC")
    known_at = dy.Datetime(time_zone="UTC")
    meter = dy.String()
    clock_hour = dy.Int8()
    clock_minute = dy.Int8()
    seats = dy.UInt8()
    taken = dy.UInt8()
    rate = dy.Float64(nullable=True, allow_nan=True)
    y = dy.Bool()


def readings() -> ModelPipeline:
    table = Table("readings", Files("*.csv"), Readings, event_time="at", known_at="known_at")
    late = pl.col("clock_hour") * 60 + pl.col("clock_minute") > 1260
    return ModelPipeline(
        "meters",
        tables=[table],
        examples=Examples("readings", "id", ["meter", "clock_hour", "seats", "taken", "rate"], label="y", at="at"),
        features=[
            Derived(
                free=pl.col("seats") - pl.col("taken"),
                share=pl.col("taken") / pl.col("seats"),
                high=pl.col("rate") > 0.5,
                weekly=pl.col("at").dt.weekday() * 24 + pl.col("clock_hour"),
            ),
            Window("readings", by="meter", agg=["count"], over=["2d"], where=late, as_="late"),
            Window("readings", by="meter", of="rate", agg=["count", "mean", "n_unique"], over=["2d"], as_="rate"),
            TimeSince("readings", on="meter", where=pl.col("rate") > 0.5, as_="since_high"),
        ],
        trainer=LightGBM(),
    )


def test_conditions_and_aggregates_follow_the_rule_in_batch_online_and_from_a_stored_bundle() -> None:
    clocks = [(21, 9), (20, 59), (23, 59), (1, 0)]
    values = [(137, 151, 0.25), (0, 0, math.nan), (9, 3, 0.75), (200, 100, None)]
    rows = [
        {
            "id": n,
            "meter": "m",
            "clock_hour": clocks[n][0],
            "clock_minute": clocks[n][1],
            "y": True,
            **dict(zip(("seats", "taken", "rate"), values[n], strict=True)),
            **dict.fromkeys(("at", "known_at", "_known_at", "_usable_at"), hour(n)),
            "_file": "f",
            "_row": n,
            "_arrival": hour(-9),
            "_superseded_at": None,
        }
        for n in range(4)
    ]
    loaded = FeatureDefinition.from_json(FeatureDefinition.of(readings()).to_json())
    connection = connect()
    relations = validated(connection, readings(), {"readings": rows})
    examples = pl.DataFrame(
        rows, schema_overrides={name: column.dtype for name, column in Readings.columns().items()}
    ).select(*loaded.row_schema)
    batch = batch_features(connection, loaded, examples.to_dicts(), relations).sort("id")
    online = online_answers(connection, loaded, relations, examples.to_dicts())
    assert batch.select(*loaded.outputs).to_dicts() == online
    assert batch["free"].to_list() == [-14, 0, 6, 100]
    assert batch["share"].to_list() == [151 / 137, None, 3 / 9, 0.5]
    assert batch["high"].to_list() == [False, None, True, None]
    assert batch["weekly"].to_list() == [hour(0).isoweekday() * 24 + clock for clock, _ in clocks]
    assert batch["late_count_2d"].to_list() == [None, 1, 1, 2]
    assert batch["rate_count_2d"].to_list() == [None, 1, 1, 2]
    assert batch["rate_mean_2d"].to_list() == [None, 0.25, 0.25, 0.5]
    assert batch["rate_n_unique_2d"].to_list() == [None, 1, 1, 2]
    assert batch["since_high"].to_list() == [None, None, None, 3600.0]


def test_a_single_row_has_no_faults_but_its_own() -> None:
    largest = 2**63 - 1
    expression = pl.sum_horizontal(pl.lit(largest), -pl.coalesce(pl.col("int8"), pl.lit(-1)))  # a null has no sum
    frame = pl.DataFrame({"int8": [126]}, schema={"int8": pl.Int8()})
    assert made(expression, frame).to_list() == [largest - 126]
    with pytest.raises(FeatureError, match="1 value does not fit its type; the first is of int8 = None"):
        made(expression, frame.clear(1))
