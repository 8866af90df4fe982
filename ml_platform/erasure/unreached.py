"""What an erasure cannot reach, named so that a person can see to it."""

from collections.abc import Iterator, Sequence

from sqlalchemy import select

from ml_platform.erasure import dagster_home, served, state_texts
from ml_platform.erasure.plan import Plan
from ml_platform.erasure.texts import Markers
from ml_platform.lake.connection import CATALOG
from ml_platform.naming import counted, listed, quoted
from ml_platform.runtime.workspace import Workspace
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state.schema import versions

_ALWAYS = (
    "Backups hold what they held: make a new one, and remove the older ones (`ml-platform backup FOLDER --keep 1`).",
    "Packages, exported wheels and other environments hold what went there: make them again, and forget there, too.",
    "Runs that were mirrored to MLflow, and files that people copied out of the data folder, are theirs to remove.",
)
_OWN = ("raw", "validated", "quarantine", "platform", "registry", "lineage", "main", "information_schema")


def unreached_places(ws: Workspace, pipelines: Sequence[ModelPipeline], plan: Plan, markers: Markers) -> Iterator[str]:
    """One sentence each: backups, copies elsewhere, sources that would bring the rows again, names of files."""
    tables = {table.name: table for pipeline in pipelines for table in pipeline.tables}
    for name in plan.columns:
        if name in tables and not tables[name].source.in_landing_folder:
            kind = type(tables[name].source).__name__
            yield f"{name} is read from elsewhere ({kind}): remove the rows there, or they may be read again."
        for path in plan.unread.get(name, ()):
            yield f"Raw rows of {path} could not be searched: clean refuses them, and no column is named as the key."
    for path in state_texts.paths_with_values(ws.state, markers):
        yield f"The name of the landed file {path} holds a value. The record of the file keeps that name."
    for segment in served.damaged_segments(ws.settings):
        if markers.are_in_bytes(segment.read_bytes()):
            yield f"The segment {segment} of the prediction log is damaged or in use, and holds a value."
    yield from _other_tables(ws, pipelines, plan)
    names = {pipeline.name for pipeline in pipelines}
    for name in sorted({row[0] for row in ws.state.rows(select(versions.c.pipeline).distinct())} - names):
        yield f"{name} is declared no more: its tables and training sets were not searched. Declare it and repeat this."
    if ws.settings.catalog.get_secret_value():
        yield "PostgreSQL keeps deleted rows until VACUUM FULL, and in its archives: see to the catalog's database."
    if dagster_home.elsewhere():
        yield "Dagster keeps its history in a database server: delete the runs of these assets there."
    yield from _ALWAYS


def _other_tables(ws: Workspace, pipelines: Sequence[ModelPipeline], plan: Plan) -> Iterator[str]:
    """Tables of people's own in the lake that have a column of that name with the value."""
    ours = {*_OWN, *(pipeline.name for pipeline in pipelines)}
    columns: dict[tuple[str, str], set[str]] = {}
    for schema, table, column in ws.lake.rows(
        "SELECT schema_name, table_name, column_name FROM duckdb_columns() WHERE database_name = ?", [CATALOG]
    ):
        if schema not in ours:
            columns.setdefault((schema, table), set()).add(column)
    for (schema, table), names in sorted(columns.items()):
        for own in set(plan.columns.values()):
            if not set(own) <= names:
                continue
            held = " OR ".join(
                "(" + " AND ".join(f"CAST({quoted(name)} AS VARCHAR) = ?" for name in own) + ")" for _ in plan.values
            )
            parameters = [text for value in plan.values for text in value]
            rows = ws.lake.value(f"SELECT count(*) FROM {quoted(schema)}.{quoted(table)} WHERE {held}", parameters)
            if rows:
                them = counted(int(rows), "row")
                yield f"{schema}.{table}, which no pipeline declares, has {them} with {listed(own)}."
