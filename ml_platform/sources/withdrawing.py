"""Withdrawing a file: its rows end, on record, with a reason. The file itself stays where it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from difflib import get_close_matches
from pathlib import PurePosixPath

from sqlalchemy import select

from ml_platform.errors import IngestionError, NotFoundError
from ml_platform.lake.transaction import Author
from ml_platform.settings import Settings
from ml_platform.sources.landed import stamp_of
from ml_platform.sources.locks import table_lock
from ml_platform.sources.source import Stamp
from ml_platform.spec.canonical import content_key
from ml_platform.spec.partitions import WHOLE
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


def withdraw(state: State, settings: Settings, table: str, file: str, *, why: str, actor: str) -> Withdrawn:
    """Let a file's rows end now, as if its next version had none (S6). The next run carries it through.

    `file` is its path in the landing folder, or its name where only one file has it. A file that is withdrawn
    already stays so. Landing it again ends the withdrawal; the range of a database stays withdrawn.

    Raises:
        NotFoundError: For a table or file that is not on record.
        IngestionError: For a file of which no rows stand, and for a name that several files have.
    """
    with table_lock(settings, table):
        recorded = file_records.by_path(file_records.versions(state, table))
        if not recorded:
            chosen = select(schema.files.c.table_name).distinct().order_by(schema.files.c.table_name)
            raise NotFoundError("table with files", table, [row[0] for row in state.rows(chosen)])
        path = _find(list(recorded), table, file)
        already = withdrawals.standing(state, table).get(path)
        if already is not None and already.by_hand:
            rows = max((v.rows for v in recorded[path] if v.sha256 == already.sha256), default=0)
            return Withdrawn(table, path, rows, already.recorded_at, already.why, changed=False)
        standing = next((v for v in reversed(recorded[path]) if v.status == "ingested"), None)
        if standing is None or standing.sha256 == withdrawals.NO_CONTENT:
            raise IngestionError(f"No rows of {path} stand.", remedy="Its content may stand under another name.")
        on_disk = settings.landing / path
        stamp = stamp_of(on_disk) if on_disk.is_file() else Stamp(0, 0)
        version = without_rows(table, recorded[path], standing, stamp, file_records.next_arrival(state, table))
        with state.writing():
            file_records.record(state, table, version, "")
            withdrawals.record(state, table, version, standing.sha256, why=why, actor=actor, by_hand=True)
            hashes = [v.sha256 for v in file_records.standing(state, table)]
            author = Author(f"raw/{table}", WHOLE, content_key("raw", hashes))
            ledger.record(state, author, rows=0, result=RawResult((path,)))
    return Withdrawn(table, path, standing.rows, version.arrival, why, changed=True)


def without_rows(
    table: str, recorded: Sequence[FileVersion], standing: FileVersion, stamp: Stamp, now: datetime
) -> FileVersion:
    """The version that takes the place of `standing` and has no rows; it arrives after every other one of its path.

    `recorded`: every version of the path on record, oldest first.
    """
    number = recorded[-1].version + 1
    earlier = sum(v.sha256 == withdrawals.NO_CONTENT for v in recorded)
    return FileVersion(
        file_id=file_records.file_id(table, standing.path, withdrawals.NO_CONTENT, number, earlier),
        path=standing.path,
        version=number,
        sha256=withdrawals.NO_CONTENT,
        bytes=stamp.size,
        mtime_ns=stamp.changed,
        rows=0,
        columns="{}",
        arrival=max([now, *(v.arrival for v in recorded)]) + timedelta(microseconds=1),
        declared=False,
        status="ingested",
        replaces=standing.file_id,
        error=None,
        read_key=standing.read_key,
    )


def _find(paths: list[str], table: str, file: str) -> str:
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
