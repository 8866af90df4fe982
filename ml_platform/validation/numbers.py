"""Numbers from text, truths and other numbers. A number that another type cannot hold is refused, never rounded.

A text with a decimal point or an exponent counts as a double, because programs write doubles so. A double from 2^53 on
stands for several whole numbers, and a single-precision one from 2^24 on: as an identifier or a whole number it is
refused. As a float, what is not whole becomes the nearest value.
"""

from collections.abc import Callable
from decimal import Decimal, InvalidOperation

import polars as pl

from ml_platform.validation.conversion import Converted, Purpose, blank, by_unique, nothing, stripped

_NUMBER = r"^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$"
_DOUBLE = r"[.eE]"
_WHOLE = r"^[+-]?[0-9]+$"
_LONGEST = 400  # digits of a number that is written out; Float64 ends at 10^308
_WHOLE_BITS: dict[pl.DataType, int] = {pl.Float16(): 11, pl.Float32(): 24, pl.Float64(): 53}
_TRUE, _FALSE = ("true", "t", "yes", "y", "1"), ("false", "f", "no", "n", "0")


def text_to_integer(column: pl.Series, kind: pl.DataType, _: Purpose) -> Converted:
    """Padded, with a plus, with zeros before it, `2.0` and `1e3` are whole numbers."""
    return _to_integer(stripped(column), kind, doubles=True)


def decimal_to_integer(column: pl.Series, kind: pl.DataType, _: Purpose) -> Converted:
    """A decimal without a fraction."""
    return _to_integer(column.cast(pl.String), kind, doubles=False)


def _to_integer(text: pl.Series, kind: pl.DataType, *, doubles: bool) -> Converted:
    given, values = text.is_not_null(), text.cast(kind, strict=False)
    rest = given & values.is_null()
    if not rest.any():
        return Converted(values)
    written = _written_out(blank(text, ~rest))
    whole = written.str.replace(r"^([+-]?[0-9]+)\.0*$", "$1").str.replace(r"^-(0+)$", "$1")
    late = whole.cast(kind, strict=False)
    values = values.zip_with(values.is_not_null(), late)
    double = pl.Series([False]).new_from_index(0, len(text))
    if doubles:
        double = late.is_not_null() & text.str.contains(_DOUBLE) & _beyond(late, 53)
        double = double.fill_null(False)
        values = blank(values, double)
    return Converted(values, {"dtype": given & values.is_null() & ~double, "double": double})


def integer_to_integer(column: pl.Series, kind: pl.DataType, _: Purpose) -> Converted:
    """Within the bounds of the type."""
    values = column.cast(kind, strict=False)
    return Converted(values, {"dtype": column.is_not_null() & values.is_null()})


def float_to_integer(column: pl.Series, kind: pl.DataType, _: Purpose) -> Converted:
    """A double without a fraction, below the bound from which doubles skip whole numbers."""
    values = column.cast(kind, strict=False)
    lost = column.is_not_null() & (values.cast(column.dtype) != column).fill_null(True)
    double = (column.abs() >= 2 ** _bits(column.dtype)).fill_null(False) & ~lost
    return Converted(blank(values, lost | double), {"dtype": lost, "double": double})


def text_to_decimal(column: pl.Series, kind: pl.DataType, _: Purpose) -> Converted:
    """A number with no more digits than the type has."""
    return _to_decimal(stripped(column), kind, bits=53)


def integer_to_decimal(column: pl.Series, kind: pl.DataType, _: Purpose) -> Converted:
    """Within the bounds of the type."""
    return _to_decimal(column.cast(pl.String), kind, bits=None)


def float_to_decimal(column: pl.Series, kind: pl.DataType, _: Purpose) -> Converted:
    """The shortest decimal that is this double, where the type has its digits."""
    return _to_decimal(column.cast(pl.String), kind, bits=_bits(column.dtype))


def _to_decimal(text: pl.Series, kind: pl.DataType, *, bits: int | None) -> Converted:
    """`bits`: beyond that power of two, a number written with a point or exponent is a double; None: never."""
    assert isinstance(kind, pl.Decimal)
    precision, scale = kind.precision or 38, kind.scale
    parts = pl.DataFrame({"t": _written_out(text)}).select(
        pl.col("t").str.contains("^-").alias("minus"),
        pl.col("t").str.extract(r"^[+-]?0*([0-9]*)").alias("whole"),
        pl.col("t").str.extract(r"\.([0-9]*?)0*$").fill_null("").alias("fraction"),
        pl.col("t").is_not_null().alias("number"),
    )
    fits = (pl.col("whole").str.len_bytes() <= precision - scale) & (pl.col("fraction").str.len_bytes() <= scale)
    sign = pl.when("minus").then(pl.lit("-")).otherwise(pl.lit(""))
    zero = pl.when(pl.col("whole") == "").then(pl.lit("0")).otherwise("whole")
    exact = pl.concat_str(sign, zero, pl.lit("."), "fraction")
    chosen = parts.select(pl.when(fits).then(exact).alias("text"), "number")
    values = chosen["text"].cast(kind, strict=False).alias(text.name)
    number, double = chosen["number"], pl.Series([False]).new_from_index(0, len(text))
    if bits is not None:
        large = text.cast(pl.Float64, strict=False).abs() >= 2**bits
        double = (values.is_not_null() & text.str.contains(_DOUBLE) & large).fill_null(False)
        values = blank(values, double)
    given = text.is_not_null()
    lost = values.is_null() & number & ~double
    return Converted(values, {"dtype": given & ~number, "exact": lost, "double": double})


def decimal_to_decimal(column: pl.Series, kind: pl.DataType, _: Purpose) -> Converted:
    """With the digits of the other type; zeros at the end count for nothing."""
    return _to_decimal(column.cast(pl.String), kind, bits=None)


def text_to_float(column: pl.Series, kind: pl.DataType, purpose: Purpose) -> Converted:
    """The nearest value; plain digits are a whole number, which is kept exactly."""
    text = stripped(column)
    values = text.cast(pl.Float64, strict=False)
    wrong = column.is_not_null() & values.is_null()
    infinite = values.is_infinite() & text.str.contains("[0-9]")
    vanished = (values == 0) & text.str.contains(r"^[^eE]*[1-9]")
    rounded = (values.abs() >= 2**53) & values.is_finite() & text.str.contains(_WHOLE)
    if rounded.any():
        mapped = {t: t for t in text.filter(rounded.fill_null(False)).unique() if int(t) != int(float(t))}
        rounded &= text.is_in(list(mapped))
    lost = (infinite | vanished | rounded).fill_null(False)
    return _narrowed(Converted(blank(values, lost).alias(column.name), {"dtype": wrong, "exact": lost}), kind)


def decimal_to_float(column: pl.Series, kind: pl.DataType, purpose: Purpose) -> Converted:
    """The nearest value; a whole number is kept exactly."""
    text = column.cast(pl.String).str.replace(r"\.0*$", "")  # a whole number shall stay the same
    return text_to_float(text, kind, purpose)


def integer_to_float(column: pl.Series, kind: pl.DataType, _: Purpose) -> Converted:
    """A whole number that the type holds exactly."""
    values = column.cast(kind, strict=False)
    lost = column.is_not_null() & (values.cast(column.dtype, strict=False) != column).fill_null(True)
    return Converted(blank(values, lost), {"exact": lost})


def float_to_float(column: pl.Series, kind: pl.DataType, _: Purpose) -> Converted:
    """The same value in a wider type; see `_narrowed` for the others."""
    return _narrowed(Converted(column), kind)


def _narrowed(wide: Converted, kind: pl.DataType) -> Converted:
    """In a float type of fewer bits: the nearest value, but whole numbers stay exact and none ends at 0 or infinity."""
    column, bits = wide.values, _bits(kind)
    values = column.cast(kind)
    if bits >= _bits(column.dtype):
        return Converted(values, wide.failed)
    other = values.cast(column.dtype) != column
    whole = (column.abs() >= 2**bits) | (column == column.round(0))
    ends = values.is_infinite() | ((values == 0) & (column != 0))
    lost = (column.is_finite() & other & (whole | ends)).fill_null(False)
    exact = lost | wide.failed["exact"] if "exact" in wide.failed else lost
    return Converted(blank(values, lost), {**wide.failed, "exact": exact})


def text_to_boolean(column: pl.Series, kind: pl.DataType, _: Purpose) -> Converted:
    """true, t, yes, y, 1 and their opposites, in any case, and the numbers 1 and 0."""
    low = stripped(column).str.to_lowercase()
    options = {**dict.fromkeys(_TRUE, True), **dict.fromkeys(_FALSE, False)}
    values = low.replace_strict(options, default=None, return_dtype=pl.Boolean)
    rest = low.is_not_null() & values.is_null()
    if not rest.any():
        return Converted(values)
    numbers = _to_integer(blank(low, ~rest), pl.Int64(), doubles=True).values  # 1.0 is 1
    values = values.zip_with(~rest, number_to_boolean(numbers, kind, _).values)
    return Converted(values, {"dtype": rest & values.is_null()})


def number_to_boolean(column: pl.Series, kind: pl.DataType, _: Purpose) -> Converted:
    """1 and 0."""
    lost = column.is_not_null() & ~column.is_in(pl.Series([0, 1]).cast(column.dtype).implode()).fill_null(False)
    return Converted(blank(column, lost).cast(pl.Boolean), {"dtype": lost})


def boolean_to_number(column: pl.Series, kind: pl.DataType, _: Purpose) -> Converted:
    """1 and 0."""
    return Converted(column.cast(pl.UInt8).cast(kind))


def integer_to_text(column: pl.Series, kind: pl.DataType, _: Purpose) -> Converted:
    """Digits; of a truth, true or false."""
    return Converted(column.cast(pl.String))


def float_to_text(column: pl.Series, kind: pl.DataType, purpose: Purpose) -> Converted:
    """A whole double is written without a point. As an identifier only that; elsewhere a fraction in its short form."""
    given = column.is_not_null()
    fine = column.is_finite().fill_null(False)
    double = fine & (column.abs() >= 2 ** _bits(column.dtype)).fill_null(False)
    whole = fine & ~double & (column == column.round(0)).fill_null(False)
    digits = column.zip_with(whole, nothing(column, column.dtype)).cast(pl.Int64).cast(pl.String)
    values = digits.zip_with(whole, column.cast(pl.String))
    fraction = fine & ~double & ~whole if purpose.identifier else ~given & given
    failed = {"dtype": given & ~fine, "double": double, "fraction": fraction}
    return Converted(blank(values, failed["dtype"] | double | fraction), failed)


def decimal_to_text(column: pl.Series, kind: pl.DataType, _: Purpose) -> Converted:
    """Digits without zeros at the end: a whole number has no point."""
    text = column.cast(pl.String)
    return Converted(text.str.replace(r"(\.[0-9]*?)0+$", "$1").str.replace(r"\.$", ""))


def _bits(kind: pl.DataType) -> int:
    """How many bits a float has for whole numbers: it tells them apart below two to that power."""
    return _WHOLE_BITS[kind]


def _beyond(values: pl.Series, bits: int) -> pl.Series:
    beyond: pl.Series = values.cast(pl.Float64).abs() >= 2**bits
    return beyond


def _written_out(text: pl.Series) -> pl.Series:
    """Numbers without an exponent and with digits before the point; null for what is no number."""
    text = blank(text, ~text.str.contains(_NUMBER).fill_null(False))
    odd = text.str.contains(r"[eE]|^[+-]?\.").fill_null(False)
    if not odd.any():
        return text
    mapped = {t: _plain(t) for t in text.filter(odd).unique()}
    return by_unique(blank(text, ~odd), mapped).zip_with(odd, text).alias(text.name)


def _plain(text: str) -> str | None:
    try:
        number = Decimal(text)
    except InvalidOperation:  # an exponent beyond all bounds
        return None
    if number and abs(number.adjusted()) > _LONGEST:
        return None
    return f"{number:f}"


Conversion = Callable[[pl.Series, pl.DataType, Purpose], Converted]
