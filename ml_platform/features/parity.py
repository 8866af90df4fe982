"""Parity of serving and training: what examples touch in the online store, and the comparison of their answers with
the batch, bit for bit."""

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
from ml_platform.features.online.filling import columns_read, online_values
from ml_platform.features.online.passes import OnlinePass
from ml_platform.features.replayed_rows import materialized_rows
from ml_platform.features.rowwise import derive

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


def in_order(definition: FeatureDefinition, examples: pl.DataFrame) -> pl.DataFrame:
    """The columns of row_schema, in the order of time."""
    return examples.select(list(definition.row_schema)).sort(definition.at or list(definition.keys))


def answer_frame(definition: FeatureDefinition, answers: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """The features and statuses of single answers as columns, in their order."""
    return pl.DataFrame(answers, schema=answer_schema(definition), orient="row")


def answer_schema(definition: FeatureDefinition) -> dict[str, pl.DataType]:
    """The columns of features and statuses."""
    return {name: dtype for name, dtype in definition.schema.items() if name not in definition.row_schema}


def compared(
    definition: FeatureDefinition, examples: pl.DataFrame, batch: pl.DataFrame, online: pl.DataFrame, rows_read: int
) -> ParityReport:
    """Compare online answers, features and statuses of each example, with the columns of `batch` that it has."""
    names = definition.identity
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
