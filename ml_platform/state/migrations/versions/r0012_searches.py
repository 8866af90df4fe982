"""Searches for parameters, and their trials."""

import sqlalchemy as sa
from alembic import op

from ml_platform.state.column_types import ID, UtcDateTime

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text(), nullable=False) for name in names]


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "searches",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        *_texts("pipeline", "content_key", "training_set", "word", "trainer", "space"),
        *_texts("settings", "folds", "metric", "status", "ended_by"),
        sa.Column("wanted", sa.BigInteger(), nullable=False),
        sa.Column("best", sa.BigInteger(), nullable=True),
        *_texts("importance", "comparison", "error"),
        sa.Column("started_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint("status IN ('running', 'done', 'failed', 'interrupted')", name=op.f("ck_searches_status")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_searches")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_searches_content_key_id"), "searches", ["content_key", "id"], unique=False)
    op.create_index(op.f("ix_searches_pipeline_id"), "searches", ["pipeline", "id"], unique=False)
    op.create_table(
        "trials",
        sa.Column("search_id", ID, autoincrement=False, nullable=False),
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        *_texts("status", "parameters", "fold_values", "constraints", "reason"),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("violation", sa.Double(), nullable=True),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("recorded_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("status IN ('done', 'pruned', 'failed')", name=op.f("ck_trials_status")),
        sa.ForeignKeyConstraint(["search_id"], ["searches.id"], name=op.f("fk_trials_search_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("search_id", "number", name=op.f("pk_trials")),
    )
