"""Groups of events: the rows that land as one file, with one path and one arrival.

The first content of a key is known as declared, whenever it arrived, so such rows share the group that is open. What
counts from its arrival on, a correction or a row of a table without time, lands with the others of its request.

A group is of one partition of the table: the same key may stand in two, and in one file that would be a conflict.
"""

import json
from dataclasses import dataclass

from ml_platform.features.types import type_form
from ml_platform.serving.events.database import CLOSED, OPEN, EventDatabase
from ml_platform.serving.events.tables import EventTable
from ml_platform.sources.event_files import event_file_path

SECONDS = 60.0  # after which an open group is closed
BYTES = 32_000_000  # from which on it is


@dataclass
class Group:
    """A group as it is on record. `columns`: name and type of each column, as JSON."""

    number: int
    path: str
    arrival: int
    columns: str
    rows: int
    status: str
    partition: str

    def append(self, database: EventDatabase, text: str, rows: int) -> None:
        """Write encoded rows to the journal, within a transaction."""
        size = len(text.encode())
        database.execute("INSERT INTO journal (group_number, rows) VALUES (?, ?)", [self.number, text])
        database.execute(
            "UPDATE groups SET rows = rows + ?, bytes = bytes + ?, "
            "status = CASE WHEN bytes + ? >= ? THEN ? ELSE status END WHERE number = ?",
            [rows, size, size, BYTES, CLOSED, self.number],
        )


def columns_of(table: EventTable) -> str:
    """The columns of a table's events, as groups note them."""
    return json.dumps([[name, type_form(dtype, name)] for name, dtype in table.columns.items()])


def groups(database: EventDatabase, *statuses: str) -> list[Group]:
    """The groups of these statuses, oldest first."""
    listed = ", ".join("?" * len(statuses))
    columns = "number, path, arrival, columns, rows, status, partition"
    sql = f"SELECT {columns} FROM groups WHERE status IN ({listed}) ORDER BY number"
    return [Group(*row) for row in database.rows(sql, statuses)]


def open_group(database: EventDatabase, table: EventTable, partition: str, arrival: int, now: float) -> Group:
    """The group of a partition that is open; a new one that arrives then where none is, or its columns are others."""
    columns = columns_of(table)
    for group in groups(database, OPEN):
        if group.columns != columns:
            close(database)
            break
        if group.partition == partition:
            return group
    return _begun(database, table, partition, arrival, now, OPEN)


def group_of_its_own(database: EventDatabase, table: EventTable, partition: str, arrival: int, now: float) -> Group:
    """A group for rows of a partition that arrive then."""
    return _begun(database, table, partition, arrival, now, CLOSED)


def close(database: EventDatabase, opened_before: float | None = None) -> None:
    """Close the open group.

    opened_before: by `time.time`, if it was opened before then, or a newer group waits to land.
    """
    if opened_before is None:
        database.execute("UPDATE groups SET status = ? WHERE status = ?", [CLOSED, OPEN])
    else:
        database.execute(
            "UPDATE groups SET status = ?1 WHERE status = ?2 "
            "AND (opened_at < ?3 OR number < (SELECT max(number) FROM groups WHERE status = ?1))",
            [CLOSED, OPEN, opened_before],
        )


def _begun(database: EventDatabase, table: EventTable, partition: str, arrival: int, now: float, status: str) -> Group:
    columns = columns_of(table)
    path = event_file_path(table.name, arrival)
    database.execute(
        "INSERT INTO groups (path, arrival, columns, opened_at, rows, bytes, status, partition) "
        "VALUES (?, ?, ?, ?, 0, 0, ?, ?)",
        [path, arrival, columns, now, status, partition],
    )
    ((number,),) = database.rows("SELECT max(number) FROM groups")
    return Group(number, path, arrival, columns, 0, status, partition)
