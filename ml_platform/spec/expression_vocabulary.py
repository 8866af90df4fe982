"""The operations of stored expressions: polars' words, ours, and how polars itself computes them (S15)."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl

type_names: dict[str, Any] = {
    name: getattr(pl, name)
    for name in (
        "Boolean",
        "Int8",
        "Int16",
        "Int32",
        "Int64",
        "UInt8",
        "UInt16",
        "UInt32",
        "UInt64",
        "Float32",
        "Float64",
        "String",
        "Date",
    )
}

BINARY: dict[str, tuple[str, Callable[[pl.Expr, pl.Expr], pl.Expr]]] = {
    # polars' word: (ours, how to build it)
    "Plus": ("add", lambda a, b: a + b),
    "Minus": ("subtract", lambda a, b: a - b),
    "Multiply": ("multiply", lambda a, b: a * b),
    "TrueDivide": ("divide", lambda a, b: a / b),
    "FloorDivide": ("floor_divide", lambda a, b: a // b),
    "Modulus": ("modulo", lambda a, b: a % b),
    "Eq": ("eq", lambda a, b: a == b),
    "NotEq": ("ne", lambda a, b: a != b),
    "EqValidity": ("eq_missing", lambda a, b: a.eq_missing(b)),
    "NotEqValidity": ("ne_missing", lambda a, b: a.ne_missing(b)),
    "Lt": ("lt", lambda a, b: a < b),
    "LtEq": ("le", lambda a, b: a <= b),
    "Gt": ("gt", lambda a, b: a > b),
    "GtEq": ("ge", lambda a, b: a >= b),
    "And": ("and", lambda a, b: a & b),
    "Or": ("or", lambda a, b: a | b),
    "LogicalAnd": ("and", lambda a, b: a & b),
    "LogicalOr": ("or", lambda a, b: a | b),
    "Xor": ("xor", lambda a, b: a ^ b),
}

# (family, polars' word): (ours, how to build it from the inputs and the options)
Build = Callable[..., pl.Expr]
FUNCTIONS: dict[tuple[str, str], tuple[str, Build]] = {
    ("", "Negate"): ("negate", lambda a: -a),
    ("", "Abs"): ("abs", lambda a: a.abs()),
    ("", "Sign"): ("sign", lambda a: a.sign()),
    ("", "Floor"): ("floor", lambda a: a.floor()),
    ("", "Ceil"): ("ceil", lambda a: a.ceil()),
    ("", "Exp"): ("exp", lambda a: a.exp()),
    ("", "Log1p"): ("log1p", lambda a: a.log1p()),
    ("", "Log"): ("log", lambda a, base: a.log(base)),
    ("", "FillNull"): ("fill_null", lambda a, b: a.fill_null(b)),
    ("", "Coalesce"): ("coalesce", pl.coalesce),
    ("", "MinHorizontal"): ("least", pl.min_horizontal),
    ("", "MaxHorizontal"): ("greatest", pl.max_horizontal),
    ("", "SumHorizontal"): (
        "sum_horizontal",
        lambda *parts, ignore_nulls: pl.sum_horizontal(*parts, ignore_nulls=ignore_nulls),
    ),
    ("", "Clip"): ("clip", lambda a, *bounds, has_min, has_max: _clip(a, bounds, has_min, has_max)),
    ("", "Round"): ("round", lambda a, decimals, mode: a.round(decimals, mode=_rounding(mode))),
    ("Pow", "Sqrt"): ("sqrt", lambda a: a.sqrt()),
    ("Pow", "Generic"): ("pow", lambda a, b: a**b),
    ("Boolean", "Not"): ("not", lambda a: ~a),
    ("Boolean", "IsNull"): ("is_null", lambda a: a.is_null()),
    ("Boolean", "IsNotNull"): ("is_not_null", lambda a: a.is_not_null()),
    ("Boolean", "IsNan"): ("is_nan", lambda a: a.is_nan()),
    ("Boolean", "IsNotNan"): ("is_not_nan", lambda a: a.is_not_nan()),
    ("Boolean", "IsFinite"): ("is_finite", lambda a: a.is_finite()),
    ("Boolean", "IsIn"): ("is_in", lambda a, b, nulls_equal: a.is_in(b, nulls_equal=nulls_equal)),
    ("Boolean", "IsBetween"): (
        "is_between",
        lambda a, low, high, closed: a.is_between(low, high, closed=closed.lower()),
    ),
    ("Trigonometry", "Sin"): ("sin", lambda a: a.sin()),
    ("Trigonometry", "Cos"): ("cos", lambda a: a.cos()),
    ("StringExpr", "Lowercase"): ("lowercase", lambda a: a.str.to_lowercase()),
    ("StringExpr", "Uppercase"): ("uppercase", lambda a: a.str.to_uppercase()),
    ("StringExpr", "LenChars"): ("len_chars", lambda a: a.str.len_chars()),
    ("StringExpr", "StripChars"): ("strip_chars", lambda a, chars: a.str.strip_chars(chars)),
    ("StringExpr", "StartsWith"): ("starts_with", lambda a, b: a.str.starts_with(b)),
    ("StringExpr", "EndsWith"): ("ends_with", lambda a, b: a.str.ends_with(b)),
    ("StringExpr", "Contains"): (
        "contains",
        lambda a, b, literal, strict: a.str.contains(b, literal=literal, strict=strict),
    ),
    ("StringExpr", "Slice"): ("slice", lambda a, start, length: a.str.slice(start, length)),
    ("StringExpr", "ConcatHorizontal"): (
        "concat_str",
        lambda *parts, delimiter, ignore_nulls: pl.concat_str(*parts, separator=delimiter, ignore_nulls=ignore_nulls),
    ),
    ("TemporalExpr", "ConvertTimeZone"): ("convert_time_zone", lambda a, inner: a.dt.convert_time_zone(inner)),
    ("TemporalExpr", "Year"): ("year", lambda a: a.dt.year()),
    ("TemporalExpr", "Month"): ("month", lambda a: a.dt.month()),
    ("TemporalExpr", "Day"): ("day", lambda a: a.dt.day()),
    ("TemporalExpr", "Hour"): ("hour", lambda a: a.dt.hour()),
    ("TemporalExpr", "Minute"): ("minute", lambda a: a.dt.minute()),
    ("TemporalExpr", "WeekDay"): ("weekday", lambda a: a.dt.weekday()),
    ("TemporalExpr", "Week"): ("week", lambda a: a.dt.week()),
    ("TemporalExpr", "Quarter"): ("quarter", lambda a: a.dt.quarter()),
    ("TemporalExpr", "OrdinalDay"): ("ordinal_day", lambda a: a.dt.ordinal_day()),
    ("TemporalExpr", "Date"): ("date", lambda a: a.dt.date()),
    ("TemporalExpr", "TotalDays"): ("total_days", lambda a, fractional: a.dt.total_days(fractional=fractional)),
    ("TemporalExpr", "TotalHours"): ("total_hours", lambda a, fractional: a.dt.total_hours(fractional=fractional)),
    ("TemporalExpr", "TotalMinutes"): (
        "total_minutes",
        lambda a, fractional: a.dt.total_minutes(fractional=fractional),
    ),
    ("TemporalExpr", "TotalSeconds"): (
        "total_seconds",
        lambda a, fractional: a.dt.total_seconds(fractional=fractional),
    ),
}
BUILD: dict[str, Build] = {name: build for name, build in (*BINARY.values(), *FUNCTIONS.values())}


def _clip(a: pl.Expr, bounds: tuple[pl.Expr, ...], has_min: bool, has_max: bool) -> pl.Expr:
    values = list(bounds)
    low = values.pop(0) if has_min else None
    high = values.pop(0) if has_max else None
    return a.clip(low, high)


def _rounding(mode: str) -> Any:
    return {"HalfToEven": "half_to_even", "HalfAwayFromZero": "half_away_from_zero"}[mode]


def literal(node: Mapping[str, Any]) -> pl.Expr:
    """A constant of a portable expression."""
    if "value" in node:
        return pl.lit(node["value"])
    if "values" in node:
        return pl.lit(pl.Series(node["values"])).implode()
    if "duration_us" in node:
        return pl.lit(timedelta(microseconds=node["duration_us"]))
    if "datetime" in node:
        moment = datetime.fromisoformat(node["datetime"])
        return pl.lit(moment.astimezone(UTC) if moment.tzinfo else moment)
    return pl.lit(date.fromisoformat(node["date"]))


def as_polars_means(node: Mapping[str, Any]) -> pl.Expr:
    """A portable expression with the meaning that polars gives its operations."""
    if "column" in node:
        return pl.col(node["column"])
    if "alias" in node:
        return as_polars_means(node["of"]).alias(node["alias"])
    if "op" not in node:
        return literal(node)
    inputs = [as_polars_means(item) for item in node["inputs"]]
    if node["op"] == "when":
        return pl.when(inputs[0]).then(inputs[1]).otherwise(inputs[2])
    if node["op"] == "cast":
        return inputs[0].cast(type_names[node["to"]], strict=node["strict"])
    options = node.get("options", {})
    # Literal arguments that polars wants as Python values rather than as expressions.
    if node["op"] == "log":
        return inputs[0].log(node["inputs"][1]["value"])
    if node["op"] == "is_in" and "values" in node["inputs"][1]:
        return inputs[0].is_in(node["inputs"][1]["values"], **options)
    return BUILD[node["op"]](*inputs, **options)
