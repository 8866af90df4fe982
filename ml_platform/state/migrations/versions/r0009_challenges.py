"""Challengers: which version shadows the champion of a pipeline, by whom, when and why."""

import sqlalchemy as sa
from alembic import op

from ml_platform.state.column_types import ID, UtcDateTime

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "challenges",
        sa.Column("seq", ID, autoincrement=True, nullable=False),
        sa.Column("pipeline", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("recorded_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("action IN ('started', 'stopped')", name=op.f("ck_challenges_action")),
        sa.ForeignKeyConstraint(
            ["pipeline", "version"],
            ["versions.pipeline", "versions.version"],
            name=op.f("fk_challenges_pipeline_version"),
        ),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_challenges")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_challenges_pipeline_seq"), "challenges", ["pipeline", "seq"], unique=False)
