"""The current rows of a table: of a validated one, without row versions that a correction superseded (S6)."""

from collections.abc import Collection, Sequence

from ml_platform.lake.connection import Lake
from ml_platform.lake.lazy import Selection, select

_SUPERSEDED_AT = "_superseded_at"


def select_current(
    lake: Lake, schema: str, table: str, columns: Sequence[str], *, partitions: Collection[str] | None = None
) -> Selection:
    """The current rows of a table in the newest snapshot. `partitions`: as of `select`."""
    versioned = _SUPERSEDED_AT in lake.columns(schema, table)
    condition = f"{_SUPERSEDED_AT} IS NULL" if versioned else "true"
    return select(lake, schema, table, columns, partitions=partitions, condition=condition)
