"""Which lake the records are about, and how far that lake was when the last of them was written."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "lake_marks",
        sa.Column("lake", sa.Text(), nullable=False),
        sa.Column("snapshot", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("lake", name=op.f("pk_lake_marks")),
    )
