"""Results of checks, severities and repeated measurements of gates, and what a promotion passed over."""

import sqlalchemy as sa
from alembic import op

from ml_platform.state.column_types import UtcDateTime

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add two tables and three columns; a measured verdict becomes unique by its measurement."""
    op.create_table(
        "checks",
        sa.Column("id", ID, autoincrement=True, nullable=False),
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("partition", sa.Text(), nullable=False),
        sa.Column("content_key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("threshold", sa.Double(), nullable=True),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("recorded_at", UtcDateTime(), nullable=False),
        sa.CheckConstraint("severity IN ('error', 'warn')", name=op.f("ck_checks_severity")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_checks")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_checks_table_name_partition_name_id"), "checks", ["table_name", "partition", "name", "id"])
    op.create_table(
        "unchecked_partitions",
        sa.Column("table_name", sa.Text(), nullable=False),
        sa.Column("partition", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("table_name", "partition", name=op.f("pk_unchecked_partitions")),
    )
    op.add_column("verdicts", sa.Column("severity", sa.Text(), nullable=False, server_default="block"))
    op.add_column("verdicts", sa.Column("measurement", sa.Integer(), nullable=False, server_default="1"))
    op.add_column("promotions", sa.Column("overrides", sa.Text(), nullable=False, server_default=""))
    op.drop_index("uq_verdicts_measured", "verdicts")
    op.create_index(
        "uq_verdicts_measured",
        "verdicts",
        ["pipeline", "version", "gate_key", "slice", "measurement", "severity"],
        unique=True,
        sqlite_where=sa.text("measured"),
        postgresql_where=sa.text("measured"),
    )
