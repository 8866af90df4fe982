"""One reading statement from a person: the engine of `ml-platform sql`."""

import re
from dataclasses import dataclass

import duckdb
import polars as pl
from duckdb.sqltypes import DuckDBPyType

from ml_platform.errors import LakeError, QuestionRefused, first_line, sentence
from ml_platform.lake.connection import Lake
from ml_platform.lake.disk_faults import exhausted
from ml_platform.lake.query_functions import refuse_other_functions
from ml_platform.naming import literal, quoted

_GAP = r"(?>\s|--[^\n]*|/\*(?>.*?\*/))*+"  # white space and comments
# Kinds of statements that change no table: what they are for is done in a DuckDB of one's own.
_OF_PLAIN_DUCKDB = frozenset({"ATTACH", "COPY", "DETACH", "EXPORT", "LOAD", "PRAGMA", "SET", "VARIABLE_SET"})
_EXPLAIN = re.compile(
    rf"{_GAP}(EXPLAIN\b)(?:{_GAP}(ANALYZE)\b)?(?:{_GAP}(\(\s*(?:ANALYZE|FORMAT)\b[^()]*\)))?", re.IGNORECASE | re.DOTALL
)
# Polars has no such type, or drops a part of the value (the offset of a time), or shows how DuckDB stores it.
_SHOWN_AS_TEXT = frozenset({"interval", "union", "variant", "bit", "bignum", "geometry", "time with time zone"})


@dataclass(frozen=True)
class Answer:
    """A result cut to a number of rows; `more` when there were others.

    `types` are DuckDB's, by column. A column of a type that polars cannot hold, such as INTERVAL, is text in `frame`.
    """

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
    try:
        refuse_other_functions(connection, statement.query, lake.tables)
    except RecursionError:
        raise QuestionRefused(
            "The statement is nested too deeply to be looked at.", remedy="Write it with fewer terms, or in several."
        ) from None
    try:
        if explained:
            plan = connection.execute(f"{explained} {statement.query}").pl()
            return Answer(plan, dict.fromkeys(plan.columns, "VARCHAR"), more=False)
        result = connection.sql(statement.query)
        types = {name: str(kind) for name, kind in zip(result.columns, result.types, strict=True)}
        frame = _as_polars_holds_it(result if limit is None else result.limit(limit + 1)).pl()
    except duckdb.Error as error:
        # An internal error brings DuckDB's stack along.
        problem = first_line(error) if isinstance(error, duckdb.InternalException) else str(error)
        raise exhausted(error, lake.spill_folder) or QuestionRefused(
            f"The query failed: {sentence(problem)}", remedy=_remedy(error)
        ) from None
    more = limit is not None and frame.height > limit
    return Answer(frame.head(limit) if limit is not None else frame, types, more)


def _as_polars_holds_it(result: duckdb.DuckDBPyRelation) -> duckdb.DuckDBPyRelation:
    as_text = [_holds_text_only(kind) for kind in result.types]
    if not any(as_text):
        return result
    columns = [  # by position, because two may have one name
        f"{f'CAST(#{i} AS VARCHAR)' if text else f'#{i}'} AS {quoted(name)}"
        for i, (name, text) in enumerate(zip(result.columns, as_text, strict=True), 1)
    ]
    return result.project(", ".join(columns))


def _holds_text_only(kind: DuckDBPyType) -> bool:
    """Whether values of the type are shown as text, because they are, or hold, what polars cannot hold."""
    if kind.id in ("list", "array", "struct", "map"):
        parts = (part for _, part in kind.children)  # of an array also its size, which is a number
        return any(_holds_text_only(part) for part in parts if isinstance(part, DuckDBPyType))
    return kind.id in _SHOWN_AS_TEXT


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


def _one_reading(connection: duckdb.DuckDBPyConnection, sql: str) -> tuple[str, duckdb.Statement]:
    """The words that ask for the plan, empty for none, and the statement that reads.

    Parsing reads files, too (IMPORT DATABASE), so the connection must be sealed.
    """
    if not sql.isascii() and sql != sql.encode(errors="replace").decode():
        raise QuestionRefused("The statement is not UTF-8 text.", remedy="Write it in UTF-8.")
    explain = _EXPLAIN.match(sql)
    try:
        # EXPLAIN ANALYZE runs what it explains, so that must be reading too.
        statements = connection.extract_statements(sql[explain.end() :] if explain else sql)
    except duckdb.Error as error:
        raise QuestionRefused(f"This is not SQL: {sentence(str(error))}", remedy="Write DuckDB's dialect.") from None
    if len(statements) > 1 and not all(statement.query for statement in statements):
        # DuckDB makes one statement into several, of which one creates a type. Only PIVOT is such.
        raise QuestionRefused(
            "PIVOT without a list of values is refused: DuckDB creates a type for it.",
            remedy="List the values, as in PIVOT t ON c IN ('a', 'b') USING sum(v), or write "
            "SELECT sum(v) FILTER (c = 'a') AS a, sum(v) FILTER (c = 'b') AS b FROM t.",
        )
    if not statements:
        raise QuestionRefused("There is no statement.", remedy='Write one, as in `ml-platform sql "SHOW ALL TABLES"`.')
    if len(statements) != 1:
        raise QuestionRefused(
            f"Only one statement is allowed; these are {len(statements)}.", remedy="Run them one by one."
        )
    kind = statements[0].type.name  # SHOW, DESCRIBE, SUMMARIZE, FROM and VALUES are SELECT to the parser
    if kind != "SELECT":
        remedy = "Change tables through pipelines, so that every row has its origin."
        if kind in _OF_PLAIN_DUCKDB:
            remedy = "Attach the lake read-only in plain DuckDB for that: docs/sql.md shows how."
        raise QuestionRefused(f"Only reading statements are allowed, and this is {kind}.", remedy=remedy)
    return " ".join(filter(None, explain.groups())) if explain else "", statements[0]
