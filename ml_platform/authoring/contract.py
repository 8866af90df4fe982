"""The contract of a draft and its `clean`, as Python."""

import math
import re
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from ml_platform.authoring.clean_functions import calling, sources, stripped
from ml_platform.authoring.columns import NUMBERS, Column
from ml_platform.authoring.draft import Draft
from ml_platform.authoring.python import call, comment, docstring

_REGEX = 85  # characters of a list of categories that still reads on its line
_TYPES = {
    "boolean": "dy.Bool",
    "integer": "dy.Int64",
    "number": "dy.Float64",
    "date": "dy.Date",
    "moment": "dy.Datetime",
}
_SPECIAL = re.compile(r"[\\.+*?()|\[\]{}^$]")


def contract(draft: Draft) -> str:
    """The contract class. Bounds are wider than the values in the file, categories are those in the file."""
    summary = f"One row of {draft.opened.path[:40]}. Categories are those in the file, bounds are wider. Correct them."
    lines = [docstring(summary)]
    if draft.row is not None:
        number = call("dy.Int64", primary_key="True", description=repr("number of the row in its file, from 0"))
        lines.append(f"{draft.row} = {number}")
    lines += [f"{column.clean} = {_column(column, draft)}" for column in draft.columns]
    return "\n    ".join([f"class {draft.contract}(dy.Schema):", *lines])


def _column(column: Column, draft: Draft) -> str:
    at = column is draft.roles.at
    named: dict[str, str] = {}
    if column.clean in draft.keys:
        named["primary_key"] = "True"
    elif (column.nulls or column.reading.strays) and not at:
        named["nullable"] = "True"
    if at or column.kind == "moment":
        named["time_zone"] = repr("UTC")
    if column.kind in NUMBERS and column.clean not in draft.keys and column.distinct > 1:
        named |= _bounds(column)
    if column.kind == "text":
        named |= _texts(column, draft)
    if description := _description(column, named):
        named["description"] = repr(description)
    return call("dy.Datetime" if at else _TYPES.get(column.kind, "dy.String"), **named)


def _texts(column: Column, draft: Draft) -> dict[str, str]:
    chosen = {use.column.clean for role in ("input", "target") for use in draft.of(role)}
    if column.clean in chosen and column.categories and all(_plain(category) for category in column.categories):
        categories = "|".join(_SPECIAL.sub(r"\\\g<0>", category) for category in sorted(column.categories))
        if len(categories) <= _REGEX:
            return {"regex": f'{"r" if chr(92) in categories else ""}"^({categories})$"'}
    return {"max_length": str(_rounded(2 * column.high))} if column.high else {}


def _plain(category: str) -> bool:
    return category.isprintable() and '"' not in category


def _rounded(length: int) -> int:
    step: int = 10 ** max(0, len(str(length)) - 1)
    return -(-length // step) * step


def _description(column: Column, named: dict[str, str]) -> str:
    parts = [column.name[:60]] if column.name != column.clean else []
    if "min" in named and named["max"] != "1":
        parts.append(f"{_short(column.low)} to {_short(column.high)} so far")
    return ": ".join(parts)


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _bounds(column: Column) -> dict[str, str]:
    """The observed range extended by its span at both ends, rounded outward. Non-negative columns and flags stay so."""
    low, high = column.low, column.high
    if not (math.isfinite(low) and math.isfinite(high)):
        return {}
    if column.kind == "integer" and (low, high) == (0, 1):
        return {"min": "0", "max": "1"}
    first, last = Decimal(repr(low)), Decimal(repr(high))
    span = last - first
    step = Decimal(10) ** span.adjusted()
    lower = ((first - span) / step).to_integral_value(ROUND_FLOOR) * step
    upper = ((last + span) / step).to_integral_value(ROUND_CEILING) * step
    lower, upper = max(lower, Decimal(0)) if low >= 0 else lower, min(upper, Decimal(0)) if high <= 0 else upper
    if column.kind == "integer" and not (lower >= -(2**63) and upper < 2**63):
        return {}
    if not (math.isfinite(float(lower)) and math.isfinite(float(upper))):
        return {}
    return {"min": _number(lower), "max": _number(upper)}


def _number(value: Decimal) -> str:
    whole = value == value.to_integral_value() and abs(value) < 10**15
    if not whole:
        return repr(float(value))
    return f"{int(value):_}" if abs(value) >= 10_000 else str(int(value))


def names(draft: Draft) -> str:
    """The mapping from names in the file to names in the contract; empty when they are the same."""
    if not draft.names:
        return ""
    return f"{comment('Column names in the file, and in the contract.')}\nNAMES = {draft.names!r}"


def clean(draft: Draft) -> str:
    """The function `clean_<table>`; empty when the rows fit the contract as they are."""
    steps = {column.clean: step for column in draft.columns if (step := _cleaning(column)) is not None}
    if draft.row is not None:
        steps[draft.row] = call("pl.col", repr("_row"))
    if not steps and not draft.names:
        return ""
    rows = "rows.rename(NAMES, strict=False)" if draft.names else "rows"
    lines = [
        f"def clean_{draft.table}(rows: pl.DataFrame) -> pl.DataFrame:",
        docstring(_summary(draft)),
        f"return {call(f'{rows}.with_columns', **steps) if steps else rows}",
    ]
    return "\n\n".join([*sources(steps.values()), "\n    ".join(lines)])


def _cleaning(column: Column) -> str | None:
    """The expression that cleans a column; None if it needs none."""
    own = plain = call("pl.col", repr(column.clean))
    if column.nans:
        own = f"{own}.fill_nan(None)"
    if column.padded:
        own = calling(stripped, own)
    own = column.reading.style.python(own)
    return own if own != plain else None


def _summary(draft: Draft) -> str:
    done = []
    if draft.names:
        done.append("renames columns to the names of the contract")
    if any(column.padded for column in draft.columns):
        done.append("strips blanks around texts")
    done += sorted({column.reading.style.does for column in draft.columns} - {""})
    if any(column.nans for column in draft.columns):
        done.append("converts NaN to null")
    if draft.row is not None:
        done.append("uses the row number as key")
    sentence = ", ".join(done)
    return f"{sentence[0].upper()}{sentence[1:]}."
