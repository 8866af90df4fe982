"""Polars types as JSON values that later versions of polars can read (S15)."""

from typing import Any

import polars as pl

from ml_platform.errors import DeclarationError
from ml_platform.spec.expression_vocabulary import type_names


def type_form(dtype: Any, where: str) -> Any:
    """`dtype` as JSON. Raises DeclarationError, naming `where`, for what features cannot carry."""
    if isinstance(dtype, pl.Datetime):
        return ["Datetime", dtype.time_unit, dtype.time_zone]
    if isinstance(dtype, pl.Duration):
        return ["Duration", dtype.time_unit]
    if isinstance(dtype, pl.Decimal):
        return ["Decimal", dtype.precision, dtype.scale]
    if isinstance(dtype, pl.Enum | pl.Categorical):
        return "String"  # categories belong to the model; tables contain text
    for name, named in type_names.items():
        if dtype == named:
            return name
    raise DeclarationError(where, f"a feature cannot be of type {dtype}", remedy=f"Use one of {', '.join(type_names)}.")


def type_of(form: Any) -> pl.DataType:
    """The polars type that `type_form` wrote."""
    match form:
        case ["Datetime", unit, zone]:
            return pl.Datetime(unit, zone)
        case ["Duration", unit]:
            return pl.Duration(unit)
        case ["Decimal", precision, scale]:
            return pl.Decimal(precision, scale)
        case _:
            dtype: pl.DataType = type_names[form]()
            return dtype
