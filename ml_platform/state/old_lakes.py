"""Migrates lakes that stored operational state in their own tables, once, when they are opened for writing.

The rows are copied in one transaction of the state. Then their tables are dropped in one transaction of the lake. If
the process is killed in between, the next opening completes the migration. The SQLite catalog is first copied to
`catalog.before-state.sqlite`. DuckLake also keeps the dropped tables in older snapshots until `maintain` expires them.
"""

import json
from collections.abc import Iterable
from contextlib import closing
from typing import Any

import polars as pl
from sqlalchemy import Table, insert, select

from ml_platform.errors import LakeError
from ml_platform.lake import sqlite_copies
from ml_platform.lake.connection import Lake
from ml_platform.lake.locking import hold_lock_file
from ml_platform.lake.lost_catalog import catalog_file
from ml_platform.lake.transaction import Author, write
from ml_platform.naming import quoted
from ml_platform.private_files import make_private
from ml_platform.settings import Settings
from ml_platform.state import alert_tables, schema
from ml_platform.state.clock import newest_on_record
from ml_platform.state.database import State
from ml_platform.state.lake_marks import refuse_mismatch
from ml_platform.state.old_results import blobs_shown, display_of, result_of
from ml_platform.state.results import to_json

SOURCE = "lake"
_BACKUP = "catalog.before-state.sqlite"
_OUTCOMES = {"fired": "triggered", "held back": "skipped", "forced": "manual"}
_DROPPED = (
    "platform.materializations",
    "platform.reads",
    "platform.files",
    "platform.landings",
    "platform.screenings",
    "platform.alerts",
    "platform.alert_deliveries",
    "registry.versions",
    "registry.verdicts",
    "registry.promotions",
)


_landing_key = (schema.landings.c.table_name, schema.landings.c.path, schema.landings.c.sha256)


def carry_over(lake: Lake, state: State) -> None:
    """Move state out of an older lake. Does nothing for a new or already migrated lake.

    Processes that open an old lake at the same moment do so one after the other. Raises StateError when state and
    lake do not belong together, LakeError when another process migrates it for longer than `lock_timeout` seconds.
    """
    if _progress(state) == "done":
        refuse_mismatch(state, lake)
        return
    path, timeout = lake.folder / "migration.lock", lake.settings.lock_timeout

    def busy() -> LakeError:
        return LakeError(
            f"Another process has been migrating the lake for {timeout:.0f} s and holds {path}.",
            remedy="Wait for its end, or raise ML_PLATFORM_LOCK_TIMEOUT.",
        )

    with hold_lock_file(path, timeout, busy):
        progress = _progress(state)
        if progress == "done":
            return
        lake.forget_tables()
        old = {name for name in _DROPPED if lake.columns(*name.split("."))}
        if progress is None and _DROPPED[0] not in old:  # not an old lake; other tables of these names are published
            refuse_mismatch(state, lake)
            with state.writing() as connection:
                connection.execute(insert(schema.imports).values(source=SOURCE, progress="done"))
            return
        if progress is None:
            _back_up(lake, old)
            _copy(lake, state, old)
        if old:
            _drop(lake, old)
        with state.writing() as connection:
            connection.execute(schema.imports.update().values(progress="done"))


def carried_over(settings: Settings) -> bool:
    """Whether the migration is complete, or not needed."""
    with closing(State(settings, read_only=True)) as state:
        return _progress(state) == "done"


def _progress(state: State) -> str | None:
    progress: str | None = state.value(select(schema.imports.c.progress).where(schema.imports.c.source == SOURCE))
    return progress


def _back_up(lake: Lake, old: set[str]) -> None:
    target = lake.folder / _BACKUP
    if not old or lake.settings.catalog.get_secret_value() or target.exists():
        return
    unfinished = target.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    catalog = catalog_file(lake.settings)
    with lake.locked("the catalog's backup"):
        problem = sqlite_copies.copy({catalog: unfinished})
    if problem:
        raise LakeError(
            f"The catalog {catalog} could not be copied before its lake is migrated: {problem}.",
            remedy="`ml-platform doctor` says what is damaged. Nothing was changed.",
        )
    make_private(unfinished)
    unfinished.rename(target)


def _copy(lake: Lake, state: State, old: set[str]) -> None:
    with state.writing() as connection:
        if connection.execute(select(schema.imports.c.source)).first() is not None:
            return  # another process was faster

        def put(table: Table, rows: Iterable[dict[str, Any]]) -> None:
            batch = list(rows)
            if batch:
                connection.execute(insert(table), batch)

        if "platform.materializations" in old:
            numbered, details = _records(lake, with_reads="platform.reads" in old)
            put(schema.records, numbered)
            put(schema.record_details, details)
        if "platform.files" in old:
            put(schema.files, _rows(lake, "platform.files", "recorded_at, rowid"))
            declared = {tuple(row) for row in connection.execute(select(*_landing_key))}
            landed = _rows(lake, "platform.landings", "recorded_at")
            by_content = {(r["table_name"], r["path"], r["sha256"]): r for r in landed}
            put(schema.landings, [row for key, row in by_content.items() if key not in declared])
            recorded = {
                (row[0], row[1])
                for row in connection.execute(select(schema.files.c.table_name, schema.files.c.file_id))
            }
            screened = _rows(lake, "platform.screenings", "recorded_at, rowid")
            newest = {(r["table_name"], r["file_id"], r["screening_key"]): r for r in screened}
            put(schema.screenings, [row for key, row in newest.items() if key[:2] in recorded])
        if "registry.versions" in old:
            put(schema.versions, _rows(lake, "registry.versions", "pipeline, version"))
            put(schema.verdicts, _rows(lake, "registry.verdicts", "recorded_at, rowid"))
            put(schema.promotions, _rows(lake, "registry.promotions", "seq"))
        if "platform.alerts" in old:
            put(alert_tables.alerts, _rows(lake, "platform.alerts", "raised_at, rowid"))
            put(alert_tables.alert_deliveries, _rows(lake, "platform.alert_deliveries", "recorded_at, rowid"))
        for pipeline in _deciding(lake):
            decided = _rows(lake, f"{quoted(pipeline)}.decisions", "recorded_at, rowid")
            put(schema.decisions, [_decision(row) for row in decided])
        state.stamp(after=newest_on_record(connection))  # what comes is later than what was copied
        connection.execute(insert(schema.imports).values(source=SOURCE, progress="copied"))


def _records(lake: Lake, *, with_reads: bool) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    inputs: dict[tuple[str, str, str], list[list[str]]] = {}
    if with_reads:
        for asset, partition, key, reads in lake.rows(
            "SELECT asset, partition, content_key, reads FROM platform.reads ORDER BY recorded_at"
        ):
            inputs[asset, partition, key] = [[r["asset"], r["partition"], r["content_key"]] for r in reads]
    numbered, details = [], []
    rows = lake.rows(
        "SELECT asset, partition, content_key, output, rows, details, run_id, recorded_at "
        "FROM platform.materializations ORDER BY recorded_at, rowid"
    )
    for number, (asset, partition, key, output, count, text, run_id, at) in enumerate(rows, start=1):
        old = json.loads(text)
        reads = [] if asset.startswith("raw/") else inputs.get((asset, partition, key))
        numbered.append(
            {
                "id": number,
                "asset": asset,
                "partition": partition,
                "content_key": key,
                "output": output,
                "rows": count,
                "result": to_json(result_of(asset, old)),
                "files": json.dumps(old.get("written", {})),
                "run_id": run_id,
                "recorded_at": at,
            }
        )
        display, checks = display_of(asset, old), old.get("checks", [])
        details.append(
            {
                "record_id": number,
                "display": json.dumps(display),
                "checks": json.dumps(checks),
                "blobs": json.dumps(sorted(blobs_shown([display, checks]))),
                "reads": json.dumps(reads),
            }
        )
    return numbered, details


def _rows(lake: Lake, table: str, order: str) -> list[dict[str, Any]]:
    frame: pl.DataFrame = lake.frame(f"FROM {table} ORDER BY {order}")
    return frame.to_dicts()


def _decision(row: dict[str, Any]) -> dict[str, Any]:
    evidence = json.loads(row["evidence"])
    evidence["since_triggered"] = evidence.pop("since_fired", None)
    evidence["manual"] = evidence.pop("forced", None)
    columns = ("pipeline", "decided_at", "reason", "policy", "run_id", "recorded_at")
    return {
        **{name: row[name] for name in columns},
        "partition": row["_partition"],
        "outcome": _OUTCOMES[row["outcome"]],
        "evidence": json.dumps(evidence),
    }


def _deciding(lake: Lake) -> list[str]:
    """The pipelines whose decisions stand in a table of their own."""
    rows = lake.rows(
        "SELECT schema_name FROM duckdb_tables() WHERE database_name = 'lake' AND table_name = 'decisions' "
        "AND schema_name <> 'registry' ORDER BY 1"
    )
    return [name for (name,) in rows]


def _drop(lake: Lake, old: set[str]) -> None:
    views = lake.rows("SELECT view_name FROM duckdb_views() WHERE database_name = 'lake' AND schema_name = 'lineage'")
    with write(lake, Author("state")) as tx:
        for (view,) in views:
            tx.execute(f"DROP VIEW lineage.{quoted(view)}")
        for name in sorted(old):
            tx.execute(f"DROP TABLE {name}")
        for pipeline in _deciding(lake):
            tx.execute(f"DROP TABLE {quoted(pipeline)}.decisions")
    lake.forget_tables()
