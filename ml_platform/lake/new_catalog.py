"""Makes the SQLite catalog of a lake. It gets its name when it is whole, also where the disk fills meanwhile."""

import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import duckdb

from ml_platform.errors import LakeError
from ml_platform.lake.disk_faults import explained
from ml_platform.lake.durable import sync_file, sync_folder


def make_catalog(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    catalog: Path,
    attach: Callable[[Path], str],
    set_up: Callable[[], None],
) -> None:
    """Make the catalog under another name, check it, and rename it. The caller holds the write lock.

    Args:
        connection: Where the lake is attached for the while.
        name: As what it is attached.
        catalog: The file to make. It is there whole after the call, or not at all.
        attach: The statement that attaches, and so makes, a catalog.
        set_up: What is to be done once it is attached.

    Raises:
        LakeError: When the disk is full, or what was made is not whole.
    """
    unfinished = catalog.with_name("catalog.unfinished.sqlite")
    _remove(unfinished)  # by a process that was killed right here
    try:
        with explained(catalog.parent):
            connection.execute(attach(unfinished))
            set_up()
            connection.execute(f"DETACH {name}")
            _check(unfinished)
            sync_file(unfinished)
            unfinished.rename(catalog)
            sync_folder(catalog.parent)
    except BaseException:  # an interrupt too: half a catalog must not get its name
        with suppress(duckdb.Error):  # it may not have come to be attached
            connection.execute(f"DETACH {name}")
        _remove(unfinished)
        raise


def _check(catalog: Path) -> None:
    """Bring into the file what waits in its log, which a rename would leave behind, and look whether all is there.

    DuckDB closes a catalog without a word when the disk has no room for what the log holds.
    """
    with closing(sqlite3.connect(catalog, isolation_level=None, timeout=1)) as opened:
        busy, *_ = opened.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        problems = [row[0] for row in opened.execute("PRAGMA integrity_check")]
        tables = {row[0] for row in opened.execute("SELECT name FROM sqlite_master")}
    unplayed_logs = [path for path in _with_logs(catalog)[1:] if path.exists() and path.stat().st_size]
    if busy or problems != ["ok"] or "ducklake_snapshot" not in tables or unplayed_logs:
        raise LakeError(
            f"The new catalog in {catalog.parent} is not whole: {'; '.join(problems)}.",
            remedy="Nothing was kept of it. Check the disk, and run again.",
        )


def _remove(catalog: Path) -> None:
    for path in _with_logs(catalog):
        path.unlink(missing_ok=True)


def _with_logs(catalog: Path) -> list[Path]:
    return [catalog.with_name(f"{catalog.name}{ending}") for ending in ("", "-wal", "-shm", "-journal")]
