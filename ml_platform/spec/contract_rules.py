"""What a contract says of its columns, as JSON values: meaning, unit, bounds."""

from collections.abc import Iterable, Mapping
from typing import Any

import polars as pl

_BOUNDS = {
    "min": "minimum",
    "min_exclusive": "exclusiveMinimum",
    "max": "maximum",
    "max_exclusive": "exclusiveMaximum",
    "min_length": "minBytes",  # dataframely counts bytes of UTF-8
    "max_length": "maxBytes",
    "regex": "pattern",
    "is_in": "values",
}


def contract_rules(contract: Any, columns: Iterable[str]) -> dict[str, dict[str, Any]]:
    """What a dataframely schema says of some of its columns.

    Each has `nullable`, and as far as they are declared `description`, `unit` (the entry of the column's `metadata`),
    `minimum`, `exclusiveMinimum`, `maximum`, `exclusiveMaximum`, `minBytes`, `maxBytes`, `pattern` and `values`.
    Times and decimals are text. Rules that are Python code are left out.

    >>> import dataframely as dy
    >>> class Trips(dy.Schema):
    ...     km = dy.Float64(min=0, description="driven", metadata={"unit": "km"})
    >>> contract_rules(Trips, ["km"])
    {'km': {'nullable': False, 'description': 'driven', 'unit': 'km', 'minimum': 0}}
    """
    declared = contract.columns()
    return {name: _rules_of(declared[name]) for name in columns if name in declared}


def rules_in_words(rules: Mapping[str, Any]) -> str:
    """The same for readers; empty where nothing but `nullable` is declared.

    >>> rules_in_words({"nullable": False, "description": "driven", "unit": "km", "minimum": 0, "exclusiveMaximum": 90})
    'driven; km; at least 0, below 90'
    """
    words = {
        "minimum": "at least {}",
        "exclusiveMinimum": "above {}",
        "maximum": "at most {}",
        "exclusiveMaximum": "below {}",
        "minBytes": "at least {} bytes",
        "maxBytes": "at most {} bytes",
        "pattern": "matches {}",
    }
    bounds = [phrase.format(rules[name]) for name, phrase in words.items() if name in rules]
    if "values" in rules:
        bounds.append(f"one of {', '.join(map(str, rules['values']))}")
    return "; ".join(filter(None, [rules.get("description"), rules.get("unit"), ", ".join(bounds)]))


def _rules_of(column: Any) -> dict[str, Any]:
    rules: dict[str, Any] = {"nullable": bool(column.nullable)}
    if column.description:
        rules["description"] = str(column.description)
    unit = (column.metadata or {}).get("unit")
    if unit is not None:
        rules["unit"] = str(unit)
    for attribute, name in _BOUNDS.items():
        bound = getattr(column, attribute, None)
        if bound is not None:
            rules[name] = [_json(one) for one in bound] if attribute == "is_in" else _json(bound)
    if isinstance(column.dtype, pl.Enum):
        rules["values"] = column.dtype.categories.to_list()
    return rules


def _json(value: Any) -> Any:
    if isinstance(value, bool | int | float | str):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
