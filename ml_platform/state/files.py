"""Versions of landed files: their order, and what a newer version replaced."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import and_, delete, func, insert, select, union_all, update

from ml_platform.state.database import State
from ml_platform.state.schema import files, landings, screenings, unfinished_files

_LISTED = 500  # values of one IN (…)


@dataclass(frozen=True)
class FileVersion:
    """One content of one path. `path` is relative to the landing folder, or a database's range; `arrival` in UTC.

    `bytes` and `mtime_ns` are the stamp by which its source knows it unchanged (`sources.source.Stamp`).

    `position`: where its source goes on after it, in words of its own; None where it does not go on.
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
    position: str | None = None


@dataclass(frozen=True)
class Refused:
    """A file version that could not be ingested, or that `clean` or the contract refused as a whole."""

    path: str
    sha256: str
    error: str


def refused(state: State, table: str) -> list[Refused]:
    """The files whose newest version is refused, by path."""
    mine = files.c.table_name == table
    newest = select(files.c.path, func.max(files.c.version).label("version")).where(mine).group_by(files.c.path)
    last = newest.subquery()
    unread = (
        select(files.c.path, files.c.sha256, files.c.error)
        .join(last, and_(files.c.path == last.c.path, files.c.version == last.c.version))
        .where(mine, files.c.status == "refused")
    )
    screened = select(screenings.c.file_id, func.max(screenings.c.id).label("id")).where(
        screenings.c.table_name == table
    )
    judged = screened.group_by(screenings.c.file_id).subquery()
    unfit = (
        select(files.c.path, files.c.sha256, screenings.c.error)
        .join(judged, judged.c.file_id == files.c.file_id)
        .join(screenings, screenings.c.id == judged.c.id)
        .where(mine, files.c.status == "ingested", screenings.c.error.is_not(None))
    )
    return [Refused(*row) for row in state.rows(union_all(unread, unfit).order_by("path"))]


def file_id(table: str, path: str, sha256: str, version: int, earlier: int) -> str:
    """16 hex digits. `earlier` counts the versions of the path that had the same content before."""
    again = f"\0{version}" if earlier else ""
    return hashlib.sha256(f"{table}\0{path}\0{sha256}{again}".encode()).hexdigest()[:16]


def versions(state: State, table: str) -> list[FileVersion]:
    """Every recorded version of the table's files, by path and version."""
    columns = [files.c[name] for name in FileVersion.__dataclass_fields__]
    chosen = select(*columns).where(files.c.table_name == table).order_by(files.c.path, files.c.version)
    return list(state.once(f"file versions of {table}", lambda: [FileVersion(*row) for row in state.rows(chosen)]))


def standing(state: State, table: str) -> list[FileVersion]:
    """The current version of each file, by path."""
    return [version for version in versions(state, table) if version.status == "ingested"]


def with_rows(state: State, table: str) -> dict[str, FileVersion]:
    """The version of each path whose rows stand. What its source or screening refused has none (S57)."""
    judged = select(func.max(screenings.c.id)).where(screenings.c.table_name == table).group_by(screenings.c.file_id)
    chosen = select(screenings.c.file_id).where(screenings.c.id.in_(judged), screenings.c.error.is_not(None))
    refused = {row[0] for row in state.rows(chosen)}
    paths = by_path([version for version in versions(state, table) if version.file_id not in refused])
    last = {path: current[-1] for path, of_path in paths.items() if (current := chain(of_path))}
    return {path: version for path, version in last.items() if version.rows}


def begin(state: State, table: str, versions: Iterable[FileVersion]) -> None:
    """Announce versions whose rows are about to be committed to the lake (S43)."""
    rows = [{"table_name": table, "file_id": version.file_id} for version in versions]
    if rows:
        with state.writing() as connection:
            connection.execute(insert(unfinished_files), rows)


def unfinished(state: State, table: str) -> list[str]:
    """The ids of versions that were announced but not recorded, because their writer died."""
    chosen = select(unfinished_files.c.file_id).where(unfinished_files.c.table_name == table)
    return [row[0] for row in state.rows(chosen.order_by(unfinished_files.c.file_id))]


def forget_unfinished(state: State, table: str) -> None:
    """Forget unfinished versions, once their rows were removed from the lake."""
    with state.writing() as connection:
        connection.execute(delete(unfinished_files).where(unfinished_files.c.table_name == table))


def record(state: State, table: str, version: FileVersion, run_id: str) -> None:
    """Record a version, end its announcement, and mark the version that it replaces."""
    record_all(state, table, [version], run_id)


def record_all(state: State, table: str, versions: Sequence[FileVersion], run_id: str) -> None:
    """The same for many versions, in this order. No one replaces another of them."""
    mine, announced = files.c.table_name == table, unfinished_files.c
    with state.writing() as connection:
        rows: list[dict[str, Any]] = []
        for version in versions:
            if version.replaces is not None:
                replaced = update(files).where(mine, files.c.file_id == version.replaces)
                connection.execute(replaced.values(status="replaced", replaced_at=version.arrival))
            rows.append({**asdict(version), "table_name": table, "run_id": run_id, "recorded_at": state.stamp()})
        if rows:
            connection.execute(insert(files), rows)
        for begin in range(0, len(rows), _LISTED):
            ids = [row["file_id"] for row in rows[begin : begin + _LISTED]]
            ended = delete(unfinished_files).where(announced.table_name == table, announced.file_id.in_(ids))
            connection.execute(ended)


def note_unchanged(state: State, table: str, seen: Sequence[tuple[FileVersion, int, int]]) -> None:
    """Record the size and time of files with unchanged content: (version, bytes, mtime in ns)."""
    with state.writing() as connection:
        for version, size, mtime in seen:
            mine = and_(files.c.table_name == table, files.c.file_id == version.file_id)
            connection.execute(update(files).where(mine).values(bytes=size, mtime_ns=mtime))


def declare_arrivals(state: State, table: str, contents: Iterable[tuple[str, str]], arrived: datetime) -> None:
    """Record when contents, (path, sha256), became available. A later declaration replaces an earlier one."""
    with state.writing() as connection:
        for path, digest in contents:
            same = and_(landings.c.table_name == table, landings.c.path == path, landings.c.sha256 == digest)
            connection.execute(delete(landings).where(same))
            values = {"table_name": table, "path": path, "sha256": digest, "arrival": arrived}
            connection.execute(insert(landings).values(**values, recorded_at=state.stamp()))


def next_arrival(state: State, table: str) -> datetime:
    """The arrival of versions that nobody declared one for: now, and later than every arrival of the table (S6)."""
    newest: datetime | None = state.value(select(func.max(files.c.arrival)).where(files.c.table_name == table))
    stamp = state.stamp()
    return stamp if newest is None or stamp > newest else newest + timedelta(microseconds=1)


def declared_arrivals(state: State, table: str) -> dict[tuple[str, str], datetime]:
    """(path, sha256) → the declared arrival."""
    chosen = select(landings.c.path, landings.c.sha256, landings.c.arrival).where(landings.c.table_name == table)
    return {(path, digest): arrival for path, digest, arrival in state.rows(chosen)}


def arrivals(state: State, table: str) -> list[datetime]:
    """The arrivals of all versions that were not refused, in order."""
    chosen = select(files.c.arrival).where(files.c.table_name == table, files.c.status != "refused")
    return [row[0] for row in state.rows(chosen.order_by(files.c.arrival))]


def last_recorded(state: State, tables: Iterable[str]) -> datetime | None:
    """When the newest version of these tables' files was recorded; None without any."""
    moment: datetime | None = state.value(
        select(func.max(files.c.recorded_at)).where(files.c.table_name.in_(list(tables)))
    )
    return moment


def first_arrivals(state: State, table: str) -> dict[str, datetime]:
    """The first arrival of each path whose version was accepted."""
    chosen = select(files.c.path, func.min(files.c.arrival)).where(
        files.c.table_name == table, files.c.status != "refused"
    )
    return {path: arrival for path, arrival in state.rows(chosen.group_by(files.c.path))}


def by_path(versions: list[FileVersion]) -> dict[str, list[FileVersion]]:
    """The versions of each path, oldest first."""
    paths: dict[str, list[FileVersion]] = {}
    for version in versions:
        paths.setdefault(version.path, []).append(version)
    return paths


def chain(versions: list[FileVersion]) -> list[FileVersion]:
    """The versions of one path that were ever current, oldest first. Their arrivals strictly increase.

    A version that arrived no later than earlier recorded versions replaces them as if they had never been current.
    Refused versions are never current.
    """
    standing: list[FileVersion] = []
    for version in sorted(versions, key=lambda v: v.version):
        if version.status == "refused":
            continue
        while standing and standing[-1].arrival >= version.arrival:
            standing.pop()
        standing.append(version)
    return standing
