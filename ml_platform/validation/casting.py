"""Cells to the contract's types: what cannot be one is null here and named there."""

from dataclasses import dataclass

import polars as pl

from ml_platform.validation.times import INSTANT, blank, to_utc

_TRUE, _FALSE = ("true", "t", "yes", "y", "1"), ("false", "f", "no", "n", "0")
_SENTENCES = {
    "dtype": "is not {kind}",
    "zone": "is a local time and the table declares no time_zone",
    "gap": "does not exist in {zone}: the clocks skip it",
}


@dataclass(frozen=True)
class Failed:
    """Cells of one column that could not be read: where, under which rule, and the sentence after the value."""

    column: str
    rule: str
    where: pl.Series
    sentence: str


def cast(frame: pl.DataFrame, types: dict[str, pl.DataType], zone: str | None) -> tuple[pl.DataFrame, list[Failed]]:
    """The columns named in `types` in those types. A cell that has no such value is null and in the second result."""
    columns, failed = [], []
    for name, kind in types.items():
        values, why = _one(frame[name], kind, zone)
        columns.append(values.alias(name))
        for rule, where in why.items():
            if where.any():
                sentence = _SENTENCES[rule].format(kind=_named(kind), zone=zone)
                failed.append(Failed(name, f"{name}|{rule}", where, sentence))
    return pl.DataFrame(columns), failed


def _one(column: pl.Series, kind: pl.DataType, zone: str | None) -> tuple[pl.Series, dict[str, pl.Series]]:
    if kind == INSTANT:
        moments = to_utc(column, zone)
        return moments.values, moments.failed
    if column.dtype == kind:
        return column, {}
    given = column.is_not_null()
    values = _converted(column, kind)
    lost = given & values.is_null()
    if column.dtype.is_float() and kind.is_integer():
        lost |= (values.cast(column.dtype) != column).fill_null(False)  # 1.5 is not a whole number
        values = blank(values, lost)
    return values, {"dtype": lost}


def _converted(column: pl.Series, kind: pl.DataType) -> pl.Series:
    text = column.dtype == pl.String
    if text and kind == pl.Boolean:
        low = column.str.strip_chars().str.to_lowercase()
        options = {**dict.fromkeys(_TRUE, True), **dict.fromkeys(_FALSE, False)}
        return low.replace_strict(options, default=None, return_dtype=pl.Boolean)
    if text and isinstance(kind, pl.Datetime):
        moments = to_utc(column, kind.time_zone or "UTC").values.cast(pl.Datetime(kind.time_unit, "UTC"))
        local = moments.dt.convert_time_zone(kind.time_zone or "UTC")
        return local if kind.time_zone else local.dt.replace_time_zone(None)
    if text and kind == pl.Date:
        return column.str.to_date("%Y-%m-%d", strict=False)
    if text and kind == pl.Time:
        full = column.str.to_time("%H:%M:%S%.f", strict=False)
        return full.zip_with(full.is_not_null(), column.str.to_time("%H:%M", strict=False))
    nothing = pl.Series(column.name, [None], dtype=kind).new_from_index(0, len(column))
    if column.dtype.is_nested() and not kind.is_nested():
        return nothing
    try:
        values = column.cast(kind, strict=False)
    except pl.exceptions.PolarsError:  # no way from this type to that one
        return nothing
    return values if values.dtype == kind else nothing


def _named(kind: pl.DataType) -> str:
    if kind.is_integer():
        return f"a whole number of {kind}"
    if kind.is_float() or kind.is_decimal():
        return "a number"
    if isinstance(kind, pl.Datetime):
        return "a time (ISO 8601)"
    if kind == pl.Boolean:
        return "a truth value (true or false)"
    if isinstance(kind, pl.Enum):
        return f"one of {', '.join(kind.categories.to_list()[:20])}"
    return f"a {kind}"
