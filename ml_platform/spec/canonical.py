"""The canonical form of declarations, which content keys are hashed from (S31)."""

import builtins
import dataclasses
import hashlib
import inspect
import json
import textwrap
import types
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import cache
from importlib.metadata import version
from typing import Any

import polars as pl

from ml_platform.spec.expressions import to_portable


def content_key(*parts: Any) -> str:
    """SHA-256, in hex, of the canonical JSON of `parts`.

    >>> content_key("features", 1)[:12]
    'b8578ccb3798'
    """
    text = json.dumps([canonical(part) for part in parts], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def libraries(*names: str) -> dict[str, str]:
    """The installed versions of distributions that compute an output. They are part of its key (S31)."""
    return {name: _installed(name) for name in names}


@cache
def _installed(name: str) -> str:
    return version(name)


def canonical(value: Any) -> Any:
    """A value as JSON values that are equal exactly when the declarations mean the same.

    Raises:
        TypeError: For a value without a canonical form.

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
        fields = {f.name: canonical(getattr(value, f.name)) for f in dataclasses.fields(value)}
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
        return {"source": function_source(value)}
    raise TypeError(f"{type(value).__name__} has no canonical form: {value!r}")


def contract_form(contract: Any) -> dict[str, Any]:
    """A dataframely schema as JSON values: columns with types and constraints, and the sources of its rules."""
    columns = {}
    for name, column in contract.columns().items():
        settings = {
            key: item
            for key, item in vars(column).items()
            if not key.startswith("_") and item is not None and key not in ("metadata", "description")
        }
        columns[name] = {
            "type": str(column.dtype),
            **{key: function_source(v) if callable(v) else canonical(v) for key, v in settings.items()},
        }
    rules = {
        name: str(rule.expr) for name, rule in contract._validation_rules(with_cast=False).items() if "|" not in name
    }
    return {"columns": columns, "rules": rules}


def function_source(function: Callable[..., Any]) -> str:
    """The source of a function and of what it uses from its own module, in a stable order.

    Functions and plain constants of the module are followed. Code of other modules is only named: the versions of the
    libraries are part of every key.
    """
    seen: dict[str, str] = {}
    _collect(function, seen)
    return "\n".join(seen[name] for name in sorted(seen))


def _collect(function: Callable[..., Any], seen: dict[str, str]) -> None:
    name = f"{function.__module__}.{function.__qualname__}"
    if name in seen:
        return
    try:
        seen[name] = textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):
        seen[name] = name  # no source: a builtin, or code typed into a prompt
        return
    code, scope = function.__code__, function.__globals__
    for used in sorted(_names(code)):
        if used not in scope or hasattr(builtins, used):
            continue
        item = scope[used]
        if isinstance(item, types.FunctionType) and item.__module__ == function.__module__:
            _collect(item, seen)
        elif isinstance(item, str | int | float | bool | tuple | list | dict | frozenset):
            seen[f"{function.__module__}.{used}"] = f"{used} = {item!r}"


def _names(code: types.CodeType) -> set[str]:
    inner = (const for const in code.co_consts if isinstance(const, types.CodeType))
    return set(code.co_names).union(*(_names(part) for part in inner))
