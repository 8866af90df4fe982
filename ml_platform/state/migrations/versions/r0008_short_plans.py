"""What keeps plans short: when the rows of a validated partition matter, and what the last plan found settled."""

import sqlalchemy as sa
from alembic import op

from ml_platform.state.column_types import ID

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "record_spans",
        sa.Column("record_id", ID, autoincrement=False, nullable=False),
        sa.Column("first_usable", sa.BigInteger(), nullable=True),
        sa.Column("last_relevant", sa.BigInteger(), nullable=True),
        sa.Column("first_known", sa.BigInteger(), nullable=True),
        sa.Column("last_known", sa.BigInteger(), nullable=True),
        sa.Column("newest_event", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["record_id"], ["records.id"], name=op.f("fk_record_spans_record_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("record_id", name=op.f("pk_record_spans")),
    )
    op.create_table(
        "settled_plans",
        sa.Column("pipeline", sa.Text(), nullable=False),
        sa.Column("declared", sa.Text(), nullable=False),
        sa.Column("through", sa.Text(), nullable=False),
        sa.Column("others", sa.Text(), nullable=False),
        sa.Column("outdated", sa.Text(), nullable=False),
        sa.Column("marks", sa.Text(), nullable=False),
        sa.Column("ends", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("pipeline", name=op.f("pk_settled_plans")),
    )
