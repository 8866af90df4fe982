"""Withdrawing a file: its rows end, on record, with a reason. The file itself stays where it is, and is not read."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches
from pathlib import Path, PurePosixPath

from sqlalchemy import select

from ml_platform.errors import IngestionError, NotFoundError
from ml_platform.lake.blobs import file_hash
from ml_platform.lake.transaction import Author
from ml_platform.settings import Settings
from ml_platform.sources.landed import landed, stamp_of
from ml_platform.sources.locks import table_lock
from ml_platform.sources.source import Stamp
from ml_platform.spec.canonical import content_key
from ml_platform.spec.partitions import WHOLE
from ml_platform.spec.tables import Table
from ml_platform.state import files as file_records
from ml_platform.state import ledger, schema, withdrawals
from ml_platform.state.database import State
from ml_platform.state.files import FileVersion
from ml_platform.state.results import RawResult


@dataclass(frozen=True)
class Withdrawn:
    """A file without standing rows. `rows` are those that were withdrawn; `changed`: whether it was just now."""

    table: str
    file: str
    rows: int
    at: datetime
    why: str
    changed: bool


def withdraw(
    state: State, settings: Settings, table: str, file: str, *, why: str, actor: str, declared: Collection[Table] = ()
) -> Withdrawn:
    """Let a file's rows end now, as if its next version had none (S6). The next run carries it through.

    `file` is its path in the landing folder, or its name where only one file has it. A file that was refused, or that
    no run has read yet, has no rows to end, and is not read from now on. One that is withdrawn already stays so.
    Landing it again ends the withdrawal; the range of a database stays withdrawn.

    `declared`: tables, of whose files those in the landing folder count that are not on record.

    Raises:
        NotFoundError: For a table that is neither declared nor on record, and a file that is neither there nor on
            record.
        IngestionError: For a file that left and of which no rows stand, and for a name that several files have.
    """
    check_table(state, table, declared)
    with table_lock(settings, table):
        recorded = file_records.by_path(file_records.versions(state, table))
        lying = files_lying(settings, table, declared)
        path = find_path([*recorded, *(path for path in lying if path not in recorded)], table, file)
        in_folder = all(one.source.in_landing_folder for one in declared if one.name == table)
        versions, on_disk = recorded.get(path, []), lying.get(path, settings.landing / path)
        stamp, content = _stamp_and_content(on_disk) if in_folder else (_recorded_stamp(versions), "")
        already = withdrawals.standing(state, table).get(path)
        if already is not None and already.by_hand and _is_out(versions, already.sha256, stamp, content):
            rows = max((v.rows for v in versions if v.sha256 == already.sha256), default=0)
            return Withdrawn(table, path, rows, already.recorded_at, already.why, changed=False)
        standing = next((v for v in reversed(versions) if v.status == "ingested"), None)
        if standing is not None and standing.sha256 != withdrawals.NO_CONTENT:
            content = standing.sha256
        elif not in_folder and versions:  # refused, where it lies
            content = versions[-1].sha256
        elif stamp is None:
            raise IngestionError(
                f"No rows of {path} stand, and it left the landing folder.",
                remedy="Its content may stand under another name.",
            )
        now = file_records.next_arrival(state, table)
        version = without_rows(table, path, versions, standing, stamp or Stamp(0, 0), now)
        with state.writing():
            file_records.record(state, table, version, "")
            withdrawals.record(state, table, version, content, why=why, actor=actor, by_hand=True)
            hashes = [v.sha256 for v in file_records.standing(state, table)]
            author = Author(f"raw/{table}", WHOLE, content_key("raw", hashes))
            ledger.record(state, author, rows=0, result=RawResult((path,)))
    return Withdrawn(table, path, standing.rows if standing is not None else 0, version.arrival, why, changed=True)


def check_table(state: State | None, table: str, declared: Collection[Table]) -> None:
    """Raise NotFoundError for a table that is neither declared nor has files on record. `state`: None without one."""
    names = {one.name for one in declared if one.source.in_landing_folder}
    if state is not None:
        chosen = select(schema.files.c.table_name).distinct()
        names.update(row[0] for row in state.rows(chosen))
    if table not in names:
        raise NotFoundError("table with files", table, sorted(names))


def files_lying(settings: Settings, table: str, declared: Collection[Table]) -> dict[str, Path]:
    """The files of a table in the landing folder, by path; none where it is not declared, or its rows are elsewhere."""
    mine = next((one for one in declared if one.name == table), None)
    return landed(settings, mine) if mine is not None and mine.source.in_landing_folder else {}


def _stamp_and_content(file: Path) -> tuple[Stamp | None, str]:
    """The stamp of a file and the hash of its content: None and "" where there is none, "" where it cannot be read."""
    if not file.is_file():
        return None, ""
    try:
        return stamp_of(file), file_hash(file)
    except PermissionError:
        return stamp_of(file), ""


def _recorded_stamp(versions: Sequence[FileVersion]) -> Stamp | None:
    """Of what lies elsewhere: that of the last version."""
    return Stamp(versions[-1].bytes, versions[-1].mtime_ns) if versions else None


def _is_out(versions: Sequence[FileVersion], withdrawn: str, stamp: Stamp | None, content: str) -> bool:
    """Whether what lies there, if anything, is what was withdrawn. Other content under its name waits or is refused."""
    last = versions[-1]
    return stamp is None or content == withdrawn or (last.status != "refused" and stamp == (last.bytes, last.mtime_ns))


def without_rows(
    table: str, path: str, recorded: Sequence[FileVersion], standing: FileVersion | None, stamp: Stamp, now: datetime
) -> FileVersion:
    """The version without rows that takes the place of `standing`; it arrives after every other one of its path.

    `recorded`: every version of the path on record, oldest first.
    """
    number = max((v.version for v in recorded), default=0) + 1
    earlier = sum(v.sha256 == withdrawals.NO_CONTENT for v in recorded)
    return FileVersion(
        file_id=file_records.file_id(table, path, withdrawals.NO_CONTENT, number, earlier),
        path=path,
        version=number,
        sha256=withdrawals.NO_CONTENT,
        bytes=stamp.size,
        mtime_ns=stamp.changed,
        rows=0,
        columns="{}",
        arrival=max([now, *(v.arrival for v in recorded)]) + timedelta(microseconds=1),
        declared=False,
        status="ingested",
        replaces=standing.file_id if standing is not None else None,
        error=None,
        read_key=standing.read_key if standing is not None else "",
    )


def find_path(paths: Sequence[str], table: str, file: str) -> str:
    """The path that `file` names, whole or by its end. Raises as `withdraw` does."""
    if file in paths:
        return file
    named = [path for path in paths if path.endswith(f"/{file}")]
    if len(named) == 1:
        return named[0]
    if named:
        more = f" and {len(named) - 3:,} more" if len(named) > 3 else ""
        raise IngestionError(
            f"{len(named):,} files of {table} are called {file}: {', '.join(named[:3])}{more}.",
            remedy="Give the path of the one that you mean.",
        )
    near = get_close_matches(PurePosixPath(file).name, [PurePosixPath(path).name for path in paths], n=3, cutoff=0.6)
    raise NotFoundError(f"file of {table}", file, [path for path in paths if PurePosixPath(path).name in near][:5])
