"""The newest time that the platform stamped, so that a clock that is set back stamps nothing earlier."""

import sqlalchemy as sa
from alembic import op

from ml_platform.state.column_types import UtcDateTime

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

STAMPED = {
    "records": ("recorded_at",),
    "files": ("recorded_at",),
    "landings": ("recorded_at",),
    "withdrawals": ("recorded_at", "ended_at"),
    "screenings": ("recorded_at",),
    "versions": ("created_at",),
    "verdicts": ("recorded_at",),
    "promotions": ("recorded_at",),
    "decisions": ("recorded_at",),
    "checks": ("recorded_at",),
    "alerts": ("raised_at", "resolved_at"),
    "alert_deliveries": ("recorded_at",),
}


def upgrade() -> None:
    """Add a table of one row, which begins with the newest time on record."""
    clock = op.create_table(
        "clock",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("newest", UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_clock")),
    )
    columns = [sa.column(name, UtcDateTime()) for names in STAMPED.values() for name in names]
    tables = [sa.table(table) for table, names in STAMPED.items() for _ in names]
    newest = [
        op.get_bind().execute(sa.select(sa.func.max(column)).select_from(table)).scalar()
        for column, table in zip(columns, tables, strict=True)
    ]
    moments = [moment for moment in newest if moment is not None]
    if moments:
        op.bulk_insert(clock, [{"name": "platform", "newest": max(moments)}])
