"""The canonical form of declarations, which content keys are hashed from (S31)."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from importlib.metadata import PackageNotFoundError
from typing import Any

import polars as pl

from ml_platform.errors import DeclarationError
from ml_platform.spec.code_forms import callable_form
from ml_platform.spec.exact_expressions import calls_python, expression_digest, printed_in_full
from ml_platform.spec.expressions import to_portable
from ml_platform.spec.installed import installed_version


def content_key(*parts: Any) -> str:
    """SHA-256, in hex, of the canonical JSON of `parts`.

    >>> content_key("features", 1)[:12]
    'b8578ccb3798'
    """
    text = json.dumps([canonical(part) for part in parts], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def libraries(*names: str) -> dict[str, str]:
    """The installed versions of distributions that compute an output. They are part of its key (S31).

    Raises DeclarationError, by its name, for one that is not installed.
    """
    return {name: _version(name) for name in names}


def _version(name: str) -> str:
    try:
        return installed_version(name)
    except PackageNotFoundError:
        raise DeclarationError(
            name,
            "it is not installed, and what is declared is computed by it",
            remedy=f"`pip install {name}`, or declare something else.",
        ) from None


def canonical(value: Any) -> Any:
    """A value as JSON values that are equal exactly when the declarations mean the same.

    Raises:
        TypeError: For a value without a canonical form.
        DeclarationError: For a function that uses something without a canonical form.

    >>> canonical({"span": timedelta(seconds=1), "day": date(2013, 1, 7)})
    {'span': {'microseconds': 1000000}, 'day': '2013-01-07'}
    """
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, pl.Expr):
        return {"expression": to_portable(value, "declaration")}
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return {"decimal": str(value)}
    if isinstance(value, timedelta):
        return {"microseconds": value // timedelta(microseconds=1)}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        unkeyed: frozenset[str] = getattr(
            value, "unkeyed", frozenset()
        )  # what changes no output (`spec.declared_gate`)
        named = [f.name for f in dataclasses.fields(value) if f.name not in unkeyed]
        keyed_as: Mapping[str, Any] = getattr(value, "keyed_as", {})
        fields = {name: canonical(keyed_as.get(name, getattr(value, name))) for name in named}
        return {"kind": type(value).__name__, **fields}
    if isinstance(value, Mapping):
        return {str(name): canonical(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [canonical(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(canonical(item) for item in value)
    if isinstance(value, type) and hasattr(value, "_validation_rules"):
        return contract_form(value)
    if callable(value):
        return callable_form(value, contract_form)
    raise TypeError(f"{type(value).__name__} has no canonical form: {value!r}")


def contract_form(contract: Any, within: frozenset[int] = frozenset()) -> dict[str, Any]:
    """A dataframely schema as JSON values: columns with types and constraints, and its rules.

    `within`: the ids of the schemas whose form is being made, which a rule may use.
    """
    within |= {id(contract)}
    columns = {}
    for name, column in contract.columns().items():
        settings = {
            key: item
            for key, item in vars(column).items()
            if not key.startswith("_") and item is not None and key not in ("metadata", "description")
        }
        columns[name] = {
            "type": str(column.dtype),
            **{key: _setting(item, within) for key, item in settings.items()},
            **({} if _is_dataframely(column) else {"class": callable_form(type(column), contract_form, within)}),
        }
    rules = {
        name: _rule(rule, within)
        for name, rule in contract._validation_rules(with_cast=False).items()
        if "|" not in name
    }
    return {"columns": columns, "rules": rules}


def _is_dataframely(column: Any) -> bool:
    return type(column).__module__.partition(".")[0] == "dataframely"


def _setting(value: Any, within: frozenset[int]) -> Any:
    """A constraint of a column. A single function counts as in lakes of before, by its source."""
    if not callable(value):
        return canonical(value)
    form = callable_form(value, contract_form, within)
    return form if form.keys() > {"source"} else form["source"]


def _rule(rule: Any, within: frozenset[int]) -> Any:
    """A rule by its expression, and by its function where the expression calls Python."""
    expression = rule.expr
    if printed_in_full(expression):
        return str(expression)  # as in lakes of before
    if calls_python(expression):
        cells = (cell.cell_contents for cell in getattr(rule._expr, "__closure__", None) or ())
        functions = [cell.validation_fn for cell in cells if hasattr(cell, "validation_fn")]
        if functions:
            return callable_form(functions[0], contract_form, within)
    return {"expression": expression_digest(expression, "rule")}
