"""Examples: what is predicted, when, from which inputs, and the label (S3, S16, S17)."""

import polars as pl

from ml_platform.errors import DeclarationError
from ml_platform.spec.durations import microseconds
from ml_platform.spec.expressions import to_portable
from ml_platform.spec.features import On
from ml_platform.spec.vocabulary import Several, word


@word
class Label:
    """A label that is read from another table than the examples'.

    Args:
        table: The table that contains the labels.
        on: The join: a column that both tables have, several of them, or example column → table column.
        value: An expression over the table's row. None: the existence of a row means true.
        matures_after: A span such as "7d". If no row is known by `at + matures_after`, the label is false and counts
            as known from that moment. Without it, an example without a row has no label.

    Raises:
        DeclarationError: For an expression that cannot be stored, a text that is no span, and `matures_after` together
            with `value`.

    >>> Label("fraud_reports", on="transaction", matures_after="30d").matures_after
    '30d'
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
                "Label", "matures_after= with value=", remedy="A missing row can only mean false: leave value out."
            )


@word
class Examples:
    """The rows to predict: each row of `table` is one example.

    Args:
        table: The table of the examples.
        key: The column or columns that identify an example. They are the table's primary key.
        inputs: Columns of the example's own row that are known at the prediction time. All other columns are outcomes.
        label: An expression over the row, a column, or a `Label` in another table.
        at: The column of the prediction time; None for examples without time.
        exclude: Inputs that the model does not see. They may still be join keys.

    Raises:
        DeclarationError: For a label that cannot be stored, and for `exclude` of a column that is no input.

    >>> Examples("flights", "flight", ["carrier"], label=pl.col("delay") > 15, at="departs").identity
    ('flight', 'departs')
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
                f"exclude= names columns that are no inputs: {', '.join(unknown)}",
                remedy="Only inputs can be excluded.",
            )

    @property
    def keys(self) -> tuple[str, ...]:
        """The key columns, also when `key` is a single name."""
        return (self.key,) if isinstance(self.key, str) else tuple(self.key)

    @property
    def identity(self) -> tuple[str, ...]:
        """The columns that identify an example (S16): the key and `at`, each column once."""
        return tuple(dict.fromkeys([*self.keys, *([self.at] if self.at else [])]))

    @property
    def label_expression(self) -> pl.Expr | None:
        """The label over the example's own row; None when the label is in another table."""
        if isinstance(self.label, Label):
            return None
        return pl.col(self.label) if isinstance(self.label, str) else self.label
