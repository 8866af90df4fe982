"""Where a source goes on after a version of it."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column. What is on record does not go on."""
    op.add_column("files", sa.Column("position", sa.Text(), nullable=True))
