"""Erasures: that rows were forgotten, keyed hashes of their keys, and which contents were rewritten for it."""

import sqlalchemy as sa
from alembic import op

from ml_platform.state.column_types import UtcDateTime

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "erasures",
        sa.Column("erasure_id", sa.Text(), nullable=False),
        *(
            sa.Column(name, sa.Text(), nullable=False)
            for name in ("table_name", "key_columns", "actor", "why", "status", "counts", "versions", "unreached")
        ),
        sa.Column("begun_at", UtcDateTime(), nullable=False),
        sa.Column("ended_at", UtcDateTime(), nullable=True),
        sa.CheckConstraint("status IN ('unfinished', 'done')", name=op.f("ck_erasures_status")),
        sa.PrimaryKeyConstraint("erasure_id", name=op.f("pk_erasures")),
    )
    op.create_table(
        "forgotten_keys",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("table_name", "key_columns", "digest")),
        sa.PrimaryKeyConstraint("table_name", "key_columns", "digest", name=op.f("pk_forgotten_keys")),
    )
    op.create_table(
        "rewritten",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("kind", "scope", "original", "present", "removed")),
        sa.Column("rewritten_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("kind IN ('file', 'blob')", name=op.f("ck_rewritten_kind")),
        sa.PrimaryKeyConstraint("kind", "scope", "original", name=op.f("pk_rewritten")),
    )
