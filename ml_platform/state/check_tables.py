"""The tables of check results; `schema` names them with all others."""

from sqlalchemy import Boolean, CheckConstraint, Column, Double, Index, Table, Text

from ml_platform.state.column_types import ID, text_column, time_column
from ml_platform.state.metadata import METADATA

# Results of checks on partitions of validated tables; the newest row of a table, partition and check
# counts (S37). `content_key` is that of the rows that were checked.
checks = Table(
    "checks",
    METADATA,
    Column("id", ID, primary_key=True, autoincrement=True),
    text_column("table_name"),
    text_column("partition"),
    text_column("content_key"),
    text_column("name"),
    text_column("severity"),
    Column("passed", Boolean, nullable=False),
    Column("value", Double),
    Column("threshold", Double),
    text_column("description"),
    text_column("run_id"),
    time_column("recorded_at"),
    CheckConstraint("severity IN ('error', 'warn')", name="severity"),
    Index(None, "table_name", "partition", "name", "id"),
    sqlite_autoincrement=True,
)

# Partitions of validated tables that were written and whose checks are not on record yet.
unchecked_partitions = Table(
    "unchecked_partitions",
    METADATA,
    Column("table_name", Text, primary_key=True),
    Column("partition", Text, primary_key=True),
)
