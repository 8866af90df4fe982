"""The table of challengers."""

from sqlalchemy import BigInteger, CheckConstraint, Column, ForeignKeyConstraint, Index, Table

from ml_platform.state.column_types import ID, text_column, time_column
from ml_platform.state.metadata import METADATA

# The append-only log of challengers (S28). A version shadows the champion from its "started" on (`state.challenges`).
challenges = Table(
    "challenges",
    METADATA,
    Column("seq", ID, primary_key=True, autoincrement=True),
    text_column("pipeline"),
    Column("version", BigInteger, nullable=False),
    text_column("action"),
    text_column("reason"),
    text_column("actor"),
    time_column("recorded_at"),
    ForeignKeyConstraint(["pipeline", "version"], ["versions.pipeline", "versions.version"]),
    CheckConstraint("action IN ('started', 'stopped')", name="action"),
    Index(None, "pipeline", "seq"),
    sqlite_autoincrement=True,
)
