"""Alerts are open or resolved."""

import sqlalchemy as sa
from alembic import op

from ml_platform.state.column_types import UtcDateTime

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add when, by whom and why an alert was resolved. Alerts on record are open until their cause is looked at."""
    op.add_column("alerts", sa.Column("resolved_at", UtcDateTime(), nullable=True))
    op.add_column("alerts", sa.Column("resolved_by", sa.Text(), nullable=True))
    op.add_column("alerts", sa.Column("resolved_why", sa.Text(), nullable=True))
