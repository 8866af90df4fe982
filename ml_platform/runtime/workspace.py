"""What every step works with, and what it leaves behind."""

from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from ml_platform.lake import data_files
from ml_platform.lake.blobs import Blobs, unchanged
from ml_platform.lake.connection import Lake
from ml_platform.lake.transaction import Author, Transaction, write
from ml_platform.quality.checks import CheckResult
from ml_platform.settings import Settings
from ml_platform.spec.partitions import Partitions
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import ledger, lineage


@dataclass(frozen=True)
class Workspace:
    """The lake, the blobs and how tables are sliced (from `discovery.slices_of`)."""

    lake: Lake
    blobs: Blobs
    slices: dict[str, Partitions | None] = field(default_factory=dict)

    @classmethod
    def open(cls, settings: Settings, slices: dict[str, Partitions | None]) -> "Workspace":
        """Open the lake for writing and make the platform's tables when they are missing."""
        from ml_platform.state import alerts, ingestion_tables, registry_tables

        lake = Lake(settings)
        for prepare in (
            ledger.prepare,
            ingestion_tables.prepare,
            registry_tables.prepare,
            alerts.prepare,
            lineage.prepare,
        ):
            prepare(lake)
        data_files.set_aside_damaged(lake)
        return cls(lake, Blobs(settings), slices)

    @property
    def settings(self) -> Settings:
        return self.lake.settings


@dataclass(frozen=True)
class Outcome:
    """What a step did: `made`, or `unchanged` when its content key was already there (S32).

    output:   digest of the blob that is the output, if it is one.
    files:    path under the data folder → digest, of files outside lake and blobs that are the output.
    metadata: name → JSON value, for people; the same for a hit as for the making.
    checks:   results that become asset checks.
    """

    rows: int
    status: str = "made"
    output: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)
    checks: tuple[CheckResult, ...] = ()
    content_key: str = ""
    files: dict[str, str] = field(default_factory=dict)


def already_made(ws: Workspace, author: Author, table: str | None) -> Outcome | None:
    """The recorded outcome when the ledger holds this key for this asset and partition (S31).

    A hit verifies that the output is there and whole: a blob by its hash, a partition of the lake
    table `table` (`schema.name`) by its files.
    """
    last = ledger.latest(ws.lake, author.asset).get((author.asset, author.partition))
    if last is not None and last.content_key == author.content_key and intact(ws, last, table):
        return recorded(last)
    return None


def recorded(made: ledger.Materialization) -> Outcome:
    """The outcome that a ledger row tells of."""
    checks = tuple(CheckResult(**check) for check in made.details.get("checks", ()))
    told, written = made.details.get("metadata", {}), made.details.get("written", {})
    return Outcome(made.rows, "unchanged", made.output, told, checks, made.content_key, written)


def intact(ws: Workspace, made: ledger.Materialization, table: str | None) -> bool:
    """Whether what a ledger row speaks of can still be read, and is what it was."""
    if not all(unchanged(ws.settings.data / name, digest) for name, digest in made.details.get("written", {}).items()):
        return False
    if made.output:
        return ws.blobs.whole(made.output)
    if table is None:
        return True
    schema, _, name = table.partition(".")
    return data_files.whole(ws.lake, schema, name, made.partition)


def record(tx: Transaction, author: Author, outcome: Outcome) -> None:
    """Put an outcome into the ledger, in the transaction that writes its rows."""
    details = {"metadata": outcome.metadata, "checks": [asdict(check) for check in outcome.checks]}
    if outcome.files:
        details["written"] = outcome.files
    ledger.record(tx, author, rows=outcome.rows, output=outcome.output, details=details)


def recorded_alone(ws: Workspace, author: Author, outcome: Outcome) -> Outcome:
    """Record an outcome whose output lies elsewhere: a blob, or rows of the registry."""
    with write(ws.lake, author) as tx:
        record(tx, author, outcome)
    return outcome


def window_of(pipeline: ModelPipeline, partition: str) -> tuple[datetime | None, datetime | None]:
    """Start and end (exclusive) of a partition, UTC; None twice for a pipeline without."""
    return pipeline.partitions.window(partition) if pipeline.partitions else (None, None)


def stamp() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)
