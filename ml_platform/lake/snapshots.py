"""Lake snapshots: every commit is a version of all tables, with a number that only grows."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ml_platform.lake.catalog_rows import SNAPSHOT, catalog_rows
from ml_platform.lake.connection import CATALOG, Lake

# Content keys never hold these numbers (S31): two lakes with the same content have other ones.
_COLUMNS = "snapshot_id, snapshot_time, commit_message, commit_extra_info"


@dataclass(frozen=True)
class Snapshot:
    """One commit. `what` is the asset and partition written, `info` run id, content key and details."""

    number: int
    at: datetime
    what: str
    info: dict[str, Any]


def current(lake: Lake) -> int:
    """The newest data version; read older ones with `SELECT … FROM table AT (VERSION => number)`."""
    return int(lake.rows(SNAPSHOT, qualified=True)[0][0])


def newest(lake: Lake) -> int:
    """The snapshot of the newest commit, also of one that came after this thread began to read."""
    return int(catalog_rows(lake, "SELECT max(snapshot_id) AS id FROM {catalog}ducklake_snapshot")[0][0])


def history(lake: Lake, *, limit: int = 100) -> list[Snapshot]:
    """The newest commits, newest first."""
    rows = lake.rows(f"SELECT {_COLUMNS} FROM {CATALOG}.snapshots() ORDER BY snapshot_id DESC LIMIT ?", [limit])
    return [_snapshot(row) for row in rows]


def marked(lake: Lake, mark: str) -> int | None:
    """The snapshot whose transaction carried that mark, or None when it never landed."""
    number = lake.value(
        f"SELECT max(snapshot_id) FROM {CATALOG}.snapshots() "
        "WHERE json_extract_string(commit_extra_info, '$.commit') = ?",
        [mark],
    )
    return None if number is None else int(number)


def kept(lake: Lake, numbers: Collection[int]) -> set[int]:
    """Those of the snapshots that can still be read."""
    listed = ", ".join(str(int(number)) for number in numbers) or "NULL"
    rows = lake.rows(f"SELECT snapshot_id FROM {CATALOG}.snapshots() WHERE snapshot_id IN ({listed})")
    return {number for (number,) in rows}


def _snapshot(row: tuple[Any, ...]) -> Snapshot:
    return Snapshot(row[0], row[1], row[2] or "", json.loads(row[3]) if row[3] else {})
