"""Landing events: each group becomes one file of the landing folder, which ingestion reads like any other, once."""

import json
import time
from datetime import timedelta
from pathlib import Path

import polars as pl

from ml_platform.errors import ServingError
from ml_platform.features.types import type_of
from ml_platform.lake import durable
from ml_platform.lake.blobs import file_hash
from ml_platform.lake.disk_faults import explained
from ml_platform.lake.locking import hold_lock_file
from ml_platform.serving.events.database import CLOSED, LANDED, OPEN, EventDatabase
from ml_platform.serving.events.encoding import decoded
from ml_platform.serving.events.groups import SECONDS, Group, close, groups
from ml_platform.settings import Settings
from ml_platform.spec.durations import EPOCH
from ml_platform.state import files as file_records
from ml_platform.state.database import State

_WAIT = 1.0  # seconds, for who takes events


def land_events(state: State, table: str, database: EventDatabase, *, all_of_them: bool = False) -> int:
    """Land groups in the order in which they arrived; how many files.

    The open group lands when it is old, and with a newer one that is whole: a correction that landed before the row
    that it corrects would be the first content of its key. A group that a killed process landed is landed again under
    the same name with the same rows, which changes nothing.

    all_of_them: the open group, too, however old it is.

    Raises ServingError while another process lands groups of the table.
    """

    def busy() -> ServingError:
        return ServingError(f"Another process lands the events of {table}.", remedy="It is tried again.")

    with hold_lock_file(database.path.with_suffix(".landing.lock"), _WAIT, busy):
        return _land_waiting(state, table, database, all_of_them=all_of_them)


def _land_waiting(state: State, table: str, database: EventDatabase, *, all_of_them: bool) -> int:
    with database.locked(_WAIT):
        with database.writing():
            close(database, None if all_of_them else time.time() - SECONDS)
        waiting = groups(database, CLOSED)  # nobody changes these any more, and newer ones wait for the next time
    for group in waiting:
        _land(state, table, group, group_rows(state.settings, database, group))
        with database.writing():
            database.execute("UPDATE groups SET status = ? WHERE number = ?", [LANDED, group.number])
            database.execute("DELETE FROM journal WHERE group_number = ?", [group.number])
    return len(waiting)


def group_rows(settings: Settings, database: EventDatabase, group: Group) -> pl.DataFrame:
    """The rows of a group, from the journal or where they landed; none where that file is gone."""
    schema = {name: type_of(form) for name, form in json.loads(group.columns)}
    if group.status in (OPEN, CLOSED):
        sql = "SELECT rows FROM journal WHERE group_number = ? ORDER BY number"
        return decoded([row for (text,) in database.rows(sql, [group.number]) for row in json.loads(text)], schema)
    file = settings.landing / group.path
    return pl.read_parquet(file) if file.exists() else pl.DataFrame(schema=schema)


def _land(state: State, table: str, group: Group, rows: pl.DataFrame) -> None:
    target = state.settings.landing / group.path
    with explained(state.settings.landing):
        durable.make_folder(target.parent)
        whole = target.with_name(f".{target.name}.tmp")  # what a kill left of it is written over
        try:
            rows.write_parquet(whole)
            durable.sync_file(whole)
            arrival = EPOCH + timedelta(microseconds=group.arrival)
            file_records.declare_arrivals(state, table, [(group.path, file_hash(whole))], arrival)
            _put(whole, target)
        finally:
            whole.unlink(missing_ok=True)
        durable.sync_folder(target.parent)


def _put(whole: Path, target: Path) -> None:
    """Give a file its name, unless one of the same bytes has it: a new time of change would have it read again."""
    if not target.exists() or file_hash(target) != file_hash(whole):
        whole.replace(target)
