"""Polars expressions as plain data that stays readable by later versions of polars (S15).

`to_portable` converts an expression into nested lists and dicts of JSON values, with names of our own for the
operations. `from_portable` builds the expression again through polars' public methods. Only row-wise operations
have a name: an expression that looks at other rows or calls Python is refused.
"""

import io
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl

from ml_platform.errors import DeclarationError

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

_BINARY: dict[str, tuple[str, Callable[[pl.Expr, pl.Expr], pl.Expr]]] = {
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
_Build = Callable[..., pl.Expr]
_FUNCTIONS: dict[tuple[str, str], tuple[str, _Build]] = {
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
_BUILD: dict[str, _Build] = {name: build for name, build in (*_BINARY.values(), *_FUNCTIONS.values())}


def _clip(a: pl.Expr, bounds: tuple[pl.Expr, ...], has_min: bool, has_max: bool) -> pl.Expr:
    values = list(bounds)
    low = values.pop(0) if has_min else None
    high = values.pop(0) if has_max else None
    return a.clip(low, high)


def _rounding(mode: str) -> Any:
    return {"HalfToEven": "half_to_even", "HalfAwayFromZero": "half_away_from_zero"}[mode]


def to_portable(expression: pl.Expr, where: str) -> dict[str, Any]:
    """An expression as JSON values.

    Args:
        expression: A row-wise polars expression.
        where: What an error names as the culprit.

    Raises:
        DeclarationError: For an operation that has no portable name.

    >>> to_portable(pl.col("delay").abs(), "label")
    {'op': 'abs', 'inputs': [{'column': 'delay'}]}
    """
    return _Reader(where).read(json.loads(_serialized(expression, where)))


def _serialized(expression: pl.Expr, where: str) -> str:
    try:
        return expression.meta.serialize(format="json")
    except (pl.exceptions.PolarsError, ValueError, TypeError) as error:
        raise DeclarationError(where, f"the expression cannot be stored ({error})") from error


class _Reader:
    """Reads polars' own JSON, which changes with its versions. None of it is stored."""

    def __init__(self, where: str) -> None:
        self.where = where

    def refuse(self, what: str) -> DeclarationError:
        operations = sorted(_BUILD)
        return DeclarationError(
            self.where,
            f"{what} cannot be used in a feature or label expression",
            remedy=f"Row-wise operations only: {', '.join(operations)}, when/then, cast, alias.",
        )

    def read(self, node: Any) -> dict[str, Any]:
        if not isinstance(node, dict):
            raise self.refuse(str(node))
        kind, body = next(iter(node.items()))
        match kind:
            case "Column":
                return {"column": body}
            case "Literal":
                return self.literal(node)
            case "Alias":
                return {"alias": body[1], "of": self.read(body[0])}
            case "BinaryExpr":
                if body["op"] not in _BINARY:
                    raise self.refuse(f"the operator {body['op']}")
                return {"op": _BINARY[body["op"]][0], "inputs": [self.read(body["left"]), self.read(body["right"])]}
            case "Ternary":
                parts = [self.read(body[part]) for part in ("predicate", "truthy", "falsy")]
                return {"op": "when", "inputs": parts}
            case "Cast":
                return self.cast(body)
            case "Function":
                return self.function(body)
            case "AnonymousFunction":
                raise self.refuse("a Python function")
            case "Agg" | "Window" | "Over" | "Len" | "Filter" | "Sort" | "SortBy" | "Gather":
                raise self.refuse(f"{kind}, which looks at other rows,")
            case _:
                raise self.refuse(kind)

    def function(self, body: dict[str, Any]) -> dict[str, Any]:
        spec, family, options = body["function"], "", {}
        if isinstance(spec, dict):
            name, inner = next(iter(spec.items()))
            if ("", name) in _FUNCTIONS:
                options = inner
            elif isinstance(inner, dict):
                family = name
                name, options = next(iter(inner.items()))
            else:
                family, name = name, inner
        else:
            name = spec
        if (family, name) not in _FUNCTIONS:
            raise self.refuse(f"{family}.{name}".strip("."))
        node: dict[str, Any] = {
            "op": _FUNCTIONS[family, name][0],
            "inputs": [self.read(item) for item in body["input"]],
        }
        if isinstance(options, dict) and options:
            node["options"] = options
        return node

    def cast(self, body: dict[str, Any]) -> dict[str, Any]:
        dtype = body["dtype"].get("Literal")
        if not isinstance(dtype, str) or dtype not in type_names:
            raise self.refuse(f"a cast to {dtype}")
        return {"op": "cast", "inputs": [self.read(body["expr"])], "to": dtype, "strict": body["options"] == "Strict"}

    def literal(self, node: dict[str, Any]) -> dict[str, Any]:
        expression = pl.Expr.deserialize(io.StringIO(json.dumps(node)), format="json")
        value = pl.select(expression).to_series().to_list()[0]
        match value:
            case None | bool() | int() | str():
                return {"value": value}
            case float():
                return {"value": value}
            case timedelta():
                return {"duration_us": value // timedelta(microseconds=1)}
            case datetime():
                return {"datetime": value.isoformat()}
            case date():
                return {"date": value.isoformat()}
            case list() if all(isinstance(item, str | int | float | bool | None) for item in value):
                return {"values": value}
            case _:
                raise self.refuse(f"the literal {value!r}")


def from_portable(node: dict[str, Any]) -> pl.Expr:
    """The expression that `to_portable` wrote, built by the public methods of the installed polars."""
    if "column" in node:
        return pl.col(node["column"])
    if "value" in node:
        return pl.lit(node["value"])
    if "values" in node:
        return pl.lit(pl.Series(node["values"])).implode()
    if "duration_us" in node:
        return pl.lit(timedelta(microseconds=node["duration_us"]))
    if "datetime" in node:
        moment = datetime.fromisoformat(node["datetime"])
        return pl.lit(moment.astimezone(UTC) if moment.tzinfo else moment)
    if "date" in node:
        return pl.lit(date.fromisoformat(node["date"]))
    if "alias" in node:
        return from_portable(node["of"]).alias(node["alias"])
    inputs = [from_portable(item) for item in node["inputs"]]
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
    return _BUILD[node["op"]](*inputs, **options)


def columns_read(node: dict[str, Any]) -> set[str]:
    """The names of the columns that a portable expression reads."""
    if "column" in node:
        return {node["column"]}
    below = [*node.get("inputs", []), *([node["of"]] if "of" in node else [])]
    return set().union(*(columns_read(item) for item in below))
