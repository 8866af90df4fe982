"""Which types a column may have: in a contract, in the lake behind it, and in front of a model (S7)."""

from collections.abc import Iterable, Mapping

import polars as pl

from ml_platform.errors import DeclarationError

_CARRIED = frozenset(
    {
        *(pl.Boolean, pl.String, pl.Enum, pl.Categorical, pl.Decimal, pl.Date, pl.Datetime, pl.Float32, pl.Float64),
        *(pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64),
    }
)
_NESTED = "Make plain columns of it in clean, such as its length, its first element or one of its fields."
_REMEDIES = {  # by the name of the type, for older versions of polars lack some
    "Duration": "Declare a number and make it in clean, such as .dt.total_seconds().",
    "Time": "Declare text, or the seconds since midnight as a number that clean makes.",
    "List": _NESTED,
    "Array": _NESTED,
    "Struct": _NESTED,
    "Int128": "Declare Int64, or text for an identifier.",
    "UInt128": "Declare UInt64, or text for an identifier.",
    "Binary": "Declare text, such as the bytes in hex, and make it in clean.",
}
_PLAIN = "Declare text, a number, a truth value, a date or a time."


def check_contract(columns: Mapping[str, pl.DataType], where: str) -> None:
    """Raise DeclarationError, naming `where`, for the first column whose type the lake cannot hold unchanged."""
    for name, dtype in columns.items():
        if isinstance(dtype, pl.Datetime) and dtype.time_unit == "ns":
            raise DeclarationError(
                where,
                f"the column {name!r} is {dtype}, and times are stored in microseconds",
                remedy='Declare it with time_unit="us".',
            )
        if type(dtype) not in _CARRIED:
            remedy = _REMEDIES.get(type(dtype).__name__, _PLAIN)
            raise DeclarationError(
                where, f"the column {name!r} is {dtype}, which the lake does not hold", remedy=remedy
            )


def stored(dtype: pl.DataType) -> pl.DataType:
    """The type of a contract's column behind validation: the lake has text for levels, and microseconds."""
    if isinstance(dtype, pl.Enum | pl.Categorical):
        return pl.String()
    return pl.Datetime("us", dtype.time_zone) if isinstance(dtype, pl.Datetime) else dtype


def for_model(dtype: pl.DataType) -> bool:
    """Whether a model sees a column of that type: numbers, truth values and text."""
    return dtype.is_numeric() or dtype in (pl.Boolean, pl.String)


def check_used(types: Mapping[str, pl.DataType], used: Iterable[str], where: str) -> None:
    """Raise DeclarationError for inputs and features that would disappear: no model sees them and nothing reads them.

    `used` are the names that something else reads. A feature's own type must be one that the lake holds. Times are
    never features (S7), so they disappear from nowhere.
    """
    idle = {name: dtype for name, dtype in types.items() if not for_model(dtype)}
    for name, dtype in idle.items():
        if type(dtype) not in _CARRIED:
            raise DeclarationError(
                where,
                f"the feature {name!r} is {dtype}, which the lake does not hold",
                remedy="Derive a number from it in the same expression, such as .dt.total_seconds().",
            )
    dates = {name: dtype for name, dtype in idle.items() if not isinstance(dtype, pl.Datetime)}
    lost = [f"{name!r} ({dtype})" for name, dtype in dates.items() if name not in set(used)]
    if lost:
        raise DeclarationError(
            where,
            f"no model sees a date, and nothing reads {', '.join(lost)}",
            remedy="Derive numbers from it (its month, days since …), name it in exclude=, or leave it out.",
        )
