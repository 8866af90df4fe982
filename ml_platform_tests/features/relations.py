"""Rows as dicts, as validated relations in a DuckDB of their own."""

from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import polars as pl

from ml_platform.errors import FeatureError
from ml_platform.features.definition import FeatureDefinition
from ml_platform.features.offline import available_since, compute
from ml_platform.features.online.answering import OnlineFeatures
from ml_platform.features.online.answering_many import OnlineFeaturesOfMany
from ml_platform.features.online.filling import online_values
from ml_platform.spec.durations import since_epoch
from ml_platform.spec.pipeline import ModelPipeline

Row = dict[str, Any]
TIME = pl.Datetime("us", "UTC")
PLATFORM = {
    "_file": pl.String(),
    "_path": pl.String(),
    "_row": pl.Int64(),
    "_arrival": TIME,
    "_known_at": TIME,
    "_usable_at": TIME,
    "_superseded_at": TIME,
}


def connect() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect(config={"threads": 2})
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def stored(connection: duckdb.DuckDBPyConnection, name: str, rows: list[Row], schema: dict[str, Any]) -> str:
    """A table `name` with these rows."""
    connection.register("_rows", pl.DataFrame(rows, schema=schema, orient="row").to_arrow())
    connection.execute(f"CREATE OR REPLACE TABLE {name} AS SELECT * FROM _rows")
    connection.unregister("_rows")
    return name


def validated(
    connection: duckdb.DuckDBPyConnection, pipeline: ModelPipeline, tables: dict[str, list[Row]]
) -> dict[str, str]:
    """The tables of a pipeline as validated relations."""
    return {
        table.name: stored(connection, f"v_{table.name}", tables.get(table.name, []), {**table.columns, **PLATFORM})
        for table in pipeline.tables
    }


def batch_features(
    connection: duckdb.DuckDBPyConnection,
    definition: FeatureDefinition,
    examples: list[Row],
    relations: dict[str, str],
    **options: Any,
) -> pl.DataFrame:
    """`compute` over these examples, as a frame."""
    name = compute(
        connection, definition, stored(connection, "v_examples", examples, definition.row_schema), relations, **options
    )
    frame = connection.execute(f"SELECT * FROM {name}").pl()
    connection.execute(f"DROP TABLE {name}")
    return frame


def online_answers(
    connection: duckdb.DuckDBPyConnection, definition: FeatureDefinition, relations: dict[str, str], examples: list[Row]
) -> list[Row]:
    """What is answered online for these examples, one at a time, from all rows of the relations."""
    features = OnlineFeatures(definition)
    values: dict[bytes, bytes] = {}
    for online_pass in features.passes:
        values |= online_values(connection, online_pass, relations[online_pass.table_name])
    moments = available_since(connection, definition, relations)
    since = {name: since_epoch(moment) if moment is not None else None for name, moment in moments.items()}
    answers = []
    for example in examples:
        question = features.question(example)
        read = [values.get(name) if name is not None else None for name in question.keys]
        answers.append(features.answer(question, read, since).values)
    _check_of_many(features, values, since, examples, answers)
    return answers


def _check_of_many(
    features: OnlineFeatures,
    values: dict[bytes, bytes],
    since: dict[str, int | None],
    examples: list[Row],
    answers: list[Row],
) -> None:
    """Check that all examples at once are answered as one at a time, to the same bits."""
    definition = features.definition
    frame = pl.DataFrame(
        [{name: example[name] for name in definition.row_schema} for example in examples],
        schema=definition.row_schema,
        orient="row",
    )
    of_many = OnlineFeaturesOfMany(features)
    question = of_many.question(frame)
    read = [[values.get(name) for name in names] for names in question.names]
    try:
        many = of_many.answer(question, read, since).columns.select(list(answers[0]))
    except FeatureError as error:  # as the batch refuses it; one example has no such bound
        assert "126 bits" in str(error)
        return
    assert [list(map(_bits, row.values())) for row in answers] == [list(map(_bits, row)) for row in many.rows()]


def _bits(value: Any) -> Any:
    return value.hex() if isinstance(value, float) else value


def version(
    row: Row,
    known: datetime | None,
    *,
    usable: datetime | None = None,
    until: datetime | None = None,
    arrival: datetime | None = None,
    place: int = 0,
) -> Row:
    """`row` as a version in the validated layout."""
    return {
        **row,
        "_file": "f",
        "_path": "f.csv",
        "_row": place,
        "_arrival": arrival or known,
        "_known_at": known,
        "_usable_at": usable or known,
        "_superseded_at": until,
    }


def ghost(row: Row, moment: datetime | None = None) -> Row:
    """A version that was replaced when it became usable: no feature sees it, but since then its table exists (S14)."""
    moment = moment or datetime(2000, 1, 1, tzinfo=UTC)
    return {
        **row,
        "_file": "ghost",
        "_row": 0,
        "_arrival": moment,
        "_known_at": moment,
        "_usable_at": moment,
        "_superseded_at": moment,
    }


HOUR = timedelta(hours=1)
