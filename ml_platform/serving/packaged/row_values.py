"""Python values become exactly the values that the batch reads from the lake (S13), or are refused by name."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
from polars.exceptions import PolarsError

from ml_platform.errors import FeatureError

Row = Mapping[str, Any]


def example_rows(
    rows: Sequence[Row] | pl.DataFrame, schema: Mapping[str, pl.DataType], required: Sequence[str]
) -> list[dict[str, Any]]:
    """Rows with every column of `schema` and no other, as values of its types.

    rows:     mappings of Python values, or a frame. A value that is unknown is None; a column is never left out, since
              a name that is spelt wrongly would be the same.
    required: columns that may not be None.

    Raises FeatureError, with row and column, for a missing or unknown column and for a value that its type cannot hold
    unchanged. Numbers of 32 bits are rounded to 32 bits, and times get the zone of the column.
    """
    given = rows.to_dicts() if isinstance(rows, pl.DataFrame) else _listed(rows, "rows")
    for index, row in enumerate(given):
        _check_names(row, schema, f"rows.{index}")
    columns = {
        name: column_values([row[name] for row in given], dtype, partial(_place, "rows", range(len(given)), name))
        for name, dtype in schema.items()
    }
    for name in required:
        if None in columns[name]:
            where = f"rows.{columns[name].index(None)}.{name}"
            raise FeatureError(f"{where} is None.", remedy="Keys and the prediction time must be known.")
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def state_rows(
    state: Sequence[Row | None] | None, count: int, schema: Mapping[str, pl.DataType]
) -> list[dict[str, Any]]:
    """Values of looked-up features for each of `count` rows, as values of the types in `schema`.

    state: for each row a mapping with some of the features, or None for none of them; None: for no row any.

    Raises FeatureError for another number of entries, for a name that is no looked-up feature, and as `example_rows`.
    """
    entries = [{} if one is None else one for one in _listed(state, "state")] if state is not None else [{}] * count
    if len(entries) != count:
        raise FeatureError(
            f"state: there are {len(entries)} entries for {count} rows.", remedy="Give one for each row, or None."
        )
    rows: list[dict[str, Any]] = [{} for _ in entries]
    for index, entry in enumerate(entries):
        _check_mapping(entry, f"state.{index}")
        if unknown := _sorted_names(set(entry) - set(schema)):
            raise FeatureError(
                f"state.{index}: {', '.join(unknown)} is no looked-up feature.",
                remedy=f"Those of this model: {', '.join(schema) or 'none'}.",
            )
    for name, dtype in schema.items():
        given = [index for index, entry in enumerate(entries) if name in entry]
        values = column_values([entries[index][name] for index in given], dtype, partial(_place, "state", given, name))
        for index, value in zip(given, values, strict=True):
            rows[index][name] = value
    return rows


def column_values(values: Sequence[Any], dtype: pl.DataType, where: Callable[[int], str]) -> list[Any]:
    """Values of one column as polars gives them back. `where` names a value by its place, for errors."""
    fitting = [_fitting(value, dtype, where, place) for place, value in enumerate(values)]
    try:
        held = pl.Series(fitting, dtype=dtype, strict=True).to_list()
    except _UNFIT:
        for place, value in enumerate(fitting):
            if not _holds(value, dtype):
                raise _refused(where(place), values[place], dtype) from None
        raise
    for place, (value, kept) in enumerate(zip(fitting, held, strict=True)):
        rounded = dtype == pl.Float32 and value is not None and math.isfinite(kept)
        if value != kept and not rounded:
            raise _refused(where(place), values[place], dtype)
    return held


def _fitting(value: Any, dtype: pl.DataType, where: Callable[[int], str], place: int) -> Any:
    """A value of the Python type that the column takes. Raises FeatureError for others."""
    try:
        fits, fitting = _converted(value, dtype)
    except _UNFIT:  # a value's own conversion, or a number beyond those of the type
        fits, fitting = False, None
    if not fits:
        raise _refused(where(place), value, dtype)
    return fitting


def _converted(value: Any, dtype: pl.DataType) -> tuple[bool, Any]:
    """Whether the column takes a value, and as what. Polars would take more, such as a time without zone as UTC."""
    if value is None:
        return True, None
    if dtype.is_integer() and not isinstance(value, bool) and hasattr(value, "__index__"):
        return True, int(value)
    if dtype.is_float() and _is_number(value) and math.isfinite(value):
        return True, float(value) if not isinstance(value, int) else value
    if isinstance(dtype, pl.Decimal) and type(value) in (int, Decimal) and Decimal(value).is_finite():
        return True, Decimal(value) or Decimal(0)  # the lake knows no negative zero
    if isinstance(dtype, pl.Datetime) and isinstance(value, datetime):
        zone = dtype.time_zone
        if zone is None and value.tzinfo is None:
            return True, value
        if zone is not None and value.tzinfo is not None:
            return True, value.astimezone(ZoneInfo(zone))
    if type(value) is str and "\0" in value:  # the lake holds no such text
        return False, None
    return type(value) is _PLAIN.get(dtype.base_type()), value


def _is_number(value: Any) -> bool:
    return not isinstance(value, bool | str | bytes) and (hasattr(value, "__float__"))


def _holds(value: Any, dtype: pl.DataType) -> bool:
    try:
        pl.Series([value], dtype=dtype, strict=True)
    except _UNFIT:
        return False
    return True


def _refused(where: str, value: Any, dtype: pl.DataType) -> FeatureError:
    try:
        shown = f"{value!r:.100}"
    except _UNFIT:  # Python writes no number of more than some thousand digits
        shown = f"that {type(value).__name__}"
    return FeatureError(f"{where}: {shown} is no {dtype}.", remedy=_REMEDIES.get(dtype.base_type(), _OTHERWISE))


_PLAIN: dict[Any, type] = {pl.Boolean: bool, pl.String: str, pl.Date: date}
_UNFIT = (PolarsError, TypeError, ValueError, ArithmeticError)
_OTHERWISE = "Give a value that the column can hold unchanged, or None for an unknown one."
_REMEDIES = {
    pl.Datetime: "Give a datetime, with a time zone where the column has one and without where it has none.",
    pl.String: "Give a text without U+0000 and without halves of characters, or None for an unknown one.",
    pl.Float32: "Give a finite number, or None for an unknown one.",
    pl.Float64: "Give a finite number, or None for an unknown one.",
}


def _place(part: str, indices: Sequence[int], name: str, place: int) -> str:
    return f"{part}.{indices[place]}.{name}"


def _listed(given: Any, part: str) -> list[Any]:
    if isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
        raise FeatureError(f"{part} is {type(given).__name__}.", remedy="Give a list with one entry for each row.")
    return list(given)


def _check_mapping(entry: Any, where: str) -> None:
    if not isinstance(entry, Mapping):
        raise FeatureError(f"{where} is {type(entry).__name__}.", remedy="Give a mapping from column to value.")


def _sorted_names(names: Iterable[Any]) -> list[str]:
    """Names as an error may print them: what is no text, or cannot be encoded, is escaped."""
    return sorted(name if isinstance(name, str) and name.isprintable() else ascii(name).strip("'") for name in names)


def _check_names(row: Row, schema: Mapping[str, pl.DataType], where: str) -> None:
    _check_mapping(row, where)
    if missing := [name for name in schema if name not in row]:
        raise FeatureError(
            f"{where} lacks {', '.join(missing)}.", remedy="Give every column; None is an unknown value."
        )
    if unknown := _sorted_names(set(row) - set(schema)):
        raise FeatureError(f"{where} has {', '.join(unknown)}, which the model does not read.", remedy="Leave it out.")
