"""The table of what a tracking server was sent."""

from sqlalchemy import Column, Table, Text

from ml_platform.state.column_types import text_column, time_column
from ml_platform.state.metadata import METADATA

# One row a server and a run (`state.run_exports`). `sent` is the digest of what was sent; empty until all of it was.
run_exports = Table(
    "run_exports",
    METADATA,
    Column("server", Text, primary_key=True),
    Column("run", Text, primary_key=True),
    *(text_column(name) for name in ("remote_run", "sent", "error")),
    time_column("tried_at"),
)
