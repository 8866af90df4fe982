"""Polars expressions of contracts and of constants that `clean` uses, by everything that they hold.

Features and labels are stored, and may only use operations with a portable name (`expressions.py`). These are never
stored: only their digest counts, beside the version of polars, so any operation may be used except Python functions.
"""

import hashlib
import json
from pathlib import PurePath
from typing import Any

import polars as pl

from ml_platform.errors import DeclarationError

_PYTHON = frozenset({"AnonymousFunction", "AnonymousAgg", "AnonymousStreamingAgg"})
_PRINTED = frozenset({"AsStruct", "IsNull", "IsNotNull", "IsUnique", "Not"})


def expression_digest(expression: pl.Expr, where: str) -> str:
    """SHA-256, in hex, of everything that an expression holds. Raises DeclarationError for one that calls Python.

    >>> a = expression_digest(pl.col("x").round(1), "x")
    >>> a == expression_digest(pl.col("x").round(1), "x"), a == expression_digest(pl.col("x").round(2), "x")
    (True, False)
    """
    tree = _tree(expression)
    if tree is None or _calls_python(tree):
        raise DeclarationError(
            where,
            "the expression calls a Python function, which has no canonical form there",
            remedy="Build the expression inside the function that uses it: its source then counts.",
        )
    text = json.dumps(_without_folders(tree), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def calls_python(expression: pl.Expr) -> bool:
    """Whether an expression calls a Python function, as `map_elements` does."""
    tree = _tree(expression)
    return tree is None or _calls_python(tree)


def printed_in_full(expression: pl.Expr) -> bool:
    """Whether `str(expression)` shows everything that it holds: it drops options, such as the digits of `round`."""
    tree = _tree(expression)
    return tree is not None and _printed(tree)


def _tree(expression: pl.Expr) -> Any:
    """Polars' own JSON; None for an expression that has none, which only Python functions lack."""
    try:
        return json.loads(expression.meta.serialize(format="json"))
    except (pl.exceptions.PolarsError, ValueError, TypeError):
        return None


def _calls_python(node: Any) -> bool:
    if isinstance(node, dict):
        return not _PYTHON.isdisjoint(node) or any(map(_calls_python, node.values()))
    return isinstance(node, list) and any(isinstance(item, dict | list) and _calls_python(item) for item in node)


def _without_folders(node: Any) -> Any:
    """The same tree with the libraries of plugins by their file names: where they are installed does not matter."""
    if isinstance(node, dict):
        return {
            name: PurePath(item).name if name == "lib" and isinstance(item, str) else _without_folders(item)
            for name, item in node.items()
        }
    if isinstance(node, list) and any(isinstance(item, dict | list) for item in node):
        return [_without_folders(item) for item in node]
    return node


def _printed(node: dict[str, Any]) -> bool:
    kind, body = next(iter(node.items()))
    match kind:
        case "Column":
            return '"' not in body
        case "Literal":
            ((family, value),) = body.items() if isinstance(body, dict) else ((body, None),)
            if not isinstance(value, dict) or family not in ("Dyn", "Scalar"):
                return False
            ((dtype, item),) = value.items()
            return dtype in ("Int", "Float", "Boolean") or (dtype == "String" and '"' not in item)
        case "BinaryExpr":
            return _printed(body["left"]) and _printed(body["right"])
        case "Function":
            name = body["function"]
            name = name.get("Boolean") if isinstance(name, dict) else name
            return isinstance(name, str) and name in _PRINTED and all(map(_printed, body["input"]))
    return False
