"""Examples: what is predicted, when, from what, and what the answer is (S3, S16, S17)."""

import polars as pl

from ml_platform.errors import DeclarationError
from ml_platform.spec.durations import microseconds
from ml_platform.spec.expressions import to_portable
from ml_platform.spec.features import On
from ml_platform.spec.vocabulary import Several, word


@word
class Label:
    """The answer, from another table than the examples'.

    on:            example column(s) → table column(s).
    value:         an expression over the table's row; None: a row there means true.
    matures_after: no row by `at + matures_after` means false, known from then on. Without it, an
                   example without a row has no label.
    """

    table: str
    on: On
    value: pl.Expr | None = None
    matures_after: str | None = None

    def __post_init__(self) -> None:
        if self.value is not None:
            to_portable(self.value, "Label.value")
        if self.matures_after is not None:
            microseconds(self.matures_after, "Label.matures_after")
        if self.value is not None and self.matures_after is not None:
            raise DeclarationError(
                "Label", "matures_after= with value=", remedy="An absence can only stand for false: leave value out."
            )


@word
class Examples:
    """Rows of `table`, one example each.

    key:     the column(s) that name an example.
    at:      the prediction time; None for examples without time.
    inputs:  the columns of the example's own row that are known at `at`. All others are outcomes.
    exclude: inputs that are no features by themselves (they may still be join keys).
    label:   an expression over the row, a column, or a Label in another table.
    """

    table: str
    key: str | Several[str]
    inputs: Several[str]
    label: pl.Expr | str | Label
    at: str | None = None
    exclude: Several[str] = ()

    def __post_init__(self) -> None:
        if isinstance(self.label, pl.Expr):
            to_portable(self.label, "Examples.label")
        unknown = sorted(set(self.exclude) - set(self.inputs))
        if unknown:
            raise DeclarationError(
                "Examples",
                f"exclude= names what is no input: {', '.join(unknown)}",
                remedy="Only inputs can be excluded.",
            )

    @property
    def keys(self) -> tuple[str, ...]:
        return (self.key,) if isinstance(self.key, str) else tuple(self.key)

    @property
    def identity(self) -> tuple[str, ...]:
        """What tells one example from another (S16): key and `at`, each column once."""
        return tuple(dict.fromkeys([*self.keys, *([self.at] if self.at else [])]))

    @property
    def label_expression(self) -> pl.Expr | None:
        """The label over the example's own row; None when it lives in another table."""
        if isinstance(self.label, Label):
            return None
        return pl.col(self.label) if isinstance(self.label, str) else self.label
