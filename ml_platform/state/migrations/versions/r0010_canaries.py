"""Canaries: which version answers a share of the keys, by whom, when and why, and why it was taken back."""

import sqlalchemy as sa
from alembic import op

from ml_platform.state.column_types import ID, UtcDateTime

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "canaries",
        sa.Column("seq", ID, autoincrement=True, nullable=False),
        sa.Column("pipeline", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("share", sa.Double(), nullable=False),
        sa.Column("max_error_share", sa.Double(), nullable=False),
        sa.Column("max_latency_ratio", sa.Double(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("recorded_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("action IN ('started', 'stopped', 'taken_back')", name=op.f("ck_canaries_action")),
        sa.ForeignKeyConstraint(
            ["pipeline", "version"],
            ["versions.pipeline", "versions.version"],
            name=op.f("fk_canaries_pipeline_version"),
        ),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_canaries")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_canaries_pipeline_seq"), "canaries", ["pipeline", "seq"], unique=False)
