"""Parity of serving and training: examples answered from stored rows, singly and together, compared bit for bit
with the batch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

import duckdb
import numpy as np
import polars as pl

from ml_platform.features.definition import FeatureDefinition
from ml_platform.features.kinds.derived import layers
from ml_platform.features.offline import available_since
from ml_platform.features.online.answering import OnlineFeatures
from ml_platform.features.online.answering_many import OnlineFeaturesOfMany
from ml_platform.features.online.filling import columns_read, online_values
from ml_platform.features.online.passes import OnlinePass
from ml_platform.features.replayed_rows import materialized_rows
from ml_platform.features.rowwise import derive
from ml_platform.spec.durations import since_epoch

SHOWN = 100  # differences kept in a report


@dataclass(frozen=True)
class Difference:
    """One cell in which batch and online disagree. `example` holds its key and `at`."""

    example: dict[str, Any]
    column: str
    batch: Any
    online: Any


@dataclass(frozen=True)
class ParityReport:
    """`differing` counts cells; `differences` shows the first of them. `rows_read` is what the answers came from."""

    examples: int
    cells: int
    rows_read: int
    differing: int
    differences: tuple[Difference, ...]

    @property
    def identical(self) -> bool:
        """Whether every cell has the same bits."""
        return self.differing == 0


@dataclass(frozen=True)
class TouchedRows:
    """What the online store holds of the keys that some examples have, all versions of it.

    values: by pass its names and packed values. count: of rows in these. since: when the first row of each table with
    time became usable (S14).
    """

    values: tuple[tuple[OnlinePass, Mapping[bytes, bytes]], ...]
    count: int
    since: Mapping[str, datetime | None]

    @classmethod
    def by(
        cls,
        connection: duckdb.DuckDBPyConnection,
        definition: FeatureDefinition,
        examples: pl.DataFrame,
        tables: Mapping[str, str],
    ) -> Self:
        """What examples touch, given by the columns of row_schema."""
        features = OnlineFeatures(definition)
        early = derive(examples, layers([form for form in definition.derived if form.early], definition.schema))
        values, count = [], 0
        for name in dict.fromkeys(online_pass.table_name for online_pass in features.passes):
            passes = [online_pass for online_pass in features.passes if online_pass.table_name == name]
            columns = dict.fromkeys(column for online_pass in passes for column in columns_read(online_pass))
            with materialized_rows(connection, definition, name, early, tables[name], columns) as materialized:
                for online_pass in passes:
                    touched = dict(online_values(connection, online_pass, materialized))
                    count += sum(online_pass.layout.read(value).rows for value in touched.values())
                    values.append((online_pass, touched))
        return cls(tuple(values), count, available_since(connection, definition, tables))


def parity(
    connection: duckdb.DuckDBPyConnection,
    definition: FeatureDefinition,
    examples: pl.DataFrame,
    tables: Mapping[str, str],
    batch: pl.DataFrame,
) -> ParityReport:
    """Answer each example at its own time as a service does, alone and with all others, and compare with `batch`.

    examples: the columns of row_schema. batch: `compute`'s columns for (at least) these examples; a
    training set, which holds no statuses, is compared by the others.
    The rows whose keys the examples touch are packed as the online store holds them, all versions of them.
    """
    examples = in_order(definition, examples)
    touched = TouchedRows.by(connection, definition, examples, tables)
    features = OnlineFeatures(definition)
    values = {name: value for _, of_pass in touched.values for name, value in of_pass.items()}
    since = {name: since_epoch(moment) if moment is not None else None for name, moment in touched.since.items()}
    answers = []
    for example in examples.iter_rows(named=True):
        question = features.question(example)
        read = [values.get(name) if name is not None else None for name in question.keys]
        answers.append(features.answer(question, read, since).values)
    singly = compared(definition, examples, batch, answers, touched.count)
    of_many = OnlineFeaturesOfMany(features)
    asked = of_many.question(examples)
    answered = of_many.answer(asked, [[values.get(name) for name in names] for names in asked.names], since)
    together = answered.columns.drop(list(definition.row_schema)).to_dicts()
    return compared(definition, examples, batch, together, touched.count) if singly.identical else singly


def in_order(definition: FeatureDefinition, examples: pl.DataFrame) -> pl.DataFrame:
    """The columns of row_schema, in the order of time."""
    return examples.select(list(definition.row_schema)).sort(definition.at or list(definition.keys))


def compared(
    definition: FeatureDefinition,
    examples: pl.DataFrame,
    batch: pl.DataFrame,
    answers: Sequence[Mapping[str, Any]],
    rows_read: int,
) -> ParityReport:
    """Compare online answers, features and statuses of each example, with the columns of `batch` that it has."""
    names = definition.identity
    schema = {name: dtype for name, dtype in definition.schema.items() if name not in definition.row_schema}
    online = pl.DataFrame(answers, schema=schema, orient="row")
    outputs = [name for name in (*definition.outputs, *definition.status_columns) if name in batch.columns]
    theirs = examples.select(names).join(
        batch.select(*names, *outputs).unique(names, keep="any"),
        on=names,
        how="left",
        nulls_equal=True,
        maintain_order="left",
    )
    differences: list[Difference] = []
    differing = 0
    for column in outputs:
        for index in np.flatnonzero(~equal_bits(theirs[column], online[column])).tolist():
            differing += 1
            if len(differences) < SHOWN:
                example = examples.select(names).row(index, named=True)
                differences.append(Difference(example, column, theirs[column][index], online[column][index]))
    return ParityReport(len(examples), len(examples) * len(outputs), rows_read, differing, tuple(differences))


def equal_bits(a: pl.Series, b: pl.Series) -> Any:
    """Whether each cell has the same bits; null equals null and NaN equals NaN."""
    same = a.eq_missing(b)
    if a.dtype.is_float():
        first, second = (np.signbit(side.fill_null(0.0).to_numpy()) for side in (a, b))
        same = same & (pl.Series(first == second) | a.is_nan().fill_null(False))
    return same.to_numpy()
