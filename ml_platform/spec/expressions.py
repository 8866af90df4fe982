"""Polars expressions as plain data that stays readable by later versions of polars (S15).

`to_portable` converts an expression into nested lists and dicts of JSON values, with names of our own for the
operations. `ml_platform.spec.expression_rules` builds the expression again through polars' public methods. Only
row-wise operations have a name: an expression that looks at other rows or calls Python is refused.
"""

import io
import json
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl

from ml_platform.errors import DeclarationError
from ml_platform.spec.expression_vocabulary import BINARY, BUILD, FUNCTIONS, type_names

RULES = 2  # of the meaning of operations (S13); without it polars' own, in expressions that were stored before
# Operations that mean the same under both, so that what is made of them keeps its key.
STEADY = frozenset(
    {
        *("and", "or", "xor", "not", "is_nan", "is_not_nan", "is_finite"),
        *("lowercase", "uppercase", "len_chars", "strip_chars", "starts_with", "ends_with", "contains", "slice"),
        *("concat_str", "convert_time_zone", "year", "month", "day", "hour", "minute", "weekday", "week", "quarter"),
        *("ordinal_day", "date", "total_days", "total_hours", "total_minutes", "total_seconds"),
    }
)


def to_portable(expression: pl.Expr, where: str) -> dict[str, Any]:
    """An expression as JSON values.

    Args:
        expression: A row-wise polars expression.
        where: What an error names as the culprit.

    Raises:
        DeclarationError: For an operation that has no portable name.

    >>> to_portable(pl.col("at").dt.hour(), "hour")
    {'op': 'hour', 'inputs': [{'column': 'at'}]}
    >>> to_portable(pl.col("delay").abs(), "label")
    {'op': 'abs', 'inputs': [{'column': 'delay'}], 'rules': 2}
    """
    node = _Reader(where).read(json.loads(_serialized(expression, where)))
    return node if _operations(node) <= STEADY else {**node, "rules": RULES}


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
        operations = sorted(BUILD)
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
                if body["op"] not in BINARY:
                    raise self.refuse(f"the operator {body['op']}")
                return {"op": BINARY[body["op"]][0], "inputs": [self.read(body["left"]), self.read(body["right"])]}
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
            if ("", name) in FUNCTIONS:
                options = inner
            elif isinstance(inner, dict):
                family = name
                name, options = next(iter(inner.items()))
            else:
                family, name = name, inner
        else:
            name = spec
        if (family, name) not in FUNCTIONS:
            raise self.refuse(f"{family}.{name}".strip("."))
        node: dict[str, Any] = {"op": FUNCTIONS[family, name][0], "inputs": [self.read(item) for item in body["input"]]}
        if isinstance(options, dict) and options:
            node["options"] = options
        if node["op"] == "is_in" and "values" not in node["inputs"][1]:
            raise self.refuse("is_in of a column, which looks at other rows,")
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


def columns_read(node: dict[str, Any]) -> set[str]:
    """The names of the columns that a portable expression reads."""
    if "column" in node:
        return {node["column"]}
    return set().union(*(columns_read(item) for item in _below(node)))


def _operations(node: dict[str, Any]) -> set[str]:
    own = {node["op"]} if "op" in node else set()
    return own.union(*(_operations(item) for item in _below(node)))


def _below(node: dict[str, Any]) -> list[dict[str, Any]]:
    return [*node.get("inputs", []), *([node["of"]] if "of" in node else [])]
