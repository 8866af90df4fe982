"""What the values of a table can be, whatever came before: rules that hold on a first load too."""

from collections.abc import Mapping
from typing import Literal

import polars as pl
from pydantic import Field

from ml_platform.errors import DeclarationError
from ml_platform.naming import check_identifier
from ml_platform.spec.expression_types import type_of
from ml_platform.spec.expressions import to_portable
from ml_platform.spec.vocabulary import word


@word
class Plausible:
    """A check of each partition: almost no row has a value outside the bounds (S49).

    It rejects no row. Rows whose value is null or NaN are not judged.

    Args:
        name: An identifier; the check is called `plausible_<name>`.
        value: A row-wise polars expression over the table's columns that gives a number, such as a speed, a duration in
            minutes, or the hour of a time in a zone.
        low: The least plausible value, inclusive; None for no lower bound.
        high: The greatest plausible value, inclusive; None for no upper bound.
        at_most: The share of the judged rows of a partition that may lie outside, from 0, below 1.
        severity: error: the values mean something else than declared. warn: they are unusual.

    Raises:
        DeclarationError: For an expression that cannot be stored, no bound, bounds in the wrong order and a share out
            of range.

    >>> Plausible("mph", pl.col("miles") / pl.col("hours"), low=60, high=600).check_name
    'plausible_mph'
    """

    name: str
    value: pl.Expr
    low: float | None = None
    high: float | None = None
    at_most: float = Field(default=0.01, ge=0, lt=1)
    severity: Literal["error", "warn"] = "error"

    def __post_init__(self) -> None:
        where = f"Plausible({self.name!r})"
        check_identifier(self.name, where)
        to_portable(self.value, where)
        if self.low is None and self.high is None:
            raise DeclarationError(where, "low= and high= are missing", remedy="Give at least one of them.")
        if self.low is not None and self.high is not None and not self.low <= self.high:
            raise DeclarationError(where, f"low={self.low:g} is above high={self.high:g}", remedy="Exchange them.")

    @property
    def check_name(self) -> str:
        """The name of the check."""
        return f"plausible_{self.name}"

    @property
    def bounds(self) -> str:
        """The bounds in words, as they follow "outside" or "a value".

        >>> Plausible("mph", pl.col("speed"), high=600).bounds
        'up to 600'
        """
        if self.high is None:
            return f"{self.low:,g} and more"
        return f"up to {self.high:,g}" if self.low is None else f"{self.low:,g} to {self.high:,g}"

    def check_columns(self, columns: Mapping[str, pl.DataType], where: str) -> None:
        """Raise DeclarationError when the value reads other columns than these, or is no number."""
        kind = type_of(self.value, columns, where)
        if not kind.is_numeric():
            raise DeclarationError(
                where, f"its value is {kind} and no number", remedy="Give a number, such as .dt.total_minutes()."
            )
