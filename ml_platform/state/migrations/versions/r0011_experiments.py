"""Experiments: their records, what they made, notes about them, and the columns that people list."""

import sqlalchemy as sa
from alembic import op

from ml_platform.state.column_types import ID, UtcDateTime

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "experiments",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        *_texts("pipeline", "name", "partition", "status", "content_key", "training_key"),
        *_texts("training_set", "bundle", "base_declaration"),
        sa.Column("champion", sa.BigInteger(), nullable=True),
        *_texts("metric"),
        *(sa.Column(name, sa.Double(), nullable=True) for name in ("value", "difference", "low", "high")),
        *_texts("changes", "parameters", "metrics", "tags", "actor", "error"),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint(
            "status IN ('running', 'done', 'failed', 'interrupted')", name=op.f("ck_experiments_status")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_experiments")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_experiments_pipeline_id"), "experiments", ["pipeline", "id"], unique=False)
    op.create_index(op.f("ix_experiments_content_key"), "experiments", ["content_key"], unique=False)
    op.create_index(op.f("ix_experiments_training_key"), "experiments", ["training_key"], unique=False)
    op.create_table(
        "experiment_details",
        sa.Column("experiment_id", ID, autoincrement=False, nullable=False),
        *_texts("bounds", "environment", "durations", "comparisons", "verdicts", "curves", "why_incomparable"),
        _of_an_experiment("experiment_details"),
        sa.PrimaryKeyConstraint("experiment_id", name=op.f("pk_experiment_details")),
    )
    op.create_table(
        "experiment_notes",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("experiment_id", ID, nullable=False),
        *_texts("actor", "text"),
        sa.Column("written_at", UtcDateTime(), nullable=False),
        _of_an_experiment("experiment_notes"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_experiment_notes")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_experiment_notes_experiment_id"), "experiment_notes", ["experiment_id"], unique=False)
    op.create_table(
        "experiment_outputs",
        *_texts("content_key", "digest", "details"),
        sa.PrimaryKeyConstraint("content_key", name=op.f("pk_experiment_outputs")),
    )
    op.create_table(
        "experiment_uses",
        sa.Column("experiment_id", ID, autoincrement=False, nullable=False),
        *_texts("content_key"),
        _of_an_experiment("experiment_uses"),
        sa.PrimaryKeyConstraint("experiment_id", "content_key", name=op.f("pk_experiment_uses")),
    )
    op.create_table(
        "run_columns", *_texts("actor", "columns"), sa.PrimaryKeyConstraint("actor", name=op.f("pk_run_columns"))
    )


def _of_an_experiment(table: str) -> sa.ForeignKeyConstraint:
    name = op.f(f"fk_{table}_experiment_id")
    return sa.ForeignKeyConstraint(["experiment_id"], ["experiments.id"], name=name, ondelete="CASCADE")
