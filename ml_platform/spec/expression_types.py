"""The type of an expression's result."""

from collections.abc import Mapping

import polars as pl

from ml_platform.errors import DeclarationError
from ml_platform.spec.expression_rules import computed
from ml_platform.spec.expressions import RULES, columns_read, to_portable


def type_of(expression: pl.Expr, columns: Mapping[str, pl.DataType], where: str) -> pl.DataType:
    """The type of an expression's result on those columns.

    Args:
        expression: A polars expression over `columns`.
        columns: Column → polars type.
        where: What an error names as the culprit.

    Raises:
        DeclarationError: When the expression reads a column that is not among them or does not fit their types.

    >>> type_of(pl.col("delay") > 15, {"delay": pl.Float64()}, "label")
    Boolean
    """
    node = to_portable(expression, where)
    unknown = sorted(columns_read(node) - columns.keys())
    if unknown:
        raise DeclarationError(
            where,
            f"reads {', '.join(unknown)}, which does not exist or is not allowed here",
            remedy=f"It may read: {', '.join(columns)}.",
        )
    try:
        # Run, not planned: a plan does not look whether a function fits the type it is applied to.
        computed({**node, "rules": RULES}, columns)  # refuses what has no rule, also where none is needed
        read = {name: columns[name] for name in columns_read(node)}
        return pl.DataFrame(schema=read).select(computed(node, columns).value.alias("value")).schema["value"]
    except (pl.exceptions.PolarsError, ValueError) as error:
        raise DeclarationError(
            where, f"the expression does not fit its columns: {error}", remedy="See the types in the contract."
        ) from error
