"""Screenings kept: each file version is screened once per screening key; the result is a Parquet blob."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import polars as pl

from ml_platform.errors import IngestionError
from ml_platform.lake import file_hashes
from ml_platform.lake.connection import Lake
from ml_platform.lake.data_files import unusable
from ml_platform.lake.recipes import Read
from ml_platform.naming import quoted
from ml_platform.sources.locks import table_lock
from ml_platform.sources.scan import Refusal
from ml_platform.spec.canonical import content_key, libraries
from ml_platform.spec.partitions import WHOLE, Partitions
from ml_platform.spec.tables import Table
from ml_platform.state import ledger
from ml_platform.state import screenings as screening_records
from ml_platform.state.database import State
from ml_platform.state.files import FileVersion, by_path, chain, versions
from ml_platform.state.stores import Stores
from ml_platform.state.withdrawals import NO_CONTENT
from ml_platform.validation.file_batches import batches
from ml_platform.validation.file_screening import screen_batch

SCREENING_VERSION = 2  # raise it when the same file, contract and clean would be screened otherwise


@dataclass(frozen=True)
class Counts:
    """Rows of one file version in one partition."""

    rows: int  # valid
    refused: int
    duplicates: int  # identical rows within the file, dropped
    dropped: int  # by clean; told with the file's first partition


@dataclass(frozen=True)
class Screening:
    """What screening made of one file version; `digest` is that of the blob, empty when `error` refused the file."""

    file: FileVersion
    digest: str
    partitions: Mapping[str, Counts]
    error: str | None


def rule_version(table: Table) -> str:
    """Contract and clean, as 16 hex digits: what quarantined rows were judged by."""
    nulls = list(table.source.null_texts)
    return content_key(table.contract, table.clean, nulls, table.time_zone, table.event_time)[:16]


def screening_key(table: Table, needs_keys: Mapping[str, str], partitions: Partitions | None = None) -> str:
    """The content key of screening (S31), but for the file: declaration, needed tables, code and libraries.

    `needs_keys`: the content key of every table in `needs` (`needs_keys()` reads them).
    """
    missing = [name for name in table.needs if name not in needs_keys]
    if missing:
        raise IngestionError(
            f"{table.name} needs {', '.join(missing)}, which has no content key yet.",
            remedy=f"Make validated/{missing[0]} first.",
        )
    sliced = type(partitions).__name__ if partitions is not None and table.event_time else WHOLE
    return content_key(
        "screening",
        SCREENING_VERSION,
        libraries("polars", "dataframely", "duckdb"),
        table.contract,
        table.clean,
        list(table.source.null_texts),
        table.source.row_format,
        table.event_time,
        table.time_zone,
        sliced,
        {name: needs_keys[name] for name in table.needs},
    )


def needs_reads(state: State, table: Table) -> dict[str, list[Read]]:
    """The partitions of the tables in `needs`, from the ledger. Raises IngestionError when one is not made yet."""
    reads = {}
    for name in table.needs:
        records = ledger.latest(state, f"validated/{name}")
        if not records:
            raise IngestionError(
                f"{table.name} needs {name}, which is not validated yet.", remedy=f"Make validated/{name} first."
            )
        reads[name] = [Read(r.asset, r.partition, r.content_key) for _, r in sorted(records.items())]
    return reads


def keys_of(needs: Mapping[str, list[Read]]) -> dict[str, str]:
    """One content key a table in `needs`, from those of its partitions."""
    return {name: content_key([[r.partition, r.content_key] for r in reads]) for name, reads in needs.items()}


def needs_keys(state: State, table: Table) -> dict[str, str]:
    """The content keys of the tables in `needs`. Raises IngestionError when one is not made yet."""
    return keys_of(needs_reads(state, table))


@dataclass(frozen=True)
class Screenings:
    """The file versions of a table and the screenings recorded under one key, as they were read together."""

    key: str
    versions: list[FileVersion]
    by_file: dict[str, Screening]  # file id → what screening made of it

    @cached_property
    def standing(self) -> dict[str, list[FileVersion]]:
        """The versions of each path that count, oldest first: those that ever stood and that screening did not refuse.

        Where screening refuses a new version, the one before it stands on.
        """
        refused = {file_id for file_id, s in self.by_file.items() if s.error is not None}
        chains = {
            path: chain(versions)
            for path, versions in by_path([v for v in self.versions if v.file_id not in refused]).items()
        }
        return {path: versions for path, versions in chains.items() if versions}

    @property
    def waiting(self) -> list[FileVersion]:
        """The versions that count and are not screened."""
        return [v for _, chain in sorted(self.standing.items()) for v in chain if v.file_id not in self.by_file]

    def columns_before(self, version: FileVersion) -> list[str]:
        """The columns of the newest file with any before this one that was not refused; none for the first."""

        def position(one: FileVersion) -> tuple[datetime, str, int]:
            return one.arrival, one.path, one.version

        refused = {file_id for file_id, screening in self.by_file.items() if screening.error is not None}
        earlier = [
            one
            for one in self.versions
            if one.status != "refused" and one.sha256 != NO_CONTENT
            if one.file_id not in refused and position(one) < position(version)
        ]
        newest = max(earlier, key=position, default=None)
        return [] if newest is None else list(json.loads(newest.columns))

    @property
    def refused(self) -> list[Refusal]:
        """The newest versions that screening refused, and why."""
        newest = {v.path: v.file_id for v in self.versions if v.status != "refused"}
        errors = [(s.file, s.error) for s in self.by_file.values() if s.error is not None]
        return [Refusal(v.path, error) for v, error in errors if newest[v.path] == v.file_id]


def screenings(state: State, table: Table, partitions: Partitions | None, keys: Mapping[str, str]) -> Screenings:
    """What is recorded under the present key. Reads only."""
    recorded = versions(state, table.name)
    files, key = {v.file_id: v for v in recorded}, screening_key(table, keys, partitions)
    rows = screening_records.of_key(state, table.name, key)
    by_file = {
        row.file_id: Screening(files[row.file_id], row.digest, _counts(partitions, row.partitions), row.error)
        for row in rows
        if row.file_id in files
    }
    return Screenings(key, recorded, by_file)


def _counts(partitions: Partitions | None, text: str) -> dict[str, Counts]:
    recorded: dict[str, list[int]] = json.loads(text)
    counts = {name: Counts(*values) for name, values in recorded.items()}
    if "" in counts and partitions is not None:  # no row of the file tells a time
        first = next(iter(partitions.keys()), WHOLE)
        lost, there = counts.pop(""), counts.get(first, Counts(0, 0, 0, 0))
        counts[first] = Counts(*(a + b for a, b in zip(_tuple(lost), _tuple(there), strict=True)))
    return counts


def _tuple(counts: Counts) -> tuple[int, int, int, int]:
    return counts.rows, counts.refused, counts.duplicates, counts.dropped


def screen_files(stores: Stores, table: Table, partitions: Partitions | None, keys: Mapping[str, str]) -> Screenings:
    """Screen the file versions that are not screened yet, or whose blob is gone; everything that is recorded then."""
    state = _whole(stores, table, partitions, keys)
    if not state.waiting:
        return state
    with table_lock(stores.settings, table.name):
        state = _whole(stores, table, partitions, keys)
        needs = needed_rows(stores.lake, table)
        # A refused version lets the one before it stand, which may not be screened either.
        while waiting := state.waiting:
            for batch in batches(waiting):
                screened = screen_batch(stores, table, batch, partitions, state.key, needs, state.columns_before)
                screening_records.record(stores.state, screened)
            state = _whole(stores, table, partitions, keys)
    return state


def _whole(stores: Stores, table: Table, partitions: Partitions | None, keys: Mapping[str, str]) -> Screenings:
    """Without those whose blob is gone; its bytes are checked when it is read."""
    blobs, state = stores.blobs, screenings(stores.state, table, partitions, keys)
    whole = {i: s for i, s in state.by_file.items() if s.error is not None or blobs.path(s.digest).exists()}
    return Screenings(state.key, state.versions, whole)


def needed_rows(lake: Lake, table: Table) -> dict[str, pl.DataFrame]:
    """The current rows of the tables that `clean` needs, by name, without the platform's own columns."""
    frames = {}
    needed = [("validated", name) for name in table.needs]
    if needed:
        file_hashes.check(lake, needed, [one for one in unusable(lake) if (one.schema, one.table) in needed])
    for name in table.needs:
        own = [column for column in lake.columns("validated", name) if not column.startswith("_")]
        listed = ", ".join(quoted(column) for column in own)
        frames[name] = lake.frame(
            f"SELECT {listed} FROM validated.{quoted(name)} WHERE _superseded_at IS NULL ORDER BY _file, _row"
        )
    return frames
