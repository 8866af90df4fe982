"""What may reach LightGBM, and what is refused before it ends the process."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_platform.errors import ScoringError
from ml_platform.models.encoding import RowEncoder, encode, guard

_MOMENT = datetime(2013, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "column",
    [
        pl.Series("a", ["x"]),
        pl.Series("a", ["x"], dtype=pl.Categorical),
        pl.Series("a", ["x"], dtype=pl.Enum(["x"])),
        pl.Series("a", [_MOMENT]),
        pl.Series("a", [_MOMENT.date()]),
        pl.Series("a", [None]),
        pl.Series("a", [True]),
        pl.Series("a", [[1.0]]),
        pl.Series("a", [b"x"]),
        pl.Series("a", [Decimal("1.5")]),
    ],
    ids=lambda column: str(column.dtype),
)
def test_the_guard_refuses_what_would_end_the_process(column: pl.Series) -> None:
    with pytest.raises(ScoringError, match=r"at a \("):
        guard(column.to_frame(), ["a"])


def test_the_guard_refuses_another_order_and_other_columns() -> None:
    frame = pl.DataFrame({"a": [1], "b": [2]})
    for columns in (["b", "a"], ["a"], ["a", "b", "c"]):
        with pytest.raises(ScoringError, match="The columns are a, b"):
            guard(frame, columns)


@pytest.mark.parametrize(
    "column",
    [
        pl.Series("a", ["x"]),
        pl.Series("a", ["x"], dtype=pl.Categorical),
        pl.Series("a", [_MOMENT]),
        pl.Series("a", [[1.0]]),
    ],
    ids=lambda column: str(column.dtype),
)
def test_a_number_column_that_holds_anything_else_is_refused_by_name(column: pl.Series) -> None:
    with pytest.raises(ScoringError, match="The column 'a' is"):
        encode(column.to_frame(), ["a"], {})


def test_a_text_column_that_holds_numbers_is_refused_by_name() -> None:
    with pytest.raises(ScoringError, match="'a' is Int64; the model learnt text"):
        encode(pl.DataFrame({"a": [1]}), ["a"], {"a": ["x"]})


def test_missing_columns_and_names_are_refused() -> None:
    with pytest.raises(ScoringError, match="The rows lack b, c"):
        encode(pl.DataFrame({"a": [1]}), ["a", "b", "c"], {})
    with pytest.raises(ScoringError, match="The row lacks b"):
        RowEncoder(["a", "b"], {}).encode({"a": 1})


@pytest.mark.parametrize(
    ("value", "levels"), [("1", {}), (_MOMENT, {}), ([1], {}), (1, {"a": ["1"]}), (True, {"a": ["x"]})]
)
def test_a_row_with_a_value_of_another_type_is_refused_by_name(value: Any, levels: dict[str, list[str]]) -> None:
    with pytest.raises(ScoringError, match="of 'a' does not fit"):
        RowEncoder(["a"], levels).encode({"a": value})


_ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "level": st.none() | st.sampled_from(["", "b", "zz", "never", "emoji 🚕"]),
            "flag": st.none() | st.booleans(),
            "number": st.none() | st.floats(),
            "count": st.none() | st.integers(-(2**63), 2**63 - 1),
        }
    ),
    min_size=1,
    max_size=20,
)


@given(_ROWS)
def test_a_row_and_a_frame_are_encoded_to_the_same_numbers_s13(rows: list[dict[str, Any]]) -> None:
    schema = {"level": pl.String, "flag": pl.Boolean, "number": pl.Float64, "count": pl.Int64}
    levels, columns = {"level": ["", "b", "emoji 🚕", "zz"]}, list(schema)
    batch = encode(pl.DataFrame(rows, schema=schema), columns, levels).cast(pl.Float64).fill_null(float("nan"))
    single = np.concatenate([RowEncoder(columns, levels).encode(row) for row in rows])
    np.testing.assert_array_equal(batch.to_numpy(), single)


def test_decimals_and_an_all_null_column_become_numbers() -> None:
    frame = pl.DataFrame({"a": [Decimal("1.5")], "b": [None], "c": [None]})
    encoded = encode(frame, ["a", "b", "c"], {"c": ["x"]})
    assert encoded.dtypes == [pl.Float64, pl.Float64, pl.Int32]
