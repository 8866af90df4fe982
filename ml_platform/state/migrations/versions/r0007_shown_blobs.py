"""A record names the blobs that it shows, so that nothing reads display values to find out which blobs are kept."""

import json

import sqlalchemy as sa
from alembic import op

from ml_platform.state.old_results import blobs_shown

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_BATCH = 500  # records


def upgrade() -> None:
    """Add a column. It is filled for the newest record of each asset and partition: only theirs are kept."""
    op.add_column("record_details", sa.Column("blobs", sa.Text(), nullable=False, server_default="[]"))
    names = ("record_id", "display", "checks", "blobs")
    details = sa.table("record_details", *(sa.column(name) for name in names))
    records = sa.table("records", sa.column("id"), sa.column("asset"), sa.column("partition"))
    connection = op.get_bind()
    newest = sa.select(sa.func.max(records.c.id)).group_by(records.c.asset, records.c.partition)
    numbers = sorted(number for (number,) in connection.execute(newest))
    fill = details.update().where(details.c.record_id == sa.bindparam("number"))
    for first in range(0, len(numbers), _BATCH):
        chosen = details.c.record_id.in_(numbers[first : first + _BATCH])
        rows = connection.execute(sa.select(details.c.record_id, details.c.display, details.c.checks).where(chosen))
        values = [
            {"number": number, "named": json.dumps(sorted(blobs_shown([json.loads(display), json.loads(checks)])))}
            for number, display, checks in rows
        ]
        filled = [one for one in values if one["named"] != "[]"]
        if filled:
            connection.execute(fill.values(blobs=sa.bindparam("named")), filled)
