"""`Latest`: columns of the latest row (S10)."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, ClassVar, Self

import polars as pl

from ml_platform.spec.durations import microseconds
from ml_platform.spec.expression_wording import span_in_words
from ml_platform.spec.features.word import JoinedFeature, On, Phrases, join_keys
from ml_platform.spec.tables import Table
from ml_platform.spec.vocabulary import Several, word


@word
class Latest(JoinedFeature):
    """Columns of the latest usable row with the same key and event_time <= at - offset (S10).

    The outputs are `<table>__<column>`, or `<as_>__<column>`. With an offset, the table's name is followed by it. The
    column `<prefix>__status` says whether there was a row: ok, unknown or stale.

    Args:
        table: A table with an event time.
        on: The join: a column that both tables have, several of them, or example column → table column. None: all rows.
        take: The columns to read.
        max_age: A span such as "7d". A row older than this, counted back from at - offset, gives null (inclusive).
        offset: A span such as "1d": how long before `at` to look.
        as_: A prefix for the outputs, instead of the table's name.

    Raises:
        DeclarationError: For a text that is no span of time.

    >>> Latest("weather", on="airport", take=["temp"], offset="1d").outputs
    ('weather_1d_ago__temp',)
    """

    output_parameters: ClassVar[tuple[str, ...]] = ("take",)

    table: str
    on: On | None
    take: Several[str]
    max_age: str | None = None
    offset: str | None = None
    as_: str | None = None

    def __post_init__(self) -> None:
        for name in ("max_age", "offset"):
            if getattr(self, name) is not None:
                microseconds(getattr(self, name), f"Latest({self.table!r}, {name}=…)")

    @property
    def prefix(self) -> str:
        return self.as_ or (f"{self.table}_{self.offset}_ago" if self.offset else self.table)

    @property
    def outputs(self) -> tuple[str, ...]:
        return tuple(f"{self.prefix}__{column}" for column in self.take)

    def without(self, outputs: Collection[str]) -> tuple[Self, ...]:
        remaining = [column for column, output in zip(self.take, self.outputs, strict=True) if output not in outputs]
        return (replace(self, take=remaining),) if remaining else ()

    @property
    def status(self) -> str:
        return f"{self.prefix}__status"

    @property
    def keys(self) -> dict[str, str]:
        return join_keys(self.on)

    @property
    def statuses(self) -> dict[str, tuple[Any, ...]]:
        return {self.status: (self.max_age, self.offset)}

    def output_types(self, table: Table) -> list[pl.DataType]:
        self.check_columns(table, *self.take)
        return [table.stored_columns[column] for column in self.take]

    def columns_behind(self) -> dict[str, tuple[str, ...]]:
        return {output: (column,) for output, column in zip(self.outputs, self.take, strict=True)}

    def in_words(self, phrases: Phrases) -> dict[str, str]:
        row = f"the latest {self.joined_rows('row')} known {phrases.before}"
        if self.offset:
            row += f" as of {span_in_words(self.offset)} earlier"
        if self.max_age:
            row += f", at most {span_in_words(self.max_age)} old"
        taken = zip(self.outputs, self.take, strict=True)
        return {output: f"{phrases.column(self.table, column)} of {row}" for output, column in taken}

    def of_example(self, example: Mapping[str, Any], phrases: Phrases) -> dict[str, str]:
        row = f"the latest {self.rows_of(example)}"
        if self.offset:
            row += f", {span_in_words(self.offset)} earlier"
        taken = zip(self.outputs, self.take, strict=True)
        return {output: f"{phrases.unit(self.table, column)} of {row}" for output, column in taken}
