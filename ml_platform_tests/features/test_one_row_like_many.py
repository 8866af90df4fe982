"""A derived feature of one row has the bits it has among many (S13, S15)."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.features.rowwise import DerivedColumn, derive
from ml_platform.spec.expressions import to_portable
from ml_platform_tests.examples import tries

a, b = pl.col("a"), pl.col("b")
EXPRESSIONS = {
    "divide by a literal": a / 60,
    "divide a literal": 60 / a,
    "divide columns": a / b,
    "floor divide": a // 7,
    "modulo": a % 7,
    "sum of a quotient": b + a / 60,
    "power": a**2,
    "root": a.abs().sqrt(),
    "exp": (a / 100).exp(),
    "log": a.abs().log(10),
    "log1p": a.abs().log1p(),
    "sin": a.sin(),
    "cos": a.cos(),
    "round": (a / 3).round(2),
    "clip": a.clip(-5, 5),
    "least": pl.min_horizontal(a, b),
    "sum": pl.sum_horizontal(a, b),
    "between": a.is_between(-1, b),
    "when": pl.when(a > b).then(a / 7).otherwise(b / 7),
    "negate": -a,
}
numbers = st.floats(-1e6, 1e6, allow_nan=False)


@pytest.mark.parametrize("name", EXPRESSIONS)
@settings(max_examples=tries(30), deadline=None)
@given(rows=st.lists(st.tuples(numbers, numbers), min_size=2, max_size=9))
def test_one_row_has_the_bits_it_has_among_many(name: str, rows: list[tuple[float, float]]) -> None:
    frame = pl.DataFrame(rows, schema={"a": pl.Float64, "b": pl.Float64}, orient="row")
    node = to_portable(EXPRESSIONS[name], name)
    steps = ((DerivedColumn.of("made", node, dict(frame.schema), name),),)
    many = derive(frame, steps)["made"]
    for index in range(frame.height):
        one = derive(frame.slice(index, 1), steps)["made"]
        assert one.equals(many.slice(index, 1), null_equal=True) or str(one[0]) == str(many[index]) == "nan"


def test_the_reason_still_holds_that_polars_divides_one_row_otherwise() -> None:
    # When this fails, polars divides alike and `derive` may lose its second row.
    alone, among = (pl.DataFrame({"m": pl.Series([23] * n, dtype=pl.Int8)}).select(pl.col("m") / 60) for n in (1, 2))
    assert alone["m"][0] != among["m"][0]
