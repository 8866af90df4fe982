"""What an erasure cannot reach, named so that a person can see to it."""

from collections.abc import Iterator, Sequence

from ml_platform.erasure import served, state_texts
from ml_platform.erasure.plan import Plan
from ml_platform.erasure.texts import Markers
from ml_platform.lake.connection import CATALOG
from ml_platform.naming import counted, listed, quoted
from ml_platform.runtime.workspace import Workspace
from ml_platform.spec.pipeline import ModelPipeline

_OWN = ("raw", "validated", "quarantine", "platform", "registry", "lineage", "main", "information_schema")


def unreached_places(
    ws: Workspace, pipelines: Sequence[ModelPipeline], plan: Plan, markers: Markers
) -> Iterator[str]:
    """One sentence each: backups, copies elsewhere, sources that would bring the rows again, names of files."""
    tables = {table.name: table for pipeline in pipelines for table in pipeline.tables}
    for name in plan.columns:
        if name in tables and not tables[name].source.in_landing_folder:
            kind = type(tables[name].source).__name__
            yield f"{name} comes from a source of its own ({kind}): remove the rows there, or they may be read again."
        for path in plan.unread.get(name, ()):
            yield f"Raw rows of {path} could not be searched: clean refuses the file, and no column is named as the key."
    for path in state_texts.paths_with_values(ws.state, markers):
        yield f"The name of the landed file {path} holds a value: rename it there; the record of the file keeps its name."
    for segment in served.damaged_segments(ws.settings):
        if markers.are_in_bytes(segment.read_bytes()):
            yield f"The segment {segment} of the prediction log is damaged or in use, and holds a value."
    yield from _other_tables(ws, pipelines, plan)
    yield "Backups hold what they held: make a new one, and remove the older ones (`ml-platform backup --keep 1`)."
    yield "Packages, exported wheels and promotions to other environments hold what they held (`ml-platform forget` there)."
    yield "Runs that were mirrored to MLflow, and files that people copied out of the data folder, are theirs to remove."


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
                yield f"{schema}.{table}, which no pipeline declares, has {counted(int(rows), 'row')} with {listed(own)}."
