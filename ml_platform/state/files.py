"""File versions: what landed, in which order it stands, and what a newer version replaced."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from ml_platform.lake.connection import Lake

_FIELDS = (
    "file_id, path, version, sha256, bytes, mtime_ns, rows, columns, arrival, declared, status, replaces, "
    "error, read_key"
)


@dataclass(frozen=True)
class FileVersion:
    """One content of one path. `path` is relative to the landing folder, `arrival` in UTC.

    `declared`: whether the arrival was given to `land(arrived=)` or is the time of the scan.
    `status`: ingested, replaced (a newer version stands) or refused (`error` says why).
    """

    file_id: str
    path: str
    version: int
    sha256: str
    bytes: int
    mtime_ns: int
    rows: int
    columns: str
    arrival: datetime
    declared: bool
    status: str
    replaces: str | None
    error: str | None
    read_key: str


@dataclass(frozen=True)
class Refused:
    """A file version that was not taken in, or that `clean` or the contract refused as a whole."""

    path: str
    sha256: str
    error: str


def refused(lake: Lake, table: str) -> list[Refused]:
    """The files whose newest version is refused as things stand, by path."""
    rows = lake.rows(
        "SELECT path, sha256, error FROM platform.files WHERE table_name = ? AND status = 'refused' "
        "AND (path, version) IN (SELECT path, max(version) FROM platform.files WHERE table_name = ? GROUP BY path) "
        "UNION ALL SELECT f.path, f.sha256, x.error FROM (SELECT file_id, error FROM platform.screenings "
        "WHERE table_name = ? "
        "QUALIFY row_number() OVER (PARTITION BY file_id ORDER BY recorded_at DESC) = 1) x "
        "JOIN platform.files f ON f.file_id = x.file_id AND f.table_name = ? AND f.status = 'ingested' "
        "WHERE x.error IS NOT NULL ORDER BY 1",
        [table] * 4,
    )
    return [Refused(*row) for row in rows]


def file_id(table: str, path: str, sha256: str, version: int, earlier: int) -> str:
    """16 hex digits. `earlier` counts the versions of the path that had the same content before."""
    again = f"\0{version}" if earlier else ""
    return hashlib.sha256(f"{table}\0{path}\0{sha256}{again}".encode()).hexdigest()[:16]


def versions(lake: Lake, table: str) -> list[FileVersion]:
    """Every recorded version of the table's files, by path and version."""
    rows = lake.rows(f"SELECT {_FIELDS} FROM platform.files WHERE table_name = ? ORDER BY path, version", [table])
    return [FileVersion(*row) for row in rows]


def by_path(found: list[FileVersion]) -> dict[str, list[FileVersion]]:
    """The versions of each path, oldest first."""
    paths: dict[str, list[FileVersion]] = {}
    for version in found:
        paths.setdefault(version.path, []).append(version)
    return paths


def chain(found: list[FileVersion]) -> list[FileVersion]:
    """The versions of one path that ever stood, oldest first; their arrivals strictly increase.

    A version that arrived no later than those recorded before it replaces them as if they had
    never stood. Refused versions never stand.
    """
    standing: list[FileVersion] = []
    for version in sorted(found, key=lambda v: v.version):
        if version.status == "refused":
            continue
        while standing and standing[-1].arrival >= version.arrival:
            standing.pop()
        standing.append(version)
    return standing
