"""`TimeSince`: the time since the latest row that meets a condition (S11a)."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from ml_platform.spec.expression_wording import expression_in_words, seconds_in_words, value_in_words
from ml_platform.spec.expressions import to_portable
from ml_platform.spec.features.conditions import check_condition, check_expression, condition_columns
from ml_platform.spec.features.word import JoinedFeature, On, Phrases, join_keys
from ml_platform.spec.tables import Table
from ml_platform.spec.vocabulary import word


@word
class TimeSince(JoinedFeature):
    """Seconds from the event_time of the latest usable row with the same key that meets a condition to `at` (S11a).

    The output is `<table>__time_since[_by_<on>]`, or `<as_>`. Give `as_` when two conditions use the same key. The
    output is null when there is no such row.

    Args:
        table: A table with an event time.
        on: The join: a column that both tables have, several of them, or example column → table column. None: all rows.
        where: A Boolean polars expression over the table's own columns. A null does not meet the condition.
        as_: The name of the output.

    Raises:
        DeclarationError: For a condition that is not a polars expression or not row-wise.

    >>> TimeSince("logins", on="customer", where=pl.col("failed"), as_="since_failed_login").outputs
    ('since_failed_login',)
    """

    table: str
    on: On | None
    where: Any
    as_: str | None = None

    def __post_init__(self) -> None:
        check_expression(self.where, self.title)

    @property
    def outputs(self) -> tuple[str, ...]:
        by = "_".join(self.keys)
        return (self.as_ or f"{self.table}__time_since" + (f"_by_{by}" if by else ""),)

    @property
    def keys(self) -> dict[str, str]:
        return join_keys(self.on)

    def output_types(self, table: Table) -> list[pl.DataType]:
        check_condition(self.where, table, self.title)
        return [pl.Float64()]

    def columns_behind(self) -> dict[str, tuple[str, ...]]:
        return {self.outputs[0]: condition_columns(self.where)}

    def in_words(self, phrases: Phrases) -> dict[str, str]:
        condition = expression_in_words(to_portable(self.where, "TimeSince.where"))
        row = f"the latest {self.joined_rows('row')} where {condition}"
        return {self.outputs[0]: f"seconds since {row} known {phrases.before}"}

    def of_example(self, example: Mapping[str, Any], phrases: Phrases) -> dict[str, str]:
        condition = expression_in_words(to_portable(self.where, "TimeSince.where"))
        return {self.outputs[0]: f"time since the latest of {self.rows_of(example, every='all ')} where {condition}"}

    def value_in_words(self, value: Any) -> str:
        return seconds_in_words(value) if isinstance(value, float) else value_in_words(value)
