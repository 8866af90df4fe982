"""`where=`: a condition on the rows that a feature reads."""

from typing import Any

import polars as pl

from ml_platform.errors import DeclarationError
from ml_platform.spec.expression_types import type_of
from ml_platform.spec.expressions import columns_read, to_portable
from ml_platform.spec.tables import Table


def check_expression(where: Any, title: str) -> None:
    """Raise DeclarationError, naming `title`, unless `where` is an expression that can be stored."""
    if not isinstance(where, pl.Expr):
        raise DeclarationError(title, "where= is not a polars expression", remedy="Write it with pl.col(…).")
    to_portable(where, f"{title}.where")


def check_condition(where: pl.Expr, table: Table, title: str) -> None:
    """Raise DeclarationError, naming `title`, unless `where` is a Boolean expression over `table`."""
    if type_of(where, table.stored_columns, f"{title}.where") != pl.Boolean:
        raise DeclarationError(f"{title}.where", "not a Boolean expression", remedy="Compare something.")


def condition_columns(where: pl.Expr | None) -> tuple[str, ...]:
    """The columns that a condition reads, in order of name; none without a condition."""
    return tuple(sorted(columns_read(to_portable(where, "where=")))) if where is not None else ()
