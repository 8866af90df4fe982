"""The tables of experiments. Nothing that a pipeline does reads them (S46)."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Double, ForeignKey, Index, Table, Text

from ml_platform.state.column_types import ID, text_column, time_column
from ml_platform.state.metadata import METADATA

# One row an experiment, small enough that a list of many is read at once. `champion` is the version that it is compared
# with; `difference`, `low` and `high` are of the headline `metric`, positive where the experiment is better.
# `changes`, `parameters`, `metrics` and `tags` are JSON. `base_declaration` is the digest of what was changed.
experiments = Table(
    "experiments",
    METADATA,
    Column("id", ID, primary_key=True, autoincrement=True),
    *(text_column(name) for name in ("pipeline", "name", "partition", "status", "content_key", "training_key")),
    *(text_column(name) for name in ("training_set", "bundle", "base_declaration")),
    Column("champion", BigInteger),
    text_column("metric"),
    *(Column(name, Double) for name in ("value", "difference", "low", "high")),
    *(text_column(name) for name in ("changes", "parameters", "metrics", "tags", "actor", "error")),
    time_column("started_at"),
    time_column("ended_at", nullable=True),
    CheckConstraint("status IN ('running', 'done', 'failed', 'interrupted')", name="status"),
    Index(None, "pipeline", "id"),
    Index(None, "content_key"),
    Index(None, "training_key"),
    sqlite_autoincrement=True,
)

# What one experiment at a time is asked for; each is JSON (`state.experiments.Details`).
experiment_details = Table(
    "experiment_details",
    METADATA,
    Column(
        "experiment_id", ID, ForeignKey("experiments.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    ),
    *(
        text_column(name)
        for name in ("bounds", "environment", "durations", "comparisons", "verdicts", "curves", "why_incomparable")
    ),
)

# What people wrote about an experiment, in order.
experiment_notes = Table(
    "experiment_notes",
    METADATA,
    Column("id", ID, primary_key=True, autoincrement=True),
    Column("experiment_id", ID, ForeignKey("experiments.id", ondelete="CASCADE"), nullable=False),
    *(text_column(name) for name in ("actor", "text")),
    time_column("written_at"),
    Index(None, "experiment_id"),
    sqlite_autoincrement=True,
)

# Feature partitions and training sets that experiments made, by content key; `details` is JSON.
experiment_outputs = Table(
    "experiment_outputs",
    METADATA,
    Column("content_key", Text, primary_key=True),
    *(text_column(name) for name in ("digest", "details")),
)

# Which experiment uses which of them. What none uses any more is removed with the last.
experiment_uses = Table(
    "experiment_uses",
    METADATA,
    Column(
        "experiment_id", ID, ForeignKey("experiments.id", ondelete="CASCADE"), primary_key=True, autoincrement=False
    ),
    Column("content_key", Text, primary_key=True),
)

# The columns that a person chose for lists of runs; a JSON list.
run_columns = Table("run_columns", METADATA, Column("actor", Text, primary_key=True), text_column("columns"))
