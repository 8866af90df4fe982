"""Whether lake and operational state belong together: of one lake, and of one moment.

The state keeps a mark: the identity of its lake, and the newest snapshot about which it has a record. A catalog or a
state that was lost, emptied, or restored from another moment is refused by name, because work on such a pair would
skip what is missing, or number files and versions twice.
"""

import duckdb
from sqlalchemy import Connection, func, insert, select

from ml_platform.errors import StateError
from ml_platform.lake import data_files, snapshots
from ml_platform.lake.catalog_faults import damage_named
from ml_platform.lake.catalog_rows import catalog_rows
from ml_platform.lake.connection import CATALOG, Lake
from ml_platform.lake.lost_catalog import RESTORE, damaged_catalog, missing_state
from ml_platform.lake.newest_row import newest_row
from ml_platform.state import schema
from ml_platform.state.database import State

# Schemas that hold what a run made. Those of `publish` have tables, and no row, once a run was stopped before that.
_RUN = ("raw", "validated", "quarantine")
_OLD = "materializations"  # the table by which an early lake, which kept these rows itself, is known


def set_mark(connection: Connection, lake: str, snapshot: int) -> None:
    """Note, inside the transaction that records an output, the lake's identity and the snapshot that holds it."""
    table = schema.lake_marks
    changed = connection.execute(table.update().where(table.c.lake == lake).values(snapshot=snapshot))
    if not changed.rowcount:
        connection.execute(insert(table).values(lake=lake, snapshot=snapshot))


def mark_new(state: State, lake: Lake) -> None:
    """Note the lake's identity in a state that has no mark: a new one, or one that an older version made."""
    if state.value(select(schema.lake_marks.c.lake).limit(1)) is None:
        with state.writing() as connection:
            if connection.execute(select(schema.lake_marks.c.lake).limit(1)).first() is None:
                set_mark(connection, lake.identity, 0)


def ran(lake: Lake) -> bool:
    """Whether a run has written to the lake, so that an operational state must be there."""
    asked = "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = ?"
    tables = set(lake.connection.execute(asked, [CATALOG]).fetchall())
    return ("platform", _OLD) not in tables and any(schema in _RUN for schema, _ in tables)


def refuse_mismatch(state: State, lake: Lake) -> None:
    """Raise when state and lake are not of one lake and one moment, or when either was emptied.

    Raises StateError, or LakeError for a catalog that is damaged or names none of its files.
    """
    with damage_named(lake.settings):
        _refuse_mismatch(state, lake)


def _refuse_mismatch(state: State, lake: Lake) -> None:
    marks = state.rows(select(schema.lake_marks))
    newest_id = state.value(select(func.max(schema.records.c.id))) or 0
    if marks and lake.identity not in {mark.lake for mark in marks}:
        raise _of_another_lake(state, lake)
    marked = max((mark.snapshot for mark in marks if mark.lake == lake.identity), default=0)
    if marked and marked > (current := snapshots.newest(lake)):
        raise StateError(
            f"The lake in {lake.folder} is older than its operational state: its last snapshot is {current:,}, and the "
            f"state has records of snapshot {marked:,}. Nothing was changed.",
            remedy=RESTORE,
        )
    _refuse_older(state, lake, newest_id)
    _refuse_emptied(state, lake, newest_id)


def _of_another_lake(state: State, lake: Lake) -> StateError:
    return StateError(
        f"The operational state ({state.location}) is of another lake than the one in {lake.folder}. Nothing was "
        "changed.",
        remedy=RESTORE,
    )


def _refuse_older(state: State, lake: Lake, newest_id: int) -> None:
    try:
        newest = newest_row(lake, "lineage", "records", "id", ("asset", "partition", "content_key"))
    except duckdb.Error:
        if data_files.whole(lake, "lineage", "records"):
            raise
        return  # a file of it is lost: whoever opens the lake for writing sets it aside, and `run` fills it anew
    if newest is None:
        return
    published, *what = newest
    # Asked anew where needed: another process may have recorded and published in between.
    if published > newest_id and published > (newest_id := state.value(select(func.max(schema.records.c.id))) or 0):
        if newest_id == 0:
            raise missing_state(state.location, lake.folder)
        raise StateError(
            f"The operational state ({state.location}) is older than the lake: its last record is {newest_id:,}, and "
            f"the lake shows record {published:,}. Nothing was changed.",
            remedy=RESTORE,
        )
    table = schema.records.c
    recorded = state.rows(select(table.asset, table.partition, table.content_key).where(table.id == published))
    if recorded and list(recorded[0]) != what:  # as where a state without a mark comes from elsewhere
        raise _of_another_lake(state, lake)


def _refuse_emptied(state: State, lake: Lake, newest_id: int) -> None:
    if newest_id == 0:
        touched = [schema.files, schema.unfinished_files]
        if not any(state.value(select(func.count()).select_from(table)) for table in touched) and ran(lake):
            raise missing_state(state.location, lake.folder)
        return
    if catalog_rows(lake, "SELECT 1 FROM {catalog}ducklake_data_file LIMIT 1"):
        return
    stored = select(schema.files.c.id).where(schema.files.c.rows > 0).limit(1)
    if state.value(stored) is not None and any(path.is_file() for path in lake.tables.rglob("*")):
        raise damaged_catalog(lake.folder, "it names none of the files of its tables")
