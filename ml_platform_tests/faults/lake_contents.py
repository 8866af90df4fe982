"""What a lake holds, in a form in which two lakes can be compared."""

from collections import Counter
from typing import Any

from ml_platform.lake import data_files
from ml_platform.lake.connection import Lake
from ml_platform.naming import literal, quoted
from ml_platform.runtime.workspace import Workspace
from ml_platform.sources.raw_columns import FILE
from ml_platform.state import files, ledger, promotions, versions
from ml_platform.state.database import State

TablePart = tuple[str, str, str]  # schema, table, partition or file


def tables(lake: Lake) -> list[tuple[str, str, str]]:
    """(schema, table, the column that tells its parts apart) of every table that is made part by part."""
    columns_by_table = lake.rows(
        "SELECT schema_name, table_name, list(column_name) FROM duckdb_columns() "
        "WHERE database_name = 'lake' GROUP BY ALL ORDER BY ALL"
    )
    parts = [
        (schema, table, FILE if schema == "raw" else "_partition", columns)
        for schema, table, columns in columns_by_table
    ]
    return [(schema, table, part) for schema, table, part, columns in parts if part in columns]


def rows_by_part(lake: Lake) -> dict[TablePart, int]:
    """Rows of every part of every table, all as of one snapshot."""
    with lake.reading():
        counts = [
            f"SELECT {literal(schema)}, {literal(table)}, {quoted(part)}, count(*) "
            f"FROM {quoted(schema)}.{quoted(table)} GROUP BY ALL"
            for schema, table, part in tables(lake)
        ]
        return {(s, t, p): n for s, t, p, n in lake.rows(" UNION ALL ".join(counts))} if counts else {}


def checksums(lake: Lake) -> dict[str, tuple[int, int]]:
    """Rows of every table, and a sum over them that changes with any value of any row."""
    names = lake.rows("SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = 'lake' ORDER BY ALL")
    with lake.reading():
        return {
            f"{schema}.{table}": lake.rows(
                f"SELECT count(*), sum(hash(t)::HUGEINT) FROM {quoted(schema)}.{quoted(table)} t"
            )[0]
            for schema, table in names
        }


def duplicate_keys(lake: Lake, names: list[str]) -> dict[str, int]:
    """Keys that are there more than once, by table; only tables with any."""
    asked = {
        "validated.trips": "SELECT trip AS k FROM validated.trips WHERE _superseded_at IS NULL",
        "validated.drivers": "SELECT driver AS k FROM validated.drivers WHERE _superseded_at IS NULL",
        "raw.trips": f"SELECT ({FILE}, _row) AS k FROM raw.trips",
        "platform.profiles": "SELECT (table_name, partition, content_key, column_name) AS k FROM platform.profiles",
        "lineage.records": "SELECT id AS k FROM lineage.records",
        "lineage.reads": "SELECT (record_id, read_asset, read_partition, read_key) AS k FROM lineage.reads",
        "lineage.nodes": "SELECT (asset, partition, content_key) AS k FROM lineage.nodes",
        "lineage.files": 'SELECT ("table", path, version) AS k FROM lineage.files',
        "registry.versions": "SELECT (pipeline, version) AS k FROM registry.versions",
        "registry.trainings": "SELECT (pipeline, content_key) AS k FROM registry.versions",
        "registry.verdicts": "SELECT (pipeline, version, gate_key, slice) AS k FROM registry.verdicts WHERE measured",
        "registry.promotions": "SELECT seq AS k FROM registry.promotions",
        "registry.decisions": "SELECT id AS k FROM registry.decisions",
        "decisions": "SELECT (pipeline, partition) AS k FROM registry.decisions",
    }
    for name in names:
        if lake.columns(name, "features"):
            asked[f"{name}.features"] = f"SELECT trip AS k FROM {quoted(name)}.features"
        if lake.columns(name, "predictions"):
            asked[f"{name}.predictions"] = f"SELECT (key, version, role) AS k FROM {quoted(name)}.predictions"
    duplicates = {
        table: lake.value(f"SELECT count(*) FROM (SELECT k FROM ({query}) GROUP BY k HAVING count(*) > 1)")
        for table, query in asked.items()
    }
    return {table: count for table, count in duplicates.items() if count}


def recorded_twice(state: State) -> list[tuple[str, str]]:
    """(asset, partition) of outputs that were put on record more than once, which only processes at once may do."""
    made = [record for asset in ledger.assets(state) for record in ledger.history(state, asset)]
    counts = Counter((r.asset, r.partition, r.content_key) for r in made if not r.asset.startswith("raw/"))
    return [(asset, partition) for (asset, partition, _), count in counts.items() if count > 1]


def story(lake: Lake) -> dict[str, list[Any]]:
    """What the lake tells of everything on record once it is published: nodes and edges of the lineage, and files."""
    asked = {
        "nodes": "SELECT kind, asset, partition, content_key, output, rows, version, stands, reads "
        "FROM lineage.nodes WHERE kind <> 'promotion'",
        "edges": "FROM lineage.edges WHERE NOT ends_with(asset, '/promotions')",
        "files": 'SELECT "table", path, version, sha256, bytes, rows, arrival, status, error, file_id '
        "FROM lineage.files",
        "verdicts": "SELECT pipeline, version, gate_key, slice, passed, measured FROM registry.verdicts",
        "decisions": "SELECT pipeline, partition, decided_at, outcome FROM registry.decisions",
        "promotions": "SELECT pipeline, version, action, previous, partition, effective_at FROM registry.promotions",
    }
    return {name: lake.rows(f"FROM ({query}) ORDER BY ALL") for name, query in asked.items()}


def keys(state: State) -> dict[tuple[str, str], tuple[str, str]]:
    """(asset, partition) → content key and output of everything in the ledger."""
    records = [record for asset in ledger.assets(state) for record in ledger.latest(state, asset).items()]
    return {where: (record.content_key, record.output) for where, record in records}


def unfinished(state: State) -> list[str]:
    """File versions that were announced and are neither on record nor taken back."""
    names = [asset.removeprefix("raw/") for asset in ledger.assets(state) if asset.startswith("raw/")]
    return [file_id for name in names for file_id in files.unfinished(state, name)]


def champions(state: State, name: str) -> list[Any]:
    """The versions with what they were trained from, and the log of champions."""
    trained = [(v.version, v.content_key, v.training_set, v.bundle) for v in versions.versions(state, name)]
    log = [(e.version, e.action, e.partition, e.effective_at) for e in promotions.history(state, name)]
    return [trained, log]


def orphans(ws: Workspace, referenced: set[str]) -> list[str]:
    """Every file below the lake's tables, its staging folder and the blobs that nothing refers to."""
    lake, blobs = ws.lake, ws.blobs
    data_paths = data_files.paths(lake)
    orphaned = [path for path in lake.tables.rglob("*") if path.is_file() and path not in data_paths]
    orphaned += list((lake.folder / "staging").iterdir())
    orphaned += [p for p in blobs.folder.rglob("*") if p.is_file() and p.name not in referenced]
    return sorted(str(path) for path in orphaned)
