"""What sources have into `raw.<table>`: every version once, as it came."""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import polars as pl

from ml_platform.errors import SourceUnavailable
from ml_platform.lake import data_files
from ml_platform.lake.frames import staged
from ml_platform.lake.staging import Rows, Staged, discarded_on_error
from ml_platform.lake.transaction import Author, write
from ml_platform.naming import quoted
from ml_platform.sources.arriving import ArrivingVersion
from ml_platform.sources.faults import RAISED, refusal
from ml_platform.sources.locks import table_lock
from ml_platform.sources.raw_columns import FILE, Places
from ml_platform.sources.rereading import reread
from ml_platform.sources.rewritten import recorded_source
from ml_platform.sources.scan import Refusal, Waiting, look, read_key
from ml_platform.sources.source import Source, Stamp
from ml_platform.sources.withdrawing import without_rows
from ml_platform.spec.canonical import content_key
from ml_platform.spec.partitions import WHOLE
from ml_platform.spec.tables import Table
from ml_platform.state import files as file_records
from ml_platform.state import ledger, withdrawals
from ml_platform.state.database import State
from ml_platform.state.files import FileVersion
from ml_platform.state.results import RawResult
from ml_platform.state.stores import Stores, after

_BATCH_SECONDS = 5.0  # what a kill loses, which is read again; a transaction costs as much as 3 small files
_BATCH_BYTES = 256_000_000


@dataclass(frozen=True)
class IngestReport:
    """What an ingest did, by path. `refused` includes what was refused before and did not change since;
    `waiting` is what could not be read now, such as a file that was still being written. `unavailable` is why the
    source as a whole could not be read; None when it could. `reread`: versions on record whose rows the lake had lost
    and that were read again."""

    table: str
    ingested: list[str]
    replaced: list[str]
    renamed: dict[str, str]  # new path → the one that is gone
    refused: list[Refusal]
    waiting: list[Refusal]
    rows: int
    unavailable: Refusal | None = None
    reread: list[str] = field(default_factory=list)


def raw_key(state: State, table: Table) -> str:
    """The content key of the raw table as it stands."""
    return content_key("raw", [version.sha256 for version in file_records.standing(state, table.name)])


@dataclass
class _Read:
    """One version as it was read: rows to store, or the reason why not."""

    version: FileVersion
    rows: list[Rows]
    replaces: FileVersion | None
    renamed_to: str = ""  # the path under which the content of `replaces` stands now; the version has no rows

    @property
    def is_large(self) -> bool:
        """Whether rows wait in staged files, which one transaction takes or loses."""
        return any(isinstance(part, Staged) for part in self.rows)


def ingest(stores: Stores, table: Table, run_id: str, *, on_file: Callable[[str], None] | None = None) -> IngestReport:
    """Take in every version that waits. What cannot be read is put on record with the reason; the others go on.

    Safe with several processes; running it again changes nothing. `on_file` is called with each path
    before it is read. Raises LakeError when the lake cannot be written.
    """
    report, rows = IngestReport(table.name, [], [], {}, [], [], 0), 0
    with table_lock(stores.settings, table.name):
        report.reread.extend(reread(stores, table, run_id, on_file=on_file))
        source = recorded_source(stores.state, table)
        places = Places(stores.lake, table.name)
        scan = look(stores.state, table, source)
        report.refused.extend(scan.pending.refused)
        if scan.restamped:
            file_records.note_unchanged(stores.state, table.name, [(v, *stamp) for v, stamp in scan.restamped])
        arrivals = file_records.declared_arrivals(stores.state, table.name) if scan.waiting else {}
        now = file_records.next_arrival(stores.state, table.name) if scan.waiting else datetime.now(UTC)
        batch: list[_Read] = []
        size, since = 0, time.monotonic()
        for item in scan.waiting:
            if on_file is not None:
                on_file(item.path)
            try:
                done = _read(stores, table, source, item, arrivals, now, places)
            except FileNotFoundError:
                continue
            except SourceUnavailable as unavailable:
                report.waiting.append(Refusal(item.path, str(unavailable)))
                continue
            if done is None:
                continue
            if batch and done.is_large:  # it cannot be stored again, one file after the other
                with discarded_on_error(done.rows):
                    rows += _account(report, _store(stores, table, run_id, batch))
                batch = []
            batch.append(done)
            size += sum(int(part.estimated_size()) for part in done.rows if isinstance(part, pl.DataFrame))
            if done.version.status == "ingested" and item.renamed_from is not None:
                batch.append(_renamed(table, item, now))
            if done.is_large or size > _BATCH_BYTES or time.monotonic() - since > _BATCH_SECONDS:
                rows += _account(report, _store(stores, table, run_id, batch))
                batch, size, since = [], 0, time.monotonic()
        if batch:
            rows += _account(report, _store(stores, table, run_id, batch))
    report.refused.sort(key=lambda refused: refused.path)
    return replace(report, rows=rows, unavailable=scan.pending.unavailable)


def _account(report: IngestReport, stored: list[_Read]) -> int:
    """Note what became of each version; how many rows they have."""
    for item in stored:
        path = item.version.path
        if item.renamed_to:
            report.renamed[item.renamed_to] = path
        elif item.version.status == "refused":
            report.refused.append(Refusal(path, item.version.error or ""))
        else:
            report.ingested.append(path)
            if item.replaces is not None:
                report.replaced.append(path)
    return sum(item.version.rows for item in stored)


def _read(
    stores: Stores,
    table: Table,
    source: Source,
    item: Waiting,
    arrivals: Mapping[tuple[str, str], datetime],
    now: datetime,
    places: Places,
) -> _Read | None:
    """None for the content that stands already and where nothing new has come, which only reading could tell.

    Raises SourceUnavailable for what cannot be read now, FileNotFoundError for what went away.
    """
    arriving = ArrivingVersion(stores, table, item, places)
    try:
        reading = source.read(item.version, arriving.rows)
    except BaseException:  # an interrupt too: nobody else removes what is staged
        arriving.refuse()
        raise
    if reading is None:
        return None
    is_refused, fingerprint = reading.error is not None, reading.fingerprint
    if is_refused:
        arriving.refuse()
    before = item.recorded
    standing = next((v for v in reversed(before) if v.status == "ingested"), None)
    same = [v for v in before if v.sha256 == fingerprint]
    declared = arrivals.get((item.path, fingerprint))
    # Read anew because the declaration changed: it is still the content that arrived then.
    again = same[-1] if same and same[-1] is before[-1] else None
    columns, key = json.dumps(arriving.placed), read_key(table, stores.settings if is_refused else None)
    stands = again is not None and (again.status, again.read_key, again.columns) == ("ingested", key, columns)
    if again is not None and stands and not is_refused and data_files.whole(stores.lake, "raw", table.name):
        arriving.refuse()
        file_records.note_unchanged(stores.state, table.name, [(again, *reading.stamp)])
        return None
    version = FileVersion(
        file_id=arriving.file_id(fingerprint),
        path=item.path,
        version=arriving.number,
        sha256=fingerprint,
        bytes=reading.stamp.size,
        mtime_ns=reading.stamp.changed,
        rows=arriving.rows.height,
        columns=columns,
        arrival=declared or (again.arrival if again else now),
        declared=declared is not None or (again is not None and again.declared),
        status="refused" if is_refused else "ingested",
        replaces=standing.file_id if standing is not None and not is_refused else None,
        error=reading.error,
        read_key=key,
        position=reading.position,
    )
    return _Read(version, arriving.rows.rows, None if is_refused else standing)


def _renamed(table: Table, item: Waiting, now: datetime) -> _Read:
    """The end of the old path, a moment after the new one took over: the rows stay as they were known."""
    old = item.renamed_from
    assert old is not None
    version = without_rows(table.name, old.path, item.old_path, old, Stamp(0, 0), now)
    return _Read(version, [], old, renamed_to=item.path)


def _store(stores: Stores, table: Table, run_id: str, batch: list[_Read]) -> list[_Read]:
    """Store a batch; where its values stand in the way, one file after the other. What became of each version."""
    try:
        _commit(stores, table, run_id, batch)
    except RAISED as fault:
        refused = refusal(batch[0].version.path, fault, "its rows were stored")  # raises what is about the lake
        files = _by_file(batch)
        if len(files) > 1:
            return [item for file in files for item in _store(stores, table, run_id, file)]
        unfit = replace(
            batch[0].version,
            rows=0,
            status="refused",
            replaces=None,
            error=str(refused),
            read_key=read_key(table, stores.settings),
        )
        batch = [_Read(unfit, [], None)]
        _commit(stores, table, run_id, batch)
    return batch


def _by_file(batch: list[_Read]) -> list[list[_Read]]:
    """The versions of a batch, each with the end of the path that it was renamed from."""
    files: list[list[_Read]] = []
    for item in batch:
        if item.renamed_to:
            files[-1].append(item)
        else:
            files.append([item])
    return files


def _commit(stores: Stores, table: Table, run_id: str, batch: list[_Read]) -> None:
    """Commit the rows of a batch to the lake, then put its versions on record (S43)."""
    parts = [part for item in batch for part in item.rows]
    waiting: list[Rows] = [part for part in parts if isinstance(part, Staged)]
    with discarded_on_error(waiting):
        _remove_unfinished(stores, table)
        for frame in _together([part for part in parts if isinstance(part, pl.DataFrame)]):
            waiting.append(staged(stores.lake, frame))  # one by one: what was staged is discarded when one fails
        taken = [item.version for item in batch if item.version.status == "ingested"]
        if not taken:
            _record(stores.state, table, batch, taken, run_id)
            return
        file_records.begin(stores.state, table.name, taken)
        author = Author(f"raw/{table.name}", WHOLE, run_id=run_id)
        with write(stores.lake, author, {"files": [item.version.path for item in batch]}) as tx:
            for rows in waiting:
                tx.append("raw", table.name, rows, evolve=True)
            after(tx, stores.state, lambda: _record(stores.state, table, batch, taken, run_id))


def _together(frames: list[pl.DataFrame]) -> list[pl.DataFrame]:
    """Frames of the same columns as one, so that a thousand small files do not become a thousand Parquet files."""
    alike: dict[tuple[tuple[str, pl.DataType], ...], list[pl.DataFrame]] = {}
    for frame in frames:
        alike.setdefault(tuple(frame.schema.items()), []).append(frame)
    return [pl.concat(group) if len(group) > 1 else group[0] for group in alike.values()]


def _remove_unfinished(stores: Stores, table: Table) -> None:
    """Remove rows that were committed by a process which died before it put them on record."""
    if not file_records.unfinished(stores.state, table.name):
        return
    there = bool(stores.lake.columns("raw", table.name))
    with write(stores.lake, Author(f"raw/{table.name}", WHOLE)) as tx:
        unfinished = file_records.unfinished(stores.state, table.name)  # under the lock: nobody is about to record
        if unfinished and there:
            listed = ", ".join("?" * len(unfinished))
            tx.execute(f"DELETE FROM raw.{quoted(table.name)} WHERE {FILE} IN ({listed})", list(unfinished))
        after(tx, stores.state, lambda: file_records.forget_unfinished(stores.state, table.name))


def _record(state: State, table: Table, batch: list[_Read], taken: list[FileVersion], run_id: str) -> None:
    with state.writing():
        file_records.record_all(state, table.name, [item.version for item in batch], run_id)
        for item in batch:
            if item.renamed_to and item.replaces is not None:
                why, content = f"renamed to {item.renamed_to}", item.replaces.sha256
                withdrawals.record(state, table.name, item.version, content, why=why, actor="", by_hand=False)
        if not taken:
            return
        ledger.record(
            state,
            Author(f"raw/{table.name}", WHOLE, raw_key(state, table), run_id),
            rows=sum(version.rows for version in taken),
            result=RawResult(tuple(version.path for version in taken)),
        )
