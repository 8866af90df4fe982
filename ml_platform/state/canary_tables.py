"""The table of canaries."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Double, ForeignKeyConstraint, Index, Table

from ml_platform.state.column_types import ID, text_column, time_column
from ml_platform.state.metadata import METADATA

# The append-only log of canaries (S58). A version answers a share of the keys from its "started" on (`state.canaries`).
canaries = Table(
    "canaries",
    METADATA,
    Column("seq", ID, primary_key=True, autoincrement=True),
    text_column("pipeline"),
    Column("version", BigInteger, nullable=False),
    text_column("action"),
    Column("share", Double, nullable=False),
    Column("max_error_share", Double, nullable=False),
    Column("max_latency_ratio", Double, nullable=False),
    text_column("evidence"),
    text_column("reason"),
    text_column("actor"),
    time_column("recorded_at"),
    ForeignKeyConstraint(["pipeline", "version"], ["versions.pipeline", "versions.version"]),
    CheckConstraint("action IN ('started', 'stopped', 'taken_back')", name="action"),
    Index(None, "pipeline", "seq"),
    sqlite_autoincrement=True,
)
