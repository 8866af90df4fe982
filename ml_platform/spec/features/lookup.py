"""`Lookup`: columns of a table without time (S12)."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, ClassVar, Self

import polars as pl

from ml_platform.spec.features.word import JoinedFeature, On, Phrases, join_keys
from ml_platform.spec.tables import Table
from ml_platform.spec.vocabulary import Several, word


@word
class Lookup(JoinedFeature):
    """Columns of a table without time, by key, as the table was by arrival at `at` (S12).

    The outputs are `<table>__<column>`, or `<as_>__<column>`. The column `<prefix>__status` says whether there was a
    row: ok, unknown or assumed.

    Args:
        table: A table without an event time.
        on: The join: a column that both tables have, several of them, or example column → table column.
        take: The columns to read.
        as_: A prefix for the outputs, instead of the table's name.

    >>> Lookup("planes", on="tailnum", take=["seats", "year"]).outputs
    ('planes__seats', 'planes__year')
    """

    timed: ClassVar[bool] = False
    output_parameters: ClassVar[tuple[str, ...]] = ("take",)

    table: str
    on: On
    take: Several[str]
    as_: str | None = None

    @property
    def outputs(self) -> tuple[str, ...]:
        return tuple(f"{self.as_ or self.table}__{column}" for column in self.take)

    def without(self, outputs: Collection[str]) -> tuple[Self, ...]:
        remaining = [column for column, output in zip(self.take, self.outputs, strict=True) if output not in outputs]
        return (replace(self, take=remaining),) if remaining else ()

    @property
    def status(self) -> str:
        return f"{self.as_ or self.table}__status"

    @property
    def keys(self) -> dict[str, str]:
        return join_keys(self.on)

    @property
    def statuses(self) -> dict[str, tuple[Any, ...]]:
        return {self.status: ()}

    def output_types(self, table: Table) -> list[pl.DataType]:
        self.check_columns(table, *self.take)
        return [table.stored_columns[column] for column in self.take]

    def columns_behind(self) -> dict[str, tuple[str, ...]]:
        return {output: (column,) for output, column in zip(self.outputs, self.take, strict=True)}

    def in_words(self, phrases: Phrases) -> dict[str, str]:
        row = f"the {self.joined_rows('row')}"
        taken = zip(self.outputs, self.take, strict=True)
        return {output: f"{phrases.column(self.table, column)} of {row}" for output, column in taken}

    def of_example(self, example: Mapping[str, Any], phrases: Phrases) -> dict[str, str]:
        row = self.rows_of(example)
        taken = zip(self.outputs, self.take, strict=True)
        return {output: f"{phrases.unit(self.table, column)} of {row}" for output, column in taken}
