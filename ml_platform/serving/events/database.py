"""The events of one table in a SQLite file: the journal of what is not landed yet, and the rows that can still count.

The journal is the durable part. The rows are those of the validated table that can count, or be repeated or corrected,
and the events after them. They are made again whenever the online store is filled.
"""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ml_platform.errors import ServingError
from ml_platform.lake.locking import hold_lock_file
from ml_platform.private_files import create_private

TABLES_NUMBER = 3
OPEN, CLOSED, LANDED = (
    "open",
    "closed",
    "landed",
)  # of a group: rows come to it, it is whole, it is in the landing folder
_TABLES = f"""
CREATE TABLE meta (name TEXT PRIMARY KEY, value);
CREATE TABLE layouts (fingerprint BLOB PRIMARY KEY, definition TEXT NOT NULL);
CREATE TABLE groups (
    number INTEGER PRIMARY KEY AUTOINCREMENT, path TEXT NOT NULL, arrival INTEGER NOT NULL, columns TEXT NOT NULL,
    opened_at REAL NOT NULL, rows INTEGER NOT NULL, bytes INTEGER NOT NULL, status TEXT NOT NULL,
    partition TEXT NOT NULL DEFAULT ''
);
CREATE TABLE journal (
    number INTEGER PRIMARY KEY AUTOINCREMENT, group_number INTEGER NOT NULL, rows TEXT NOT NULL
);
CREATE INDEX journal_by_group ON journal (group_number, number);
PRAGMA user_version = {TABLES_NUMBER};
"""
# Files of the first number have no `row_partitions`: they are filled again, which makes it.
_UPGRADE = f"""
UPDATE meta SET value = 0 WHERE name = 'filled';
ALTER TABLE groups ADD COLUMN partition TEXT NOT NULL DEFAULT '';
PRAGMA user_version = {TABLES_NUMBER};
"""
_ROWS = """
id INTEGER PRIMARY KEY, partition TEXT NOT NULL, key BLOB NOT NULL, content BLOB NOT NULL, arrival INTEGER NOT NULL,
known INTEGER, usable INTEGER, superseded INTEGER, path TEXT NOT NULL, row INTEGER NOT NULL, number INTEGER NOT NULL,
values_of TEXT NOT NULL
"""
_LISTED = 500  # values of one IN (…)
_BUSY_SECONDS = 5.0


class EventDatabase:
    """The file of one table. One thread uses it.

    Raises:
        ServingError: For a file that cannot be opened, read or written, such as on a full disk.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with self.explained():
            create_private(path)
            self._connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
            try:
                for pragma in ("journal_mode = WAL", "synchronous = NORMAL"):
                    self._connection.execute(f"PRAGMA {pragma}")
                with self.locked(60.0):
                    number = self._connection.execute("PRAGMA user_version").fetchone()[0]
                    if number != TABLES_NUMBER:
                        self._connection.executescript(f"BEGIN IMMEDIATE; {_UPGRADE if number else _TABLES} COMMIT;")
            except BaseException:  # an interrupt too: nobody else has this connection, and so could close it
                self._connection.close()
                raise

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @contextmanager
    def locked(self, seconds: float) -> Iterator[None]:
        """Be the only one that changes events of the table, or what the online store has of them.

        seconds: to wait for another one that does so; ServingError after them.
        """

        def busy() -> ServingError:
            return ServingError(
                f"Events of {self.path.stem} are in use: others are taken, or landed, or the online store is filled.",
                remedy="Try it again.",
            )

        with hold_lock_file(self.path.with_suffix(".lock"), seconds, busy, poll=0.001):
            yield

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Raise what SQLite or the disk refuses as a ServingError."""
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise ServingError(
                f"The events in {self.path} cannot be read or written: {error}.",
                remedy="Make room, or mend the folder.",
            ) from error

    @contextmanager
    def writing(self) -> Iterator[None]:
        """A transaction; what was begun and not committed is taken back."""
        with self.explained():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            finally:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")

    def rows(self, sql: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """What a query gives."""
        with self.explained():
            return self._connection.execute(sql, parameters).fetchall()

    def each(self, sql: str) -> Iterator[Any]:
        """The same, one row at a time."""
        with self.explained():
            yield from self._connection.execute(sql)

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        """Change something, within `writing`."""
        self._connection.execute(sql, parameters)

    def execute_many(self, sql: str, parameters: Iterable[Sequence[Any]]) -> None:
        """The same with many parameters."""
        self._connection.executemany(sql, parameters)

    def rows_in(self, sql: str, values: Sequence[Any]) -> list[Any]:
        """What a query gives in which `{listed}` stands for the values, asked for some of them at a time."""
        answers = []
        for begin in range(0, len(values), _LISTED):
            some = values[begin : begin + _LISTED]
            answers += self.rows(sql.format(listed=", ".join("?" * len(some))), some)
        return answers

    def begin_rows(self, joins: int) -> None:
        """Make the table of rows anew, with a column `join_…` for the keys of each of so many joins."""
        columns = [f"join_{number} BLOB" for number in range(joins)]
        self.execute("DROP TABLE IF EXISTS rows")
        self.execute(f"CREATE TABLE rows ({', '.join([_ROWS, *columns])})")
        for name in ("key", *(f"join_{number}" for number in range(joins))):
            self.execute(f"CREATE INDEX rows_by_{name} ON rows ({name})")
        self.execute("CREATE UNIQUE INDEX rows_by_place ON rows (path, row, arrival)")
        self.execute("CREATE INDEX rows_by_number ON rows (number)")
        self.execute("DROP TABLE IF EXISTS row_partitions")
        self.execute("CREATE TABLE row_partitions (partition TEXT PRIMARY KEY)")

    def meta(self) -> dict[str, Any]:
        """What is on record of the rows, by name."""
        return dict(self.rows("SELECT name, value FROM meta"))

    def note(self, **values: Any) -> None:
        """Put that on record."""
        self.execute_many("INSERT OR REPLACE INTO meta VALUES (?, ?)", list(values.items()))

    @property
    def backlog(self) -> int:
        """Bytes of the events that are not landed yet."""
        ((size,),) = self.rows("SELECT coalesce(sum(bytes), 0) FROM groups WHERE status <> ?", [LANDED])
        return int(size)
