"""What Dagster keeps of an entity in DAGSTER_HOME: previews in its log of events, and what runs printed.

No part of Dagster is needed for it: its SQLite files hold JSON as text, and a value is taken out wherever it stands.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from ml_platform.erasure.texts import Markers
from ml_platform.lake import durable
from ml_platform.naming import quoted

_PAGE = 1000  # rows
_SEPARATE = ("postgres", "mysql")


def home() -> Path | None:
    """The folder of Dagster's instance; None without one."""
    named = os.environ.get("DAGSTER_HOME", "")
    return Path(named) if named and Path(named).is_dir() else None


def databases() -> list[Path]:
    """Its SQLite files."""
    folder = home()
    return [] if folder is None else sorted(path for path in folder.rglob("*.db") if path.is_file())


def elsewhere() -> bool:
    """Whether the instance names a database server, which nobody looks into here."""
    folder = home()
    file = None if folder is None else folder / "dagster.yaml"
    if file is None or not file.exists():
        return False
    lines = [line.partition("#")[0] for line in file.read_text(errors="replace").splitlines()]
    return any(kind in line for line in lines for kind in _SEPARATE)


def redact(markers: Markers) -> int:
    """Take the entity's values out of events and printed logs; how many texts changed."""
    folder, markers = home(), markers.but_dates()  # a partition, by which Dagster finds its events, may be named so
    if folder is None or not markers:
        return 0
    changed = sum(_redact_database(path, markers) for path in databases())
    for path in _printed(folder):
        content = path.read_bytes()
        if markers.are_in_bytes(content):
            durable.write(path, markers.without(content.decode(errors="replace")).encode())
            changed += 1
    return changed


def _printed(folder: Path) -> Iterator[Path]:
    for ending in ("*.out", "*.err", "*.log"):
        yield from (path for path in folder.rglob(ending) if path.is_file())


def _redact_database(path: Path, markers: Markers) -> int:
    changed = 0
    with closing(sqlite3.connect(path, timeout=60, isolation_level=None)) as database:
        for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            columns = [name for _, name, kind, *_ in database.execute(f"PRAGMA table_info({quoted(table)})")]
            for name in columns:
                changed += _redact_column(database, table, name, markers)
    return changed


def _redact_column(database: sqlite3.Connection, table: str, name: str, markers: Markers) -> int:
    changed, last = 0, -1
    target, column = quoted(table), quoted(name)
    while True:
        texts = f"rowid > ? AND typeof({column}) = 'text' ORDER BY rowid LIMIT {_PAGE}"
        rows = database.execute(f"SELECT rowid, {column} FROM {target} WHERE {texts}", [last]).fetchall()
        if not rows:
            return changed
        for position in markers.among([text for _, text in rows]):
            number, text = rows[position]
            database.execute(f"UPDATE {target} SET {column} = ? WHERE rowid = ?", [markers.without(text), number])
            changed += 1
        last = rows[-1][0]
