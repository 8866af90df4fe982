"""The workspace of a step, its outcome, and recording it."""

from collections.abc import Mapping
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any, Literal

from ml_platform.lake import catalog_indexes, data_files, file_hashes
from ml_platform.lake.blobs import Blobs, unchanged
from ml_platform.lake.connection import Lake
from ml_platform.lake.transaction import Author, Transaction
from ml_platform.lake.unfinished_erasure import refuse_unfinished_erasure
from ml_platform.quality.check_result import CheckResult
from ml_platform.settings import Settings
from ml_platform.spec.partitions import Partitions
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import database, ledger
from ml_platform.state.alerts import Alert
from ml_platform.state.database import State
from ml_platform.state.lake_marks import mark_new, ran, refuse_mismatch
from ml_platform.state.lost_stores import refuse_lost_catalog
from ml_platform.state.old_lakes import carried_over, carry_over
from ml_platform.state.results import Result
from ml_platform.state.stores import Stores, after

Status = Literal["made", "unchanged", "skipped", "not drawn"]


@dataclass(frozen=True)
class Workspace(Stores):
    """Lake, state and blobs, and the partitions of tables (from `discovery.slices_of`)."""

    slices: Mapping[str, Partitions | None] = field(default_factory=dict)

    @classmethod
    def open(cls, settings: Settings, slices: Mapping[str, Partitions | None], *, erasing: bool = False) -> "Workspace":
        """Open lake and state for writing. Missing ones are created, older ones are migrated.

        Raises LakeError while an erasure is not finished, unless it is that which opens them (`erasing`).
        """
        refuse_lost_catalog(settings)
        if not erasing:
            refuse_unfinished_erasure(settings)
        with ExitStack() as opened:
            lake = opened.enter_context(closing(Lake(settings)))
            state = opened.enter_context(closing(_open_state(lake, settings)))
            carry_over(lake, state)
            mark_new(state, lake)
            catalog_indexes.tend(lake)
            file_hashes.tend(lake)
            opened.pop_all()  # nothing failed: the caller closes them
        return cls(lake, state, Blobs(settings), slices)

    @classmethod
    def open_for_reading(
        cls, settings: Settings, slices: Mapping[str, Partitions | None], *, records: bool = False
    ) -> "Workspace":
        """Open lake and state read-only, which blocks no run. Raises LakeError when there is no lake yet.

        A lake of an older version is migrated first. `records`: whether the state is opened for writing, for an
        experiment (S46). Raises StateError for a state that newer code made or that is older than the lake.
        """
        refuse_lost_catalog(settings)
        if records:
            refuse_unfinished_erasure(settings)
        if database.lake_exists(settings) and not (database.is_current(settings) and carried_over(settings)):
            cls.open(settings, slices).close()
        with ExitStack() as opened:
            lake = opened.enter_context(closing(Lake(settings, read_only=True)))
            state = opened.enter_context(closing(State(settings, read_only=not records)))
            refuse_mismatch(state, lake)
            opened.pop_all()
        return cls(lake, state, Blobs(settings), slices)


def _open_state(lake: Lake, settings: Settings) -> State:
    """Create a missing database under a lock, so that two processes do not create it at once.

    Raises StateError when it is missing and the lake was run.
    """
    if database.exists(settings):
        return State(settings)
    with lake.locked("the operational state"):
        return State(settings, beside_lake=not ran(lake))


@dataclass(frozen=True)
class Outcome:
    """The outcome of a step: `made`, or `unchanged` when its content key was already there (S32).

    output:   digest of the blob that is the output, if it is one.
    result:   the typed result, which steps and views read.
    display:  label → JSON value, for people only. A hit shows the recorded values.
    checks:   results that become asset checks.
    files:    path under the data folder → digest, of files outside lake and blobs that are the output.
    alerts:   to raise, beside those of failed checks.
    """

    rows: int
    status: Status = "made"
    output: str = ""
    result: Result = field(default_factory=Result)
    display: dict[str, Any] = field(default_factory=dict)
    checks: tuple[CheckResult, ...] = ()
    content_key: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    alerts: tuple[Alert, ...] = ()


def already_made(ws: Stores, author: Author, table: str | None) -> Outcome | None:
    """The recorded outcome when the ledger holds this key for this asset and partition (S31).

    A hit verifies that the output is there and whole: a blob by its hash, a partition of the lake
    table `table` (`schema.name`) by its files.
    """
    last = ledger.latest_of(ws.state, author.asset, author.partition)
    if last is not None and last.content_key == author.content_key and intact(ws, last, table):
        return recorded(ws, last)
    return None


def recorded(ws: Stores, record: ledger.Record) -> Outcome:
    """The outcome of a record."""
    details = ledger.details(ws.state, record.id)
    checks = tuple(CheckResult(**check) for check in details.checks)
    return Outcome(
        record.rows,
        "unchanged",
        record.output,
        record.result,
        dict(details.display),
        checks,
        record.content_key,
        record.files,
    )


def intact(ws: Stores, record: ledger.Record, table: str | None) -> bool:
    """Whether the output of a record still exists and is unchanged."""
    if not all(unchanged(ws.settings.data / name, digest) for name, digest in record.files.items()):
        return False
    if record.output:
        return ws.blobs.whole(record.output)
    if table is None:
        return True
    schema, _, name = table.partition(".")
    return data_files.whole(ws.lake, schema, name, record.partition)


def record(ws: Stores, author: Author, outcome: Outcome) -> Outcome:
    """Record an outcome. Its output must be stored already: as a blob, in the state or committed to the lake."""
    ledger.record(
        ws.state,
        author,
        rows=outcome.rows,
        result=outcome.result,
        output=outcome.output,
        display=outcome.display,
        checks=[asdict(check) for check in outcome.checks],
        files=outcome.files,
    )
    return outcome


def record_after(tx: Transaction, ws: Stores, author: Author, outcome: Outcome) -> Outcome:
    """Record an outcome as soon as `tx` is committed (S43)."""
    after(tx, ws.state, lambda: record(ws, author, outcome))
    return outcome


def window_of(pipeline: ModelPipeline, partition: str) -> tuple[datetime | None, datetime | None]:
    """Start and end (exclusive) of a partition, UTC; (None, None) for a pipeline without partitions."""
    return pipeline.partitions.window(partition) if pipeline.partitions else (None, None)
