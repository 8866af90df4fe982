"""The table of conversions, against what each value means: over all pairs of types, and over arbitrary numbers."""

import math
import struct
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_platform.validation.conversion import Purpose
from ml_platform.validation.conversions import convert

INTEGERS = [pl.Int8(), pl.Int16(), pl.Int32(), pl.Int64(), pl.Int128()]
INTEGERS += [pl.UInt8(), pl.UInt16(), pl.UInt32(), pl.UInt64(), pl.UInt128()]
FLOATS = [pl.Float16(), pl.Float32(), pl.Float64()]
DECIMALS = [pl.Decimal(10, 2), pl.Decimal(38, 0), pl.Decimal(20, 15)]
NUMBERS: list[pl.DataType] = [*INTEGERS, *FLOATS, *DECIMALS, pl.Boolean(), pl.String()]
BITS = {pl.Float16(): 11, pl.Float32(): 24, pl.Float64(): 53}
TEXTS = [
    "1",
    "0",
    "-1",
    "2.0",
    " 3 ",
    "\u00a07\u00a0",
    "+3",
    "1e3",
    "007",
    "-0",
    ".5",
    "1.5",
    "1e-7",
    "127",
    "128",
    "300",
]
TEXTS += ["16777217", "2049", "9007199254740993", "9007199254740993.0", "1e16", "18446744073709551615", "1.005", "0.1"]
MOMENT = datetime(2024, 3, 1, 12, 30, 15, 250_000)
OTHERS: dict[pl.DataType, Any] = {
    pl.Date(): date(2024, 3, 1),
    pl.Datetime("ms"): MOMENT,
    pl.Datetime("us"): MOMENT,
    pl.Datetime("ns"): MOMENT,
    pl.Datetime("us", "UTC"): MOMENT.replace(tzinfo=UTC),
    pl.Datetime("ms", "Europe/Berlin"): MOMENT.replace(tzinfo=UTC),
    pl.Time(): time(12, 30, 15, 250_000),
    pl.Duration("ms"): timedelta(hours=2, milliseconds=5),
    pl.Duration("us"): timedelta(days=2, hours=30),
    pl.Duration("ns"): timedelta(seconds=-3),
    pl.Binary(): b"\x00\xff",
    pl.Enum(["red", "green"]): "red",
    pl.Categorical(): "red",
    pl.List(pl.Int64()): [1, 2],
    pl.List(pl.String()): ["a"],
    pl.Array(pl.Float64(), 2): [1.0, 2.0],
    pl.Struct({"a": pl.Int64()}): {"a": 1},
}
SAMPLES: dict[pl.DataType, Any] = {
    **dict.fromkeys(INTEGERS, 100),
    **dict.fromkeys(FLOATS, 1.5),
    **dict.fromkeys(DECIMALS, Decimal("1.5")),
    pl.Decimal(38, 0): Decimal(7),
    pl.Boolean(): True,
    pl.String(): "some text",
    **OTHERS,
}


def converted(
    values: list[Any], source: pl.DataType, target: pl.DataType, **purpose: Any
) -> tuple[list[Any], list[str]]:
    """The values, and for each the rule under which it failed ("" where it did not)."""
    result = convert(pl.Series("x", values, dtype=source), target, Purpose(**purpose))
    assert result.values.dtype == target and result.values.name == "x"
    rules = [next((rule for rule, where in result.failed.items() if where[i]), "") for i in range(len(values))]
    for value, got, rule in zip(values, result.values, rules, strict=True):
        assert (got is None) == (value is None or rule != "")
    return result.values.to_list(), rules


def single(value: float) -> float:
    try:
        return float(struct.unpack("f", struct.pack("f", value))[0])
    except OverflowError:
        return math.inf


def half(value: float) -> float:
    try:
        return float(struct.unpack("e", struct.pack("e", value))[0])
    except OverflowError:
        return math.inf


NEAREST = {pl.Float16(): half, pl.Float32(): single, pl.Float64(): float}


def meaning(value: Any, source: pl.DataType) -> tuple[Fraction | None, int | None]:
    """The number that a value is, and the bits of the double that it was written as; None for none."""
    if isinstance(value, str):
        try:
            number = Fraction(value.strip().removeprefix("+"))
        except ValueError:
            return None, None
        return number, 53 if any(sign in value for sign in ".eE") else None
    if isinstance(value, float):
        return (Fraction(value), BITS[source]) if math.isfinite(value) else (None, None)
    return Fraction(value), None


def expected(value: Any, source: pl.DataType, target: pl.DataType) -> Any:
    """What a number is in another type, by exact arithmetic; None where it cannot be kept."""
    number, bits = meaning(value, source)
    if number is None:
        return None
    whole, double = number.denominator == 1, bits is not None and abs(number) >= 2**bits
    if target.is_integer():
        low = 0 if str(target).startswith("U") else -(2 ** (int(str(target)[3:]) - 1))
        high = 2 ** int(str(target)[4:]) if low == 0 else -low
        return int(number) if whole and not double and low <= number < high else None
    if target.is_float() and isinstance(value, str) and (bits is not None or not whole):
        return expected(float(number), pl.Float64(), target)  # written as a double, which is then made narrower
    if target.is_float():
        nearest = NEAREST[target](float(number))
        if not math.isfinite(nearest) or (number and not nearest):
            return None
        fine = not whole and abs(number) < 2 ** BITS[target]
        return nearest if Fraction(nearest) == number or fine else None
    if isinstance(target, pl.Decimal):
        scaled = number * 10**target.scale
        if source.is_float():
            scaled = Fraction(Decimal(shortest(value, source))) * 10**target.scale
        fits = scaled.denominator == 1 and abs(scaled) < 10**target.precision and not double
        return Decimal(int(scaled)).scaleb(-target.scale) if fits else None
    return {0: False, 1: True}.get(number)  # type: ignore[call-overload]  # a Fraction equals its int


def shortest(value: float, source: pl.DataType) -> str:
    return str(pl.Series([value], dtype=source).cast(pl.String)[0])


@pytest.mark.parametrize("source", NUMBERS, ids=str)
def test_a_number_is_kept_exactly_or_refused_between_any_two_types(source: pl.DataType) -> None:
    texts = pl.Series(TEXTS)
    values = TEXTS if source == pl.String() else convert(texts, source).values.drop_nulls().to_list()
    assert values
    for target in NUMBERS:
        if target not in (source, pl.String()):
            got, _ = converted([*values, None], source, target)
            assert got == [*(expected(value, source, target) for value in values), None], target


@pytest.mark.parametrize("target", [t for t in NUMBERS if t not in (pl.String(), pl.Boolean())], ids=str)
@given(st.lists(st.one_of(st.floats(), st.floats(-300, 300), st.integers(-(2**60), 2**60).map(float))))
def test_any_double_is_kept_exactly_or_refused(target: pl.DataType, values: list[float]) -> None:
    if target == pl.Float64():
        return
    finite = [v for v in values if math.isfinite(v)]
    got, _ = converted(finite, pl.Float64(), target)
    assert got == [expected(v, pl.Float64(), target) for v in finite]


@given(st.lists(st.from_regex(r"[+-]?[0-9]{0,19}(\.[0-9]{0,5})?([eE][+-]?[0-9]{1,2})?", fullmatch=True)))
def test_any_written_number_is_the_same_whole_number_or_refused(texts: list[str]) -> None:
    got, _ = converted(texts, pl.String(), pl.Int64())
    assert got == [expected(text, pl.String(), pl.Int64()) for text in texts]


@given(st.lists(st.decimals(allow_nan=False, allow_infinity=False, places=3, min_value=-(10**9), max_value=10**9)))
def test_any_written_number_is_the_same_decimal_or_refused(numbers: list[Decimal]) -> None:
    texts = [f"{number:f}" for number in numbers]
    got, _ = converted(texts, pl.String(), pl.Decimal(10, 2))
    assert got == [expected(text, pl.String(), pl.Decimal(10, 2)) for text in texts]


KEPT = {
    ("Date", "Datetime"),
    ("Date", "String"),
    ("Datetime", "Datetime"),
    ("Datetime", "String"),
    ("Time", "String"),
    ("Duration", "Duration"),
    ("Duration", "String"),
    ("String", "Binary"),
    ("Enum", "String"),
    ("Enum", "Categorical"),
    ("Enum", "Binary"),
    ("Categorical", "String"),
    ("Categorical", "Enum"),
    ("Categorical", "Binary"),
    ("String", "Categorical"),
    ("List", "Array"),
    ("Array", "List"),
}


def _name(kind: pl.DataType) -> str:
    return str(kind.base_type())


@pytest.mark.parametrize("source", SAMPLES, ids=str)
def test_between_any_two_types_a_value_comes_back_the_same_or_is_refused(source: pl.DataType) -> None:
    value = SAMPLES[source]
    for target in SAMPLES:
        there = convert(pl.Series("x", [value, None], dtype=source), target, Purpose("UTC"))
        assert there.values.dtype == target and there.values[1] is None
        refused = any(where[0] for where in there.failed.values())
        assert (there.values[0] is None) == refused
        between_numbers = source in NUMBERS and target in NUMBERS
        as_text = pl.String() if target == pl.Categorical() else target
        if source != target and not between_numbers and (_name(source), _name(as_text)) not in KEPT:
            to_text = source in NUMBERS and as_text == pl.String()
            assert refused or to_text or (source.is_nested() and target.is_nested()), target
        if not refused:
            back = convert(there.values, source, Purpose("UTC")).values
            assert back.to_list() == pl.Series([value, None], dtype=source).to_list(), target


def test_a_column_of_nulls_is_null_in_every_type() -> None:
    for target in SAMPLES:
        result = convert(pl.Series([None, None]), target)
        assert result.values.dtype == target and result.values.null_count() == 2 and result.failed == {}


def test_a_float_of_fewer_bits_takes_the_nearest_fraction_and_only_exact_whole_numbers() -> None:
    got, rules = converted([0.1, 16_777_216.0, 16_777_217.0, 1.7e9 + 0.5, 1e300, 1e-300], pl.Float64(), pl.Float32())
    assert got == [single(0.1), 16_777_216.0, None, None, None, None]
    assert rules == ["", "", "exact", "exact", "exact", "exact"]
    assert converted(["0.1"], pl.String(), pl.Float32())[0] == [single(0.1)]
    both = [math.nan, math.inf]
    assert str(converted(both, pl.Float64(), pl.Float32())[0]) == str(both)


def test_a_text_beyond_the_doubles_is_no_infinity_and_no_zero() -> None:
    got, rules = converted(["1e400", "1e-400", "inf", "0e5"], pl.String(), pl.Float64())
    assert got == [None, None, math.inf, 0.0] and rules == ["exact", "exact", "", ""]


def test_a_whole_double_is_an_identifier_without_a_point_and_a_fraction_is_none() -> None:
    values = [1.0, -0.0, 1.5, 2.0**53, math.nan]
    got, rules = converted(values, pl.Float64(), pl.String(), identifier=True)
    assert got == ["1", "0", None, None, None] and rules == ["", "", "fraction", "double", "dtype"]
    assert converted(values, pl.Float64(), pl.String())[0][:3] == ["1", "0", "1.5"]
    assert converted(["1.0", "001"], pl.String(), pl.String(), identifier=True)[0] == ["1.0", "001"]
    decimals = [Decimal("1.00"), Decimal("1.50"), Decimal("100.00")]
    assert converted(decimals, pl.Decimal(10, 2), pl.String())[0] == ["1", "1.5", "100"]


@pytest.mark.parametrize(
    ("text", "target", "value"),
    [
        ("1.0", pl.Boolean(), True),
        (" False ", pl.Boolean(), False),
        ("1.5", pl.Boolean(), None),
        (" 2013-01-31 ", pl.Date(), date(2013, 1, 31)),
        ("2013-01-31 00:00:00", pl.Date(), date(2013, 1, 31)),
        ("2013-01-31T00:00:00+02:00", pl.Date(), date(2013, 1, 31)),
        ("2013-01-31 00:01", pl.Date(), None),
        (" 09:30 ", pl.Time(), time(9, 30)),
        ("P1DT2H0.5S", pl.Duration("us"), timedelta(days=1, hours=2, seconds=0.5)),
        ("-PT3M", pl.Duration("us"), timedelta(minutes=-3)),
        ("1 days 02:00:00.25", pl.Duration("us"), timedelta(days=1, hours=2, seconds=0.25)),
        ("PT0.0005S", pl.Duration("ms"), None),
        ("PT", pl.Duration("us"), None),
        ("1 000", pl.Int64(), None),
        ("1_000", pl.Int64(), None),
        ("0x10", pl.Int64(), None),
        ("\u0663", pl.Int64(), None),
    ],
)
def test_a_text_is_what_it_says(text: str, target: pl.DataType, value: Any) -> None:
    assert converted([text], pl.String(), target)[0] == [value]


def test_a_moment_is_a_date_at_midnight_only() -> None:
    noon, midnight = datetime(2024, 3, 1, 12), datetime(2024, 3, 1)
    assert converted([noon, midnight], pl.Datetime("us"), pl.Date()) == ([None, date(2024, 3, 1)], ["exact", ""])
    berlin = [datetime(2024, 2, 29, 23, tzinfo=UTC)]
    assert converted(berlin, pl.Datetime("us", "UTC"), pl.Date(), zone="Europe/Berlin")[0] == [date(2024, 3, 1)]


def test_lists_are_converted_item_by_item() -> None:
    lists = [[1.0, 2.0], [1.5], [], None, [None]]
    assert converted(lists, pl.List(pl.Float64()), pl.List(pl.Int64())) == (
        [[1, 2], None, [], None, [None]],
        ["", "dtype", "", "", ""],
    )
    assert converted(lists, pl.List(pl.Float64()), pl.Array(pl.Float64(), 2))[0] == [[1.0, 2.0], None, None, None, None]
    nested = converted([[["1"], []], [["x"]]], pl.List(pl.List(pl.String())), pl.List(pl.List(pl.Int64())))
    assert nested[0] == [[[1], []], None]


def test_structs_are_converted_field_by_field_and_lose_none() -> None:
    source, target = pl.Struct({"a": pl.Float64(), "b": pl.String()}), pl.Struct({"a": pl.Int64(), "c": pl.String()})
    rows = [{"a": 1.0, "b": None}, {"a": 1.0, "b": "x"}, {"a": 1.5, "b": None}, None]
    got, rules = converted(rows, source, target)
    assert got == [{"a": 1, "c": None}, None, None, None] and rules == ["", "exact", "dtype", ""]


def test_bytes_that_are_no_text_are_refused_one_by_one() -> None:
    assert converted([b"ab", b"\xff", None], pl.Binary(), pl.String())[0] == ["ab", None, None]
