"""The tables of searches and their trials (S62)."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Double, ForeignKey, Index, Table

from ml_platform.state.column_types import ID, text_column, time_column
from ml_platform.state.metadata import METADATA

# One row a search for parameters, under its content key; of equal keys the newest counts. `trainer`, `space`,
# `settings`, `folds`, `importance` and `comparison` are JSON (`state.searches.Search`).
searches = Table(
    "searches",
    METADATA,
    Column("id", ID, primary_key=True, autoincrement=True),
    *(text_column(name) for name in ("pipeline", "content_key", "training_set", "word", "trainer", "space")),
    *(text_column(name) for name in ("settings", "folds", "metric", "status", "ended_by")),
    Column("wanted", BigInteger, nullable=False),
    Column("best", BigInteger),
    *(text_column(name) for name in ("importance", "comparison", "error")),
    time_column("started_at"),
    time_column("ended_at", nullable=True),
    CheckConstraint("status IN ('running', 'done', 'failed', 'interrupted')", name="status"),
    Index(None, "content_key", "id"),
    Index(None, "pipeline", "id"),
    sqlite_autoincrement=True,
)

# One row a finished trial. `parameters`, `fold_values` and `constraints` are JSON.
trials = Table(
    "trials",
    METADATA,
    Column("search_id", ID, ForeignKey("searches.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    *(text_column(name) for name in ("status", "parameters", "fold_values", "constraints", "reason")),
    *(Column(name, Double) for name in ("value", "violation")),
    Column("seconds", Double, nullable=False),
    time_column("recorded_at"),
    CheckConstraint("status IN ('done', 'pruned', 'failed')", name="status"),
)
