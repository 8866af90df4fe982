"""One reading statement from a person: the engine of `ml-platform sql`."""

import re
from dataclasses import dataclass

import duckdb
import polars as pl

from ml_platform.errors import LakeError, QuestionRefused, sentence
from ml_platform.lake.connection import Lake
from ml_platform.lake.disk_faults import exhausted
from ml_platform.lake.query_functions import refuse_other_functions
from ml_platform.naming import literal

_EXPLAIN = re.compile(r"\s*EXPLAIN\s+(ANALYZE\s+)?(\([^()]*\)\s*)?", re.IGNORECASE)


@dataclass(frozen=True)
class Answer:
    """A result cut to a number of rows; `more` when there were others. `types` are DuckDB's, by column."""

    frame: pl.DataFrame
    types: dict[str, str]
    more: bool


def ask(lake: Lake, sql: str, *, limit: int | None = 1000) -> Answer:
    """The answer to one reading statement, without locks, from the last committed snapshot.

    Three things keep it to reading. The lake must be open read-only. Only functions that read are called. And from
    the first question on, this lake's connections read no file but those of its tables, and keep their configuration.
    Raises QuestionRefused for anything but one reading statement, and for SQL that fails.
    """
    if not lake.read_only:
        raise LakeError(
            "A query needs a lake that was opened read-only.", remedy="Open it with Lake(settings, read_only=True)."
        )
    connection = lake.connection
    _seal(lake)
    explained, statement = _one_reading(connection, sql)
    refuse_other_functions(connection, statement.query, lake.tables)
    try:
        if explained:
            plan = connection.execute(sql).pl()
            return Answer(plan, dict.fromkeys(plan.columns, "VARCHAR"), more=False)
        result = connection.sql(statement.query)
        types = {name: str(kind) for name, kind in zip(result.columns, result.types, strict=True)}
        frame = (result if limit is None else result.limit(limit + 1)).pl()
    except duckdb.Error as error:
        raise exhausted(error, lake.spill_folder) or QuestionRefused(
            f"The query failed: {sentence(str(error))}", remedy=_remedy(error)
        ) from None
    more = limit is not None and frame.height > limit
    return Answer(frame.head(limit) if limit is not None else frame, types, more)


def _remedy(error: duckdb.Error) -> str:
    """What lists what there is: of snapshots where the query asks for one (DuckLake gives that error no type)."""
    if "No snapshot found" in str(error):
        listing = "SELECT snapshot_id, snapshot_time FROM ducklake_snapshots('lake')"
        return f"`{listing}` lists those that there are; `ml-platform maintain` expires old ones."
    return "`SHOW ALL TABLES` lists what there is."


def _seal(lake: Lake) -> None:
    connection = lake.connection
    if connection.execute("SELECT current_setting('lock_configuration')").fetchone() == (True,):
        return
    for setting in (
        f"allowed_directories = [{literal(f'{lake.tables}/')}]",
        "enable_external_access = false",
        "python_enable_replacements = false",  # `FROM frame` is no variable of this process
        "lock_configuration = true",
    ):
        connection.execute(f"SET GLOBAL {setting}")


def _one_reading(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[bool, duckdb.Statement]:
    """Whether the plan is asked for, and the statement that reads.

    Parsing reads files, too (IMPORT DATABASE), so the connection must be sealed.
    """
    explain = _EXPLAIN.match(sql)
    try:
        # EXPLAIN ANALYZE runs what it explains, so that must be reading too.
        statements = connection.extract_statements(sql[explain.end() :] if explain else sql)
    except duckdb.Error as error:
        raise QuestionRefused(f"This is not SQL: {sentence(str(error))}", remedy="Write DuckDB's dialect.") from None
    if len(statements) != 1:
        raise QuestionRefused(
            f"Only one statement is allowed; these are {len(statements)}.", remedy="Run them one by one."
        )
    kind = statements[0].type.name  # SHOW, DESCRIBE, SUMMARIZE, FROM and VALUES are SELECT to the parser
    if kind != "SELECT":
        raise QuestionRefused(
            f"Only reading statements are allowed, and this is {kind}.",
            remedy="Change tables through pipelines, so that every row has its origin.",
        )
    return explain is not None, statements[0]
