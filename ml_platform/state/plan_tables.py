"""The tables that keep plans short: what a plan found settled, and when validated rows matter."""

from sqlalchemy import BigInteger, Column, ForeignKey, Table, Text

from ml_platform.state.column_types import ID, text_column
from ml_platform.state.metadata import METADATA

# When the rows of a validated partition matter (`state.spans`), in microseconds since 1970.
record_spans = Table(
    "record_spans",
    METADATA,
    Column("record_id", ID, ForeignKey("records.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("first_usable", BigInteger),
    Column("last_relevant", BigInteger),
    Column("first_known", BigInteger),
    Column("last_known", BigInteger),
    Column("newest_event", BigInteger),
)

# What the last complete plan of a pipeline found to need no work, one row a pipeline (`state.settled_plans`).
# `others` and `outdated` are JSON lists of partitions, `marks` and `ends` are JSON objects.
settled_plans = Table(
    "settled_plans",
    METADATA,
    Column("pipeline", Text, primary_key=True),
    text_column("declared"),
    text_column("through"),
    text_column("others"),
    text_column("outdated"),
    text_column("marks"),
    text_column("ends"),
)
