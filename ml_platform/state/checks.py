"""Results of checks on partitions of validated tables, by which promotions are blocked (S37).

Rows are only added. The newest row of a table, partition and check counts.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Literal

from sqlalchemy import ColumnElement, Connection, delete, func, insert, select

from ml_platform.state.check_tables import checks as table
from ml_platform.state.check_tables import unchecked_partitions as unchecked
from ml_platform.state.database import State

Severity = Literal["error", "warn"]


@dataclass(frozen=True)
class CheckRow:
    """The result of one check on one partition. `content_key` is that of the rows that were checked."""

    table_name: str
    partition: str
    content_key: str
    name: str
    severity: Severity
    passed: bool
    value: float | None
    threshold: float | None
    description: str
    run_id: str = ""
    recorded_at: datetime | None = None

    @property
    def blocks(self) -> bool:
        """Whether it keeps a candidate that reads the partition from being promoted."""
        return not self.passed and self.severity == "error"


_COLUMNS = [table.c[field.name] for field in fields(CheckRow)]


def expect(state: State, table_name: str, partition: str) -> None:
    """Note that the partition was written and its checks are to come. `record` ends this."""
    with state.writing() as connection:
        if not _is_expected(connection, table_name, partition):
            connection.execute(insert(unchecked).values(table_name=table_name, partition=partition))


def record(state: State, table_name: str, partition: str, rows: Sequence[CheckRow]) -> None:
    """Add the results of every check on one partition. What stands already is not added again."""
    with state.writing() as connection:
        add(state, table_name, rows)
        mine = (unchecked.c.table_name == table_name, unchecked.c.partition == partition)
        connection.execute(delete(unchecked).where(*mine))


def add(state: State, table_name: str, rows: Sequence[CheckRow]) -> None:
    """Add results on any partitions of a table, as far as they differ from the newest of their check."""
    with state.writing() as connection:
        partitions = {row.partition for row in rows}
        newest = {(row.partition, row.name): _result(row) for row in standing(state, table_name, partitions)}
        for row in rows:
            if newest.get((row.partition, row.name)) != _result(row):
                connection.execute(insert(table).values({**asdict(row), "recorded_at": state.stamp()}))


def standing(state: State, table_name: str, partitions: Collection[str]) -> list[CheckRow]:
    """The newest result of every check on these partitions of a table, in the order of recording."""
    mine = (table.c.table_name == table_name, table.c.partition.in_(sorted(partitions)))
    newest = select(func.max(table.c.id)).where(*mine)
    newest = newest.group_by(table.c.partition, table.c.name)
    return [CheckRow(*row) for row in state.rows(select(*_COLUMNS).where(table.c.id.in_(newest)).order_by(table.c.id))]


def failed(state: State) -> list[CheckRow]:
    """The newest results that block, of all tables. Inside `reading()` they are read once."""
    return state.once("failed checks", lambda: _failed(state))


def failed_of(state: State, table_name: str) -> list[CheckRow]:
    """The newest results that block, of one table."""
    return _failed(state, table.c.table_name == table_name)


def unfinished(state: State) -> set[tuple[str, str]]:
    """(table, partition) of what was written and not checked. Inside `reading()` it is read once."""
    chosen = select(unchecked.c.table_name, unchecked.c.partition)
    return state.once("unchecked partitions", lambda: {(row[0], row[1]) for row in state.rows(chosen)})


def _failed(state: State, *where: ColumnElement[bool]) -> list[CheckRow]:
    newest = select(func.max(table.c.id)).where(*where).group_by(table.c.table_name, table.c.partition, table.c.name)
    chosen = select(*_COLUMNS).where(table.c.id.in_(newest), ~table.c.passed, table.c.severity == "error")
    return [CheckRow(*row) for row in state.rows(chosen.order_by(table.c.id))]


def _is_expected(connection: Connection, table_name: str, partition: str) -> bool:
    mine = select(unchecked.c.partition).where(unchecked.c.table_name == table_name, unchecked.c.partition == partition)
    return connection.execute(mine).first() is not None


def _result(row: CheckRow) -> tuple[object, ...]:
    return row.content_key, row.severity, row.passed, row.value, row.threshold, row.description
