"""`Since`: the time that has passed since the latest row (S11)."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from ml_platform.spec.expression_wording import seconds_in_words, value_in_words
from ml_platform.spec.features.word import JoinedFeature, On, Phrases, join_keys
from ml_platform.spec.tables import Table
from ml_platform.spec.vocabulary import word


@word
class Since(JoinedFeature):
    """Seconds from the event_time of the latest usable row with the same key to `at` (S11).

    The output is `<table>__since[_by_<on>]`, or `<as_>`. It is null when there is no such row.

    Args:
        table: A table with an event time.
        on: The join: a column that both tables have, several of them, or example column → table column. None: all rows.
        as_: The name of the output.

    >>> Since("logins", on="customer").outputs
    ('logins__since_by_customer',)
    """

    table: str
    on: On | None
    as_: str | None = None

    @property
    def outputs(self) -> tuple[str, ...]:
        by = "_".join(self.keys)
        return (self.as_ or f"{self.table}__since" + (f"_by_{by}" if by else ""),)

    @property
    def keys(self) -> dict[str, str]:
        return join_keys(self.on)

    def output_types(self, table: Table) -> list[pl.DataType]:
        return [pl.Float64()]

    def columns_behind(self) -> dict[str, tuple[str, ...]]:
        return {self.outputs[0]: ()}

    def in_words(self, phrases: Phrases) -> dict[str, str]:
        return {self.outputs[0]: f"seconds since the latest {self.joined_rows('row')} known {phrases.before}"}

    def of_example(self, example: Mapping[str, Any], phrases: Phrases) -> dict[str, str]:
        return {self.outputs[0]: f"time since the latest of {self.rows_of(example, every='all ')}"}

    def value_in_words(self, value: Any) -> str:
        return seconds_in_words(value) if isinstance(value, float) else value_in_words(value)
