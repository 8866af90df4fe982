"""Parity of serving and training: examples replayed through the online state, compared bit for bit."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import duckdb
import numpy as np
import polars as pl

from ml_platform.features.definition import FeatureDefinition
from ml_platform.features.kinds.derived import layers
from ml_platform.features.offline import available_since
from ml_platform.features.online import OnlineState
from ml_platform.features.replayed_rows import touching
from ml_platform.features.rowwise import derive
from ml_platform.naming import quoted
from ml_platform.spec.durations import since_epoch
from ml_platform.validation.version_order import PATH

SHOWN = 100  # differences kept in a report
SINGLY = 25  # rows of each table that are fed one by one before an example; one costs what ten of many do
_PLATFORM = ("_file", "_row", "_arrival", "_known_at", "_usable_at", "_superseded_at")


@dataclass(frozen=True)
class Difference:
    """One cell in which batch and online disagree. `example` holds its key and `at`."""

    example: dict[str, Any]
    column: str
    batch: Any
    online: Any


@dataclass(frozen=True)
class ParityReport:
    """`differing` counts cells; `differences` shows the first of them. `rows_fed` went through the state."""

    examples: int
    cells: int
    rows_fed: int
    differing: int
    differences: tuple[Difference, ...]

    @property
    def identical(self) -> bool:
        """Whether every cell has the same bits."""
        return self.differing == 0


def parity(
    connection: duckdb.DuckDBPyConnection,
    definition: FeatureDefinition,
    examples: pl.DataFrame,
    tables: Mapping[str, str],
    batch: pl.DataFrame,
    *,
    singly: int | None = SINGLY,
) -> ParityReport:
    """Replay the rows that matter to `examples` through an OnlineState and compare with `batch`.

    examples: the columns of row_schema. batch: `compute`'s columns for (at least) these examples; a
    training set, which holds no statuses, is compared by the others.
    Only rows whose keys the examples touch are fed, in order of knowledge: the last `singly` of a table
    before each example one by one (None: all), those before them many at once, as serving fills its state.
    """
    names = definition.identity
    examples = examples.select(list(definition.row_schema)).sort(definition.at or list(definition.keys))
    online, fed = _replay(connection, definition, examples, tables, singly)
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
        for index in np.flatnonzero(~_equal(theirs[column], online[column])).tolist():
            differing += 1
            if len(differences) < SHOWN:
                example = examples.select(names).row(index, named=True)
                differences.append(Difference(example, column, theirs[column][index], online[column][index]))
    return ParityReport(len(examples), len(examples) * len(outputs), fed, differing, tuple(differences))


def _replay(
    connection: duckdb.DuckDBPyConnection,
    definition: FeatureDefinition,
    examples: pl.DataFrame,
    tables: Mapping[str, str],
    singly: int | None,
) -> tuple[pl.DataFrame, int]:
    wide = derive(examples, layers([form for form in definition.derived if form.early], definition.schema))
    state = OnlineState(definition, only=wide)
    for name, moment in available_since(connection, definition, tables).items():
        state.begin(name, moment)
    news = []
    for name, table in definition.tables.items():
        rows = _messages(table.key, _touched(connection, definition, name, wide, tables[name]))
        if table.timed:
            news.append(_Stream(name, rows))
        else:  # versions of rows without time may be learnt ahead
            state.learn_many(name, rows)
    answers = []
    for example in examples.iter_rows(named=True):
        for stream in news:
            stream.feed(state, until=example[definition.at or ""], singly=singly)
        answers.append(state.features(example))
    schema = {name: dtype for name, dtype in definition.schema.items() if name not in definition.row_schema}
    return pl.DataFrame(answers, schema=schema, orient="row"), sum(stream.fed for stream in news)


class _Stream:
    """What becomes known of one table, in order."""

    def __init__(self, table: str, rows: pl.DataFrame) -> None:
        self.table, self.rows, self.fed = table, rows, 0
        self._moments = rows["_moment"].dt.epoch("us").to_numpy()

    def feed(self, state: OnlineState, *, until: datetime, singly: int | None) -> None:
        """Feed what is known by `until`: the last `singly` rows one by one (None: all), those before them at once."""
        end = int(np.searchsorted(self._moments, since_epoch(until), side="right"))
        middle = self.fed if singly is None else max(self.fed, end - singly)
        if middle > self.fed:
            state.learn_many(self.table, self.rows.slice(self.fed, middle - self.fed))
        for row in self.rows.slice(middle, end - middle).iter_rows(named=True):
            state.learn(self.table, row)
        self.fed = end


def _touched(
    connection: duckdb.DuckDBPyConnection, definition: FeatureDefinition, name: str, examples: pl.DataFrame, sql: str
) -> pl.DataFrame:
    table = definition.tables[name]
    platform = _PLATFORM if table.key else (*_PLATFORM, PATH)
    columns = ", ".join(f"e.{quoted(column)}" for column in (*table.columns, *platform))
    with touching(connection, definition, name, examples, sql) as rows:
        frame = connection.execute(f"SELECT {columns} {rows}").pl()
    return frame.with_columns(pl.col(column).cast(dtype) for column, dtype in table.columns.items())


def _messages(key: tuple[str, ...], rows: pl.DataFrame) -> pl.DataFrame:
    """New versions at `_usable_at`, and ends that no new version brings about, by `_moment`."""
    seen = rows.filter(pl.col("_superseded_at").is_null() | (pl.col("_superseded_at") > pl.col("_usable_at")))
    ends = seen.filter(pl.col("_superseded_at").is_not_null())
    if key:
        follows = seen.select(*key, pl.col("_usable_at").alias("_superseded_at"))
        ends = ends.join(follows, on=[*key, "_superseded_at"], how="anti")
    begins = seen.with_columns(_superseded_at=pl.lit(None, rows.schema["_superseded_at"]))
    both = [
        begins.with_columns(_moment=pl.col("_usable_at"), _kind=pl.lit(0)),
        ends.with_columns(_moment=pl.col("_superseded_at"), _kind=pl.lit(1)),
    ]
    return pl.concat(both).sort("_moment", "_kind", "_arrival")


def _equal(a: pl.Series, b: pl.Series) -> Any:
    """Whether each cell has the same bits; null equals null and NaN equals NaN."""
    same = a.eq_missing(b)
    if a.dtype.is_float():
        first, second = (np.signbit(side.fill_null(0.0).to_numpy()) for side in (a, b))
        same = same & (pl.Series(first == second) | a.is_nan().fill_null(False))
    return same.to_numpy()
