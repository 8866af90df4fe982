"""Expressions and spans in words."""

from collections.abc import Mapping
from typing import Any

from ml_platform.escaping import printable
from ml_platform.spec.durations import microseconds

_INFIX = {
    "add": "+",
    "subtract": "-",
    "multiply": "×",
    "divide": "/",
    "floor_divide": "//",
    "modulo": "modulo",
    "eq": "=",
    "ne": "≠",
    "eq_missing": "=",
    "ne_missing": "≠",
    "lt": "<",
    "le": "≤",
    "gt": ">",
    "ge": "≥",
    "and": "and",
    "or": "or",
    "xor": "or else",
    "pow": "to the power",
    "is_in": "is one of",
    "starts_with": "starts with",
    "ends_with": "ends with",
    "contains": "contains",
}
_PREFIX = {
    **{name: f"{name} of " for name in ("year", "month", "day", "hour", "minute", "week", "quarter", "date")},
    "weekday": "weekday (Monday is 1) of ",
    "ordinal_day": "day of the year of ",
    "total_days": "days of ",
    "total_hours": "hours of ",
    "total_minutes": "minutes of ",
    "total_seconds": "seconds of ",
    "negate": "minus ",
    "not": "not ",
    "len_chars": "length of ",
    "lowercase": "lower case of ",
    "uppercase": "upper case of ",
    "sqrt": "square root of ",
    "exp": "e to the ",
    "abs": "size of ",
    "sign": "sign of ",
    "floor": "rounded down ",
    "ceil": "rounded up ",
    "round": "rounded ",
    "log": "logarithm of ",
    "log1p": "logarithm of 1 + ",
    "sin": "sine of ",
    "cos": "cosine of ",
    "strip_chars": "trimmed ",
    "slice": "part of ",
}
_LISTED = {
    "least": "least of ",
    "greatest": "greatest of ",
    "sum_horizontal": "sum of ",
    "coalesce": "first known of ",
    "concat_str": "joined ",
    "fill_null": "first known of ",
}
_SUFFIX = {"is_null": "is missing", "is_not_null": "is there", "is_nan": "is not a number", "is_finite": "is finite"}
_LONG = 60  # characters of a text value
_UNITS = {"w": "week", "d": "day", "h": "hour", "m": "minute", "s": "second"}


def span_in_words(span: str) -> str:
    """A span with its unit spelled out.

    Raises:
        DeclarationError: For a text that is no span of time.

    >>> span_in_words("3h")
    '3 hours'
    """
    microseconds(span)
    number, unit = int(span[:-1]), _UNITS[span[-1]]
    return f"{number} {unit}" + ("s" if number > 1 else "")


def seconds_in_words(seconds: float) -> str:
    """A duration in its two greatest units.

    >>> seconds_in_words(8_045.0)
    '2 hours 14 minutes'
    """
    whole = round(abs(seconds))
    parts: list[tuple[int, str]] = []
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)):
        number, whole = divmod(whole, size)
        if number or parts:
            parts.append((number, unit))
    words = [f"{number:,} {unit}{'' if number == 1 else 's'}" for number, unit in parts[:2] if number]
    return ("minus " if seconds < 0 and words else "") + (" ".join(words) or "0 seconds")


def value_in_words(value: Any) -> str:
    """A value of a column: numbers rounded, null as "missing", text without control characters and not too long.

    >>> value_in_words(41.23456), value_in_words(20130.5), value_in_words(None), value_in_words(True)
    ('41.23', '20130.5', 'missing', 'true')
    """
    match value:
        case None:
            return "missing"
        case bool():
            return str(value).lower()
        case float():
            return _number(value)
        case "":
            return '""'
    text = printable(str(value))
    return text if len(text) <= _LONG else f"{text[:_LONG]}…"


def _number(value: float) -> str:
    if value != value:
        return "not a number"
    if 1e4 <= abs(value) < 1e15:
        return f"{value:.1f}".removesuffix(".0")
    return f"{value:.4g}"


def expression_in_words(node: Mapping[str, Any]) -> str:
    """A portable expression (`to_portable`) as a phrase.

    >>> expression_in_words({"op": "gt", "inputs": [{"column": "delay"}, {"value": 15}]})
    'delay > 15'
    """
    match node:
        case {"column": name}:
            return str(name)
        case {"value": None}:
            return "nothing"
        case {"value": bool() as value}:
            return str(value).lower()
        case {"value": str() as value}:
            return f'"{value}"'
        case {"value": value}:
            return f"{value:g}" if isinstance(value, float) else str(value)
        case {"values": values}:
            return ", ".join(expression_in_words({"value": value}) for value in values)
        case {"duration_us": micros}:
            return _duration(int(micros))
        case {"datetime": text} | {"date": text}:
            return str(text)
        case {"alias": _, "of": inner}:
            return expression_in_words(inner)
    return _operation(node["op"], list(node["inputs"]), node)


def _operation(op: str, inputs: list[Mapping[str, Any]], node: Mapping[str, Any]) -> str:
    options = node.get("options", {})
    if op == "when":
        condition, then, otherwise = (expression_in_words(each) for each in inputs)
        return f"if {condition} then {then}, else {otherwise}"
    if op == "cast":
        return expression_in_words(inputs[0])
    if op == "convert_time_zone":
        return f"{_operand(inputs[0])} in {options['inner']}"
    if op == "is_between":
        return f"{_operand(inputs[0])} between {_operand(inputs[1])} and {_operand(inputs[2])}"
    if op == "clip":
        return f"{_operand(inputs[0])} kept within {' to '.join(_operand(each) for each in inputs[1:])}"
    if op in _INFIX:
        return f" {_INFIX[op]} ".join(_operand(each) for each in inputs)
    if op in _LISTED:
        return _LISTED[op] + ", ".join(_operand(each) for each in inputs)
    if op in _SUFFIX:
        return f"{_operand(inputs[0])} {_SUFFIX[op]}"
    if op in _PREFIX:
        return _PREFIX[op] + _operand(inputs[0])
    return f"{op.replace('_', ' ')} of {', '.join(_operand(each) for each in inputs)}"


def _operand(node: Mapping[str, Any]) -> str:
    """Part of an expression, in brackets where it would be read with its neighbours."""
    phrase = expression_in_words(node)
    return f"({phrase})" if node.get("op") in _INFIX or node.get("op") == "when" else phrase


def _duration(micros: int) -> str:
    for letter, unit in (("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000)):
        if micros and micros % unit == 0:
            return span_in_words(f"{micros // unit}{letter}") if micros > 0 else f"-{_duration(-micros)}"
    return f"{micros} µs"
