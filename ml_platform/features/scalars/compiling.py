"""Portable expressions made into functions of one row."""

import math
import operator
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import Any

import polars as pl

from ml_platform.features.scalars import choices, numbers, texts, times
from ml_platform.features.scalars.values import EPOCH_DAY, Function, Row, Scalar, Unsupported, column, constant
from ml_platform.spec.durations import since_epoch
from ml_platform.spec.expression_vocabulary import type_names
from ml_platform.spec.expressions import RULES, STEADY


def compiled(node: Mapping[str, Any], columns: Mapping[str, pl.DataType]) -> Function | None:
    """An expression as a function of a row; None where it is left to polars.

    Args:
        node: A portable expression.
        columns: The types of what it reads.

    Returns:
        From values by column, as polars gives them to Python, to such a value. It raises Deferred for a row that is
        left to polars.

    >>> share = {"op": "divide", "inputs": [{"column": "taken"}, {"column": "seats"}], "rules": 2}
    >>> function = compiled(share, {"taken": pl.UInt8(), "seats": pl.UInt8()})
    >>> function({"taken": 3, "seats": 4}), function({"taken": 3, "seats": 0})
    (0.75, None)
    """
    rules = node.get("rules")
    if rules not in (None, RULES):
        return None
    try:
        return _answer(_Compiler(columns, rules is not None).of(node))
    except Unsupported:
        return None


def _answer(scalar: Scalar) -> Function:
    """The value as polars gives it to Python."""
    inner = scalar.of
    if scalar.dtype == pl.Date:

        def of(row: Row) -> date | None:
            day = inner(row)
            return None if day is None else times.date_of(day)

        return of
    if scalar.dtype.is_temporal():
        raise Unsupported
    return inner


class _Compiler:
    """`rules`: whether operations mean what S13 says; without, only those are made that mean the same in polars."""

    def __init__(self, columns: Mapping[str, pl.DataType], rules: bool) -> None:
        self._columns, self._rules = columns, rules

    def of(self, node: Mapping[str, Any]) -> Scalar:
        if "column" in node:
            return column(node["column"], self._columns[node["column"]])
        if "alias" in node:
            return self.of(node["of"])
        if "op" not in node:
            return _literal(node)
        op, inputs, options = node["op"], node["inputs"], node.get("options", {})
        if not self._rules and op not in STEADY:
            raise Unsupported
        first = self.of(inputs[0])
        match op:  # what takes literals as Python values
            case "is_in":
                return choices.is_in(first, inputs[1]["values"], options.get("nulls_equal", False))
            case "pow":
                return numbers.whole_power(first, _exponent(inputs[1]))
            case "log":
                return numbers.logarithm(first, inputs[1]["value"])
            case "cast":
                return numbers.cast(first, type_names[node["to"]](), strict=node["strict"])
            case "contains":
                return texts.contains(first, inputs[1], options["literal"])
            case "strip_chars":
                return texts.stripped(first, inputs[1])
            case "convert_time_zone":
                return times.in_zone(first, options["inner"])
        if op not in _FUNCTIONS:
            raise Unsupported
        return _FUNCTIONS[op](first, *map(self.of, inputs[1:]), **options)


def _exponent(node: Mapping[str, Any]) -> int:
    value = node.get("value")
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise Unsupported


def _literal(node: Mapping[str, Any]) -> Scalar:
    if "value" in node:
        value = node["value"]
        if value is None:
            return constant(None, pl.Null())
        types: dict[type, pl.DataType] = {bool: pl.Boolean(), int: pl.Int64(), float: pl.Float64(), str: pl.String()}
        return constant(value, types[type(value)])
    if "duration_us" in node:
        return constant(node["duration_us"], pl.Duration("us"))
    if "date" in node:
        return constant(date.fromisoformat(node["date"]).toordinal() - EPOCH_DAY, pl.Date())
    if "datetime" in node:
        moment = datetime.fromisoformat(node["datetime"])
        if moment.tzinfo is not None:
            return constant(since_epoch(moment), pl.Datetime("us", "UTC"))
    raise Unsupported


_HOUR = 3600 * 1_000_000  # microseconds
_FUNCTIONS: dict[str, Callable[..., Scalar]] = {
    "add": numbers.add,
    "subtract": numbers.subtract,
    "multiply": numbers.multiply,
    "divide": numbers.divide,
    "floor_divide": numbers.floor_divide,
    "modulo": numbers.modulo,
    "negate": numbers.negate,
    "abs": numbers.absolute,
    "sign": numbers.sign,
    "floor": numbers.rounding(numbers.floored),
    "ceil": numbers.rounding(numbers.raised),
    "sqrt": numbers.root,
    "exp": numbers.of_libm(math.exp, -700.0, 700.0),
    "log1p": numbers.of_libm(math.log1p, -1.0, math.inf),
    "sin": numbers.of_libm(math.sin, -math.inf, math.inf),
    "cos": numbers.of_libm(math.cos, -math.inf, math.inf),
    "sum_horizontal": numbers.sum_horizontal,
    **{name: choices.compared(getattr(operator, name)) for name in ("eq", "ne", "lt", "le", "gt", "ge")},
    "eq_missing": choices.compared_with_null(True),
    "ne_missing": choices.compared_with_null(False),
    "is_between": choices.is_between,
    "and": choices.both,
    "or": choices.either,
    "xor": choices.one_of_both,
    "not": choices.negated,
    "is_null": choices.missing(True),
    "is_not_null": choices.missing(False),
    "is_nan": choices.of_floats(math.isnan),
    "is_not_nan": choices.of_floats(lambda value: not math.isnan(value)),
    "is_finite": choices.of_floats(math.isfinite),
    "when": choices.when,
    "coalesce": choices.coalesce,
    "fill_null": choices.coalesce,
    "least": choices.extreme(min),
    "greatest": choices.extreme(max),
    "clip": choices.clip,
    "lowercase": texts.of_ascii(str.lower),
    "uppercase": texts.of_ascii(str.upper),
    "len_chars": texts.length,
    "starts_with": texts.asked(str.startswith),
    "ends_with": texts.asked(str.endswith),
    "concat_str": texts.joined,
    "hour": times.of_clock(_HOUR, 24),
    "minute": times.of_clock(_HOUR // 60, 60),
    "weekday": times.of_day(times.weekday),
    "year": times.of_date(lambda day: day.year),
    "month": times.of_date(lambda day: day.month),
    "day": times.of_date(lambda day: day.day),
    "week": times.of_date(lambda day: day.isocalendar()[1]),
    "quarter": times.of_date(lambda day: (day.month + 2) // 3),
    "ordinal_day": times.of_date(lambda day: day.toordinal() - date(day.year, 1, 1).toordinal() + 1),
    "date": times.on_day,
    "total_days": times.total(24 * _HOUR),
    "total_hours": times.total(_HOUR),
    "total_minutes": times.total(_HOUR // 60),
    "total_seconds": times.total(_HOUR // 3600),
}
