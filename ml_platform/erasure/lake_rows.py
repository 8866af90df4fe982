"""Rows of an entity out of the tables of the lake, in one transaction a table."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager

import polars as pl
from sqlalchemy import select, update

from ml_platform.erasure.plan import Plan
from ml_platform.erasure.state_texts import FREE
from ml_platform.erasure.texts import Markers
from ml_platform.lake.connection import CATALOG
from ml_platform.lake.transaction import Author, Transaction, write
from ml_platform.naming import literal, quoted
from ml_platform.runtime.workspace import Workspace
from ml_platform.serving.batch import key_text
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.spec.tables import Table
from ml_platform.state.database import State
from ml_platform.state.schema import files as file_table
from ml_platform.state.stores import after

_AUTHOR = "erasure"
_WITH_TEXTS = ("platform", "registry", "lineage")  # schemas with texts for people


def remove_table_rows(ws: Workspace, table: Table, plan: Plan) -> dict[str, int]:
    """Remove the entity's rows from raw, validated and quarantine of a table; layer and table → rows that went."""
    rows = plan.rows.get(table.name, {})
    places = [(file, number) for file, numbers in rows.items() for number in numbers]
    frame = pl.DataFrame(places, schema={"file": pl.String, "number": pl.Int64}, orient="row")
    counts: dict[str, int] = {}
    with write(ws.lake, Author(f"{_AUTHOR}/{table.name}")) as tx, _given(tx, "places", frame):
        place = "_file = g.file AND _row = g.number"
        for layer in ("raw", "validated", "quarantine"):
            if ws.lake.columns(layer, table.name):
                counts[f"{layer}.{table.name}"] = _delete(tx, layer, table.name, "places", place)
        if ws.lake.columns("validated", table.name):
            keys = plan.keys(table)
            with _given(tx, "entity", keys):
                same = " AND ".join(f"t.{quoted(name)} = g.{quoted(name)}" for name in keys.columns)
                counts[f"validated.{table.name}"] += _delete(tx, "validated", table.name, "entity", same)
        if ws.lake.columns("platform", "profiles"):  # checks make those anew that they need
            tx.execute(f"DELETE FROM platform.profiles WHERE table_name = {literal(table.name)}")
        after(tx, ws.state, lambda: _count_rows(ws, table.name))
    return counts


def _count_rows(ws: Workspace, table: str) -> None:
    """Note how many raw rows each file version has now: a re-reading and a screening compare with that."""
    note_heights(ws.state, table, dict(ws.lake.rows(f"SELECT _file, count(*) FROM raw.{quoted(table)} GROUP BY ALL")))


def note_heights(state: State, table: str, rows: Mapping[str, int]) -> None:
    """Note how many raw rows the file versions of a table have."""
    mine = file_table.c.table_name == table
    with state.writing() as connection:
        recorded = state.rows(select(file_table.c.file_id, file_table.c.rows).where(mine, file_table.c.rows > 0))
        for file_id, before in recorded:
            if before > rows.get(file_id, 0):
                same = update(file_table).where(mine, file_table.c.file_id == file_id)
                connection.execute(same.values(rows=rows.get(file_id, 0)))


def remove_example_rows(ws: Workspace, pipeline: ModelPipeline, examples: pl.DataFrame, plan: Plan) -> dict[str, int]:
    """Remove what a pipeline has of the entity's examples: features, predictions, answers; table → rows that went."""
    counts: dict[str, int] = {}
    identity = list(pipeline.examples.keys)
    named = _named(pipeline, plan)
    keys = examples.select(identity).unique()
    texts = keys.select(key_text(tuple(identity)).alias("key"))
    for name in _tables_of(ws, pipeline.name):
        columns = ws.lake.columns(pipeline.name, name)
        with write(ws.lake, Author(f"{_AUTHOR}/{pipeline.name}")) as tx:
            gone = 0
            if set(identity) <= columns.keys():
                same = " AND ".join(f"t.{quoted(column)} = g.{quoted(column)}" for column in identity)
                with _given(tx, "keys", keys):
                    gone += _delete(tx, pipeline.name, name, "keys", same)
            elif columns.get("key") == "VARCHAR":
                with _given(tx, "keys", texts):
                    gone += _delete(tx, pipeline.name, name, "keys", "t.key = g.key")
            if columns.get("inputs") == "VARCHAR":  # answers to requests, also about examples that never landed
                gone += _delete_inputs(tx, pipeline.name, name, named)
        if gone:
            counts[f"{pipeline.name}.{name}"] = gone
    return counts


def _delete_inputs(tx: Transaction, schema: str, name: str, named: Mapping[str, tuple[str, ...]]) -> int:
    with _given(tx, "inputs_of", _input_values(named)):
        return _delete(tx, schema, name, "inputs_of", _same_inputs(named))


def _input_values(named: Mapping[str, tuple[str, ...]]) -> pl.DataFrame:
    return pl.DataFrame({f"v{number}": values for number, values in enumerate(named.values())})


def _same_inputs(named: Mapping[str, tuple[str, ...]]) -> str:
    paths = [literal(f"$.{quoted(column)}") for column in named]
    return " AND ".join(f"json_extract_string(t.inputs, {path}) = g.v{i}" for i, path in enumerate(paths))


def answers_about(ws: Workspace, pipeline: ModelPipeline, plan: Plan) -> int:
    """How many logged answers name the entity among their inputs, also where it never landed."""
    if "inputs" not in ws.lake.columns(pipeline.name, "served"):
        return 0
    named = _named(pipeline, plan)
    ws.lake.connection.register("forgotten_inputs", _input_values(named).to_arrow())
    try:
        held = f"EXISTS (SELECT 1 FROM temp.main.forgotten_inputs g WHERE {_same_inputs(named)})"
        return int(ws.lake.value(f"SELECT count(*) FROM {quoted(pipeline.name)}.served t WHERE {held}"))
    finally:
        ws.lake.connection.unregister("forgotten_inputs")


def _named(pipeline: ModelPipeline, plan: Plan) -> dict[str, tuple[str, ...]]:
    """Column of the examples → its values."""
    return dict(zip(plan.columns[pipeline.examples.table], zip(*plan.values, strict=True), strict=True))


def _tables_of(ws: Workspace, schema: str) -> list[str]:
    sql = "SELECT table_name FROM duckdb_tables() WHERE database_name = ? AND schema_name = ? ORDER BY 1"
    return [name for (name,) in ws.lake.rows(sql, [CATALOG, schema])]


@contextmanager
def _given(tx: Transaction, name: str, frame: pl.DataFrame) -> Iterator[None]:
    tx.lake.connection.register(f"forgotten_{name}", frame.to_arrow())
    try:
        yield
    finally:
        tx.lake.connection.unregister(f"forgotten_{name}")


def _delete(tx: Transaction, schema: str, name: str, given: str, condition: str) -> int:
    target = f"{quoted(schema)}.{quoted(name)}"
    held = f"EXISTS (SELECT 1 FROM temp.main.forgotten_{given} g WHERE {condition})"
    deleted = tx.execute(f"DELETE FROM {target} t WHERE {held}").fetchone()
    return int(deleted[0]) if deleted else 0


def redact_tables(
    ws: Workspace, markers: Markers, pipelines: Collection[str], besides: Collection[tuple[str, str]]
) -> int:
    """Take the entity out of texts in tables that have no rows of it, such as what a gate found; how many texts."""
    changed = 0
    ours = {*_WITH_TEXTS, *pipelines}
    sql = (
        "SELECT schema_name, table_name, column_name FROM duckdb_columns() "
        "SEMI JOIN duckdb_tables() USING (database_name, schema_name, table_name) "  # and no views
        "WHERE database_name = ? AND data_type = 'VARCHAR' ORDER BY ALL"
    )
    for schema, table, column in ws.lake.rows(sql, [CATALOG]):
        if (schema, table) in besides or schema not in ours:
            continue
        if column not in FREE or not markers:
            continue
        target, name = f"{quoted(schema)}.{quoted(table)}", quoted(column)
        texts = [text for (text,) in ws.lake.rows(f"SELECT DISTINCT {name} FROM {target} WHERE {name} IS NOT NULL")]
        hits = markers.among(texts)
        if hits:
            with write(ws.lake, Author(f"{_AUTHOR}/{schema}.{table}")) as tx:
                for position in hits:
                    old = texts[position]
                    tx.execute(f"UPDATE {target} SET {name} = ? WHERE {name} = ?", [markers.without(old), old])
            changed += len(hits)
    return changed
