"""The online store in one SQLite file (WAL): readers never wait, and a filling is put in place in one transaction."""

import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path

from ml_platform.errors import ServingError
from ml_platform.features.online.rows import FINGERPRINT_BYTES
from ml_platform.private_files import create_private
from ml_platform.serving.online_store import Deployment, Filling, Role

# Values stand in a table with rowids: without, SQLite looks for their names among them, and reads take twice as long.
_TABLES = {
    "lake": "identity TEXT NOT NULL",
    "fillings": "fingerprint BLOB PRIMARY KEY, number INTEGER NOT NULL, filling TEXT NOT NULL",
    "stored_values": "name BLOB PRIMARY KEY, value BLOB NOT NULL, filling_number INTEGER NOT NULL",
    "marks": "table_name TEXT PRIMARY KEY, number INTEGER NOT NULL",
    "deployments": "pipeline TEXT, role TEXT, deployment TEXT NOT NULL, PRIMARY KEY (pipeline, role)",
}
_TABLES_NUMBER = 5  # of the tables and `Bounds`: a file of another one is emptied, and filled again
_UPSERT = (
    "INSERT INTO stored_values VALUES (?, ?, ?) "
    "ON CONFLICT (name) DO UPDATE SET value = excluded.value, filling_number = excluded.filling_number"
)
_UPSERT_GATHERED = (
    "INSERT INTO stored_values SELECT name, value, ? FROM temp.gathered WHERE true "
    "ON CONFLICT (name) DO UPDATE SET value = excluded.value, filling_number = excluded.filling_number"
)
_MOST_NAMES = 1_000  # that one statement reads
_BUSY_SECONDS = 60.0  # that a filling waits for another one


class SQLiteStore:
    """An OnlineStore in the file at `path`. Each thread has a connection of its own.

    Raises ServingError for a file that cannot be opened, read or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        create_private(path)
        with self._connected() as connection:
            if (
                _tables_number_of(connection) != _TABLES_NUMBER
            ):  # asked first: a filling that is under way would have to end
                self._begin_anew()

    def read(self, names: Sequence[bytes | None]) -> list[bytes | None]:
        present_names = [name for name in names if name is not None]
        if not present_names:
            return [None] * len(names)
        with self._connected() as connection:
            if len(present_names) <= _MOST_NAMES:
                values = dict(connection.execute(_select(len(present_names)), present_names).fetchall())
            else:
                values = _read_many(connection, present_names)
        return [values.get(name) for name in names]

    def fill(self, fingerprint: bytes, values: Iterable[tuple[bytes, bytes]], filling: Filling) -> Filling:
        # Making values may take minutes, and deployments and events are written meanwhile: so they are gathered first.
        with self._gathered(values) as (count, size), self._writing() as connection:
            earlier = connection.execute("SELECT number FROM fillings WHERE fingerprint = ?", [fingerprint]).fetchone()
            number = earlier[0] + 1 if earlier else 1
            connection.execute(_UPSERT, (fingerprint, filling.bounds.packed(), number))
            connection.execute(_UPSERT_GATHERED, [number])
            connection.execute(
                "DELETE FROM stored_values WHERE name >= ? AND name < ? AND filling_number < ?",
                [*_range(fingerprint), number],
            )
            counted = replace(filling, values=count, value_bytes=size)
            connection.execute(
                "INSERT OR REPLACE INTO fillings VALUES (?, ?, ?)", [fingerprint, number, counted.to_json()]
            )
        return counted

    def change(self, values: Mapping[bytes, bytes | None], table: str, number: int) -> None:
        with self._writing() as connection:
            numbers = dict(connection.execute("SELECT fingerprint, number FROM fillings").fetchall())
            filled = [(name, value) for name, value in values.items() if name[:FINGERPRINT_BYTES] in numbers]
            connection.executemany(
                _UPSERT,
                [(name, value, numbers[name[:FINGERPRINT_BYTES]]) for name, value in filled if value is not None],
            )
            connection.executemany(
                "DELETE FROM stored_values WHERE name = ?", [(name,) for name, value in filled if value is None]
            )
            connection.execute("INSERT OR REPLACE INTO marks VALUES (?, ?)", [table, number])

    def mark(self, table: str) -> int:
        with self._connected() as connection:
            row = connection.execute("SELECT number FROM marks WHERE table_name = ?", [table]).fetchone()
        return int(row[0]) if row else 0

    def fillings(self) -> Mapping[bytes, Filling]:
        with self._connected() as connection:
            rows = connection.execute("SELECT fingerprint, filling FROM fillings").fetchall()
        return {fingerprint: Filling.from_json(text) for fingerprint, text in rows}

    def forget(self, fingerprint: bytes) -> None:
        with self._writing() as connection:
            connection.execute("DELETE FROM stored_values WHERE name >= ? AND name < ?", _range(fingerprint))
            connection.execute("DELETE FROM fillings WHERE fingerprint = ?", [fingerprint])

    def belong_to(self, lake: str) -> None:
        with self._writing() as connection:
            row = connection.execute("SELECT identity FROM lake").fetchone()
            if row == (lake,):
                return
            for table in _TABLES:
                connection.execute(f"DELETE FROM {table}")
            connection.execute("INSERT INTO lake VALUES (?)", [lake])

    def deploy(self, deployment: Deployment) -> None:
        values = (deployment.pipeline, deployment.role, deployment.to_json())
        with self._writing() as connection:
            connection.execute("INSERT OR REPLACE INTO deployments VALUES (?, ?, ?)", values)

    def withdraw(self, pipeline: str, role: Role = "champion") -> None:
        with self._writing() as connection:
            connection.execute("DELETE FROM deployments WHERE pipeline = ? AND role = ?", [pipeline, role])

    def deployments(self, role: Role = "champion") -> Mapping[str, Deployment]:
        selected = "SELECT pipeline, deployment FROM deployments WHERE role = ?"
        with self._connected() as connection:
            rows = connection.execute(selected, [role]).fetchall()
        return {pipeline: Deployment.from_json(text) for pipeline, text in rows}

    def changes(self) -> int:
        with self._connected() as connection:
            return int(connection.execute("PRAGMA data_version").fetchone()[0])

    def close(self) -> None:
        with self._lock:
            for connection in self._connections:
                connection.close()
            self._connections.clear()

    def _begin_anew(self) -> None:
        with self._writing() as connection:
            if _tables_number_of(connection) == _TABLES_NUMBER:
                return
            for table, columns in _TABLES.items():
                connection.execute(f"DROP TABLE IF EXISTS {table}")
                connection.execute(f"CREATE TABLE {table} ({columns})")
            connection.execute(f"PRAGMA user_version = {_TABLES_NUMBER}")

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        """This thread's connection; what SQLite refuses is raised as a ServingError."""
        try:
            yield getattr(self._local, "connection", None) or self._connect()
        except sqlite3.Error as error:
            raise ServingError(
                f"The online store {self.path} cannot be read or written: {error}.",
                remedy="Check the disk. While nothing serves, the file can be deleted: it is filled again.",
            ) from error

    @contextmanager
    def _gathered(self, values: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[int, int]]:
        """The table `temp.gathered` with these names and values; how many they are, and the bytes of the values.

        SQLite has it in a temporary file that ends with the connection. Nothing of the store is locked.
        """
        with self._connected() as connection:
            connection.execute("CREATE TEMP TABLE gathered (name BLOB, value BLOB)")
            try:
                connection.execute("BEGIN")
                count = size = 0
                for name, value in values:
                    connection.execute("INSERT INTO temp.gathered VALUES (?, ?)", (name, value))
                    count, size = count + 1, size + len(value)
                connection.execute("COMMIT")
                yield count, size
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                connection.execute("DROP TABLE temp.gathered")

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction; what was begun and not committed is taken back."""
        with self._connected() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            finally:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        try:
            for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "mmap_size = 268435456"):
                connection.execute(f"PRAGMA {pragma}")
        except sqlite3.Error:
            connection.close()
            raise
        self._local.connection = connection
        with self._lock:
            self._connections.append(connection)
        return connection


def _read_many(connection: sqlite3.Connection, names: Sequence[bytes]) -> dict[bytes, bytes]:
    """The values of more names than one statement takes, all of one moment."""
    values: dict[bytes, bytes] = {}
    connection.execute("BEGIN")
    try:
        for first in range(0, len(names), _MOST_NAMES):
            some = names[first : first + _MOST_NAMES]
            padding = [None] * (_MOST_NAMES - len(some))
            values.update(connection.execute(_select(_MOST_NAMES), [*some, *padding]).fetchall())
    finally:
        connection.execute("COMMIT")  # nothing was written
    return values


def is_current(path: Path) -> bool:
    """Whether a store is in the file, and of this code: to open another one would empty it."""
    if not path.exists():
        return False
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            return _tables_number_of(connection) == _TABLES_NUMBER
    except sqlite3.Error:
        return False


@cache
def _select(count: int) -> str:
    return f"SELECT name, value FROM stored_values WHERE name IN ({', '.join('?' * count)})"


def _tables_number_of(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _range(fingerprint: bytes) -> list[bytes]:
    """Bounds of the names of a layout: a join key is JSON and never begins with 255."""
    return [fingerprint, fingerprint + b"\xff"]
