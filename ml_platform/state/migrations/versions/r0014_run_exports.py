"""What a tracking server was sent of runs, and what it was not."""

import sqlalchemy as sa
from alembic import op

from ml_platform.state.column_types import UtcDateTime

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "run_exports",
        *(sa.Column(name, sa.Text(), nullable=False) for name in ("server", "run", "remote_run", "sent", "error")),
        sa.Column("tried_at", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("server", "run", name=op.f("pk_run_exports")),
    )
