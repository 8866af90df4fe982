"""The online store in one SQLite file (WAL): readers never wait, and a filling is one transaction."""

import json
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from ml_platform.errors import ServingError
from ml_platform.private_files import make_database_private
from ml_platform.serving.online_store import Deployment, Filling

_SCHEMA = """
CREATE TABLE IF NOT EXISTS kept (name BLOB PRIMARY KEY, value BLOB NOT NULL, round INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS fillings (fingerprint BLOB PRIMARY KEY, round INTEGER NOT NULL, filling TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS deployments (pipeline TEXT PRIMARY KEY, version INTEGER, bundle TEXT, deployed_at TEXT);
"""
_UPSERT = (
    "INSERT INTO kept VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value, round = excluded.round"
)
_BUSY = 60.0  # seconds that a filling waits for another one


class SQLiteStore:
    """An OnlineStore in the file at `path`. Each thread has a connection of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._writing() as connection:
            if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'deployments'").fetchone():
                connection.executescript(_SCHEMA)  # it would wait for a filling that is under way
        make_database_private(path)

    def read(self, names: Sequence[bytes | None]) -> list[bytes | None]:
        asked = [name for name in names if name is not None]
        if not asked:
            return [None] * len(names)
        values = dict(self._connection().execute(_select(len(asked)), asked).fetchall())
        return [values.get(name) for name in names]

    def fill(self, fingerprint: bytes, values: Iterable[tuple[bytes, bytes]], filling: Filling) -> Filling:
        with self._writing() as connection:
            connection.execute("BEGIN IMMEDIATE")
            earlier = connection.execute("SELECT round FROM fillings WHERE fingerprint = ?", [fingerprint]).fetchone()
            number = earlier[0] + 1 if earlier else 1
            connection.execute(_UPSERT, (fingerprint, filling.bounds.packed(), number))
            count = size = 0
            for name, value in values:
                connection.execute(_UPSERT, (name, value, number))
                count, size = count + 1, size + len(value)
            connection.execute(
                "DELETE FROM kept WHERE name >= ? AND name < ? AND round < ?", [*_range(fingerprint), number]
            )
            counted = replace(filling, values=count, value_bytes=size)
            connection.execute(
                "INSERT OR REPLACE INTO fillings VALUES (?, ?, ?)", [fingerprint, number, _to_json(counted)]
            )
            connection.execute("COMMIT")
        return counted

    def fillings(self) -> Mapping[bytes, Filling]:
        rows = self._connection().execute("SELECT fingerprint, filling FROM fillings").fetchall()
        return {fingerprint: _from_json(text) for fingerprint, text in rows}

    def forget(self, fingerprint: bytes) -> None:
        with self._writing() as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("DELETE FROM kept WHERE name >= ? AND name < ?", _range(fingerprint))
            connection.execute("DELETE FROM fillings WHERE fingerprint = ?", [fingerprint])
            connection.execute("COMMIT")

    def deploy(self, deployment: Deployment) -> None:
        values = (deployment.pipeline, deployment.version, deployment.bundle, deployment.deployed_at.isoformat())
        with self._writing() as connection:
            connection.execute("INSERT OR REPLACE INTO deployments VALUES (?, ?, ?, ?)", values)

    def deployments(self) -> Mapping[str, Deployment]:
        rows = self._connection().execute("SELECT pipeline, version, bundle, deployed_at FROM deployments").fetchall()
        return {
            pipeline: Deployment(pipeline, version, bundle, datetime.fromisoformat(moment))
            for pipeline, version, bundle, moment in rows
        }

    def changes(self) -> int:
        return int(self._connection().execute("PRAGMA data_version").fetchone()[0])

    def close(self) -> None:
        with self._lock:
            for connection in self._opened:
                connection.close()
            self._opened.clear()

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self.path, timeout=_BUSY, isolation_level=None, check_same_thread=False)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA mmap_size = 268435456")
            self._local.connection = connection
            with self._lock:
                self._opened.append(connection)
        return connection

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """The thread's connection; what was begun and not committed is taken back."""
        try:
            connection = self._connection()
            yield connection
        except sqlite3.Error as error:
            raise ServingError(
                f"The online store {self.path} cannot be written: {error}.",
                remedy="Check the disk; the store can be deleted, and is filled again from the lake.",
            ) from error
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")


@cache
def _select(count: int) -> str:
    return f"SELECT name, value FROM kept WHERE name IN ({', '.join('?' * count)})"


def _range(fingerprint: bytes) -> list[bytes]:
    """Bounds of the names of a layout: a join key is JSON and never begins with 255."""
    return [fingerprint, fingerprint + b"\xff"]


def _to_json(filling: Filling) -> str:
    return json.dumps(asdict(filling), default=datetime.isoformat)


def _from_json(text: str) -> Filling:
    data: dict[str, Any] = json.loads(text)
    for name in ("horizon", "since", "filled_at"):
        data[name] = datetime.fromisoformat(data[name]) if data[name] else None
    return Filling(**data)
