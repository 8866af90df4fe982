"""A value of a request is what the batch reads from the lake, for every type of a contract; or it is refused."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ConfigDict, TypeAdapter, ValidationError, create_model

from ml_platform.serving.rest.field_types import field_type
from ml_platform.spec import column_types

INTEGERS = [pl.Int8(), pl.Int16(), pl.Int32(), pl.Int64(), pl.UInt8(), pl.UInt16(), pl.UInt32(), pl.UInt64()]
_CHARACTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
MONEY = pl.Decimal(10, 2)
NAIVE, MOMENT, BERLIN = pl.Datetime("us"), pl.Datetime("us", "UTC"), pl.Datetime("ms", "Europe/Berlin")
TYPES: list[pl.DataType] = [
    *(pl.Boolean(), pl.String(), pl.Enum(["a", "b"]), pl.Categorical(), pl.Date(), pl.Float32(), pl.Float64()),
    *(*INTEGERS, MONEY, pl.Decimal(38, 10), pl.Decimal(5, 5), pl.Decimal(4, 0), NAIVE, MOMENT, BERLIN),
]
YEARS = {"min_value": datetime(1950, 1, 1), "max_value": datetime(9000, 1, 1)}  # before, zones had odd seconds


def validated(dtype: pl.DataType, value: str) -> Any:
    """What a request with this JSON text as the value of a column gives."""
    config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
    model: Any = create_model("Row", __config__=config, column=(field_type(column_types.stored(dtype)), ...))
    return TypeAdapter(model).validate_json(f'{{"column": {value}}}').column


def values(dtype: pl.DataType) -> st.SearchStrategy[Any]:
    """Values that somebody may send for a column of that type."""
    if isinstance(dtype, pl.Datetime):
        if not dtype.time_zone:
            return st.datetimes(**YEARS)
        moments = st.datetimes(**YEARS, timezones=st.just(UTC))  # instants, which every zone has
        zones = st.sampled_from([UTC, ZoneInfo("America/New_York"), ZoneInfo("Asia/Kathmandu")])
        return st.builds(datetime.astimezone, moments, zones)
    if isinstance(dtype, pl.Decimal):
        places, limit = dtype.scale, 10 ** (dtype.precision or 38) - 1
        return st.integers(-limit, limit).map(lambda digits: Decimal(f"{digits}E-{places}"))
    if dtype.is_integer():
        bounds = np.iinfo(str(dtype).lower())
        return st.integers(int(bounds.min), int(bounds.max))
    if dtype.is_numeric():
        return st.floats(allow_nan=False, allow_infinity=False, width=32 if dtype == pl.Float32 else 64)
    if dtype == pl.Date:
        return st.dates(date(1000, 1, 1))
    if isinstance(dtype, pl.Enum | pl.Categorical):
        return st.sampled_from(["a", "b"])
    return st.booleans() if dtype == pl.Boolean else st.text(_CHARACTERS)


def as_json(value: Any) -> str:
    if isinstance(value, date):
        return json.dumps(value.isoformat())
    return json.dumps(str(value) if isinstance(value, Decimal) else value)


def test_the_types_of_these_tests_are_those_of_contracts() -> None:
    assert {type(dtype) for dtype in TYPES} == column_types._CARRIED


@pytest.mark.parametrize("dtype", TYPES, ids=str)
@given(data=st.data())
def test_a_sent_value_is_the_value_of_the_batch(dtype: pl.DataType, data: st.DataObject) -> None:
    value = data.draw(values(dtype))
    (expected,) = pl.Series([value], dtype=column_types.stored(dtype)).to_list()
    answer = validated(dtype, as_json(value))
    assert (type(answer), answer) == (type(expected), expected)
    assert str(answer) == str(expected)  # the scale of a decimal, the zone of a time


@pytest.mark.parametrize(
    ("dtype", "text", "value"),
    [
        (pl.Float32(), "0.1", 0.10000000149011612),
        (pl.Float64(), "1", 1.0),
        (pl.Int64(), "7.0", 7),
        (pl.Int64(), "9007199254740993", 9007199254740993),
        (MONEY, "1.0", Decimal("1.00")),
        (MONEY, "1", Decimal("1.00")),
        (MONEY, '"1.500"', Decimal("1.50")),
        (MONEY, "-0.0", Decimal("0.00")),
        (MOMENT, '"2024-07-01T09:15:00+02:00"', datetime(2024, 7, 1, 7, 15, tzinfo=UTC)),
        (NAIVE, '"2024-07-01 09:15"', datetime(2024, 7, 1, 9, 15)),
    ],
)
def test_values_are_brought_to_the_type_of_the_column(dtype: pl.DataType, text: str, value: Any) -> None:
    assert str(validated(dtype, text)) == str(value)


@pytest.mark.parametrize(
    ("dtype", "text"),
    [
        *((pl.Boolean(), text) for text in ("1", '"true"', "null")),
        *((pl.String(), text) for text in ("1", "true", '"\\ud800"', '"a\\u0000"', "null")),
        *((pl.Int8(), text) for text in ("128", "1.5", '"1"', "true", "NaN")),
        *((pl.Int64(), text) for text in ("9007199254740992.0", "1e300", str(2**63))),
        *((pl.UInt64(), text) for text in ("-1", str(2**64))),
        *((pl.Float32(), text) for text in ("1e39", "NaN", "1e999", '"1"')),
        *((pl.Float64(), text) for text in ("NaN", "Infinity", "1e999", "true")),
        *((MONEY, text) for text in ("1.005", "123456789", '"1.001"', "NaN", '"NaN"', '"Infinity"', '"one"', "true")),
        *((MONEY, text) for text in ("1e999", '"1e999"', "[1]", "null")),
        *((pl.Decimal(38, 2), text) for text in ("12345678901234567.89", "100000000000000000.01")),
        *((pl.Date(), text) for text in ('"2024-01-01T10:00:00"', "1700000000", '"1699920000"', '"2024-02-30"')),
        *((NAIVE, text) for text in ('"2024-01-01T00:00:00Z"', "1700000000", '"1700000000"')),
        *((MOMENT, text) for text in ('"2024-01-01T00:00:00"', '"2024-01-01T00:00:00.1234567Z"', '"1700000000"')),
        (MOMENT, '"0001-01-01T00:00:00+14:00"'),
    ],
)
def test_what_a_column_cannot_hold_unchanged_is_refused(dtype: pl.DataType, text: str) -> None:
    with pytest.raises(ValidationError):
        validated(dtype, text)
