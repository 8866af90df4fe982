"""Pydantic models whose fields are columns, which may have any name."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, create_model

from ml_platform.spec.contract_rules import rules_in_words

CONFIG = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())


def column_description(title: str, rules: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments for `Field` of a column: the title, then what the contract says, in words and as `x-contract`.

    >>> column_description("input, Float64", {"nullable": False, "unit": "km"})
    {'description': 'input, Float64: km', 'json_schema_extra': {'x-contract': {'nullable': False, 'unit': 'km'}}}
    """
    if not rules:
        return {"description": title}
    described = ": ".join(filter(None, [title, rules_in_words(rules)]))
    return {"description": described, "json_schema_extra": {"x-contract": dict(rules)}}


def model_of_columns(
    name: str, fields: Mapping[str, tuple[Any, Mapping[str, Any]]], described: str | None = None
) -> type[BaseModel]:
    """A model with these fields and no others: the type and the arguments for `Field` of each, by column.

    `described` is for readers of its schema.

    Its attributes have names of their own, since pydantic has a use for some that a column may have, such as
    `model_config` and `copy`. Bodies, error locations and the schema have the columns.
    """
    aliased: dict[str, Any] = {
        f"column_{number}": (kind, Field(alias=column, **arguments))
        for number, (column, (kind, arguments)) in enumerate(fields.items())
    }
    return create_model(name, __config__=CONFIG, __doc__=described, **aliased)


def values_of(rows: Sequence[BaseModel]) -> list[dict[str, Any]]:
    """The value of each column, for rows of one model.

    >>> row = model_of_columns("Row", {"copy": (int, {})}).model_validate({"copy": 1})
    >>> values_of([row])
    [{'copy': 1}]
    """
    columns = _columns(type(rows[0])).items() if rows else ()
    return [{column: values[name] for name, column in columns} for values in map(vars, rows)]


def values_that_were_set(row: BaseModel) -> dict[str, Any]:
    """The value of each column that was sent."""
    columns = _columns(type(row))
    return {columns[name]: getattr(row, name) for name in row.model_fields_set}


def _columns(model: type[BaseModel]) -> dict[str, str]:
    """The column of each attribute."""
    return {name: str(field.alias) for name, field in model.model_fields.items()}
