"""The tables of the operational state: SQLAlchemy Core, on SQLite or PostgreSQL.

The database enforces uniqueness of a version's number, a gate's measured verdict, a file version, a screening and an
alert. Alembic (`migrations/`) creates and changes the tables. A test compares its result with this module.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.types import TypeDecorator

REVISION = "0001"  # the newest migration

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class UtcDateTime(TypeDecorator[datetime]):
    """A moment in UTC with microseconds. SQLite stores it without a zone, as SQL text that DuckDB reads as a time."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> Any:
        return dialect.type_descriptor(DateTime(timezone=dialect.name != "sqlite"))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# SQLite numbers rows by itself only for a column of exactly this type.
_ID = BigInteger().with_variant(Integer, "sqlite")


def _text(name: str, *, nullable: bool = False) -> Column[str]:
    return Column(name, Text, nullable=nullable)


def _time(name: str, *, nullable: bool = False) -> Column[datetime]:
    return Column(name, UtcDateTime, nullable=nullable)


# What was carried over from a lake that kept these rows itself: "copied", then "done".
imports = Table("imports", metadata, Column("source", Text, primary_key=True), _text("progress"))

# Everything that was produced, from which content key (S31, S32). The newest row of an asset and
# partition counts. `result` is the typed result as JSON (`state.results`); `files` names written
# files outside lake and blobs, as JSON path → SHA-256.
records = Table(
    "records",
    metadata,
    Column("id", _ID, primary_key=True, autoincrement=True),
    _text("asset"),
    _text("partition"),
    _text("content_key"),
    _text("output"),
    Column("rows", BigInteger, nullable=False),
    _text("result"),
    _text("files"),
    _text("run_id"),
    _time("recorded_at"),
    Index(None, "asset", "partition", "id"),
    sqlite_autoincrement=True,
)

# What no plan reads, fetched one record at a time: what people look at, check results, inputs.
record_details = Table(
    "record_details",
    metadata,
    Column("record_id", _ID, ForeignKey("records.id"), primary_key=True, autoincrement=False),
    _text("display"),
    _text("checks"),
    _text("reads"),
)

# One row per file version. `version` counts the versions of a path from 1; `columns` is JSON:
# name in the file → [column in raw or null, polars type]; `read_key` tells how it was read.
files = Table(
    "files",
    metadata,
    Column("id", _ID, primary_key=True, autoincrement=True),
    _text("table_name"),
    _text("file_id"),
    _text("path"),
    Column("version", Integer, nullable=False),
    _text("sha256"),
    Column("bytes", BigInteger, nullable=False),
    Column("mtime_ns", BigInteger, nullable=False),
    Column("rows", BigInteger, nullable=False),
    _text("columns"),
    _time("arrival"),
    Column("declared", Boolean, nullable=False),
    _text("status"),
    _text("replaces", nullable=True),
    _time("replaced_at", nullable=True),
    _text("error", nullable=True),
    _text("read_key"),
    _text("run_id"),
    _time("recorded_at"),
    UniqueConstraint("table_name", "file_id"),
    UniqueConstraint("table_name", "path", "version"),
    CheckConstraint("status IN ('ingested', 'replaced', 'refused')", name="status"),
    sqlite_autoincrement=True,
)

# File versions whose rows are about to be committed to the lake; a row that outlives its writer
# names rows of `raw` that no record stands for (`sources.raw`).
unfinished_files = Table(
    "unfinished_files",
    metadata,
    Column("table_name", Text, primary_key=True),
    Column("file_id", Text, primary_key=True),
)

# Arrivals declared by `land(arrived=)`, for contents that may not have been read yet.
landings = Table(
    "landings",
    metadata,
    Column("table_name", Text, primary_key=True),
    Column("path", Text, primary_key=True),
    Column("sha256", Text, primary_key=True),
    _time("arrival"),
    _time("recorded_at"),
)

# One row per file version and screening key. `partitions` is JSON: partition ("" where no row of
# the file tells one) → counts; `error` says why `clean` or the contract refused the file.
screenings = Table(
    "screenings",
    metadata,
    Column("id", _ID, primary_key=True, autoincrement=True),
    _text("table_name"),
    _text("file_id"),
    _text("screening_key"),
    _text("digest"),
    Column("rows", BigInteger, nullable=False),
    Column("refused", BigInteger, nullable=False),
    Column("duplicates", BigInteger, nullable=False),
    Column("dropped", BigInteger, nullable=False),
    _text("partitions"),
    _text("error", nullable=True),
    _time("recorded_at"),
    UniqueConstraint("table_name", "file_id", "screening_key"),
    ForeignKeyConstraint(["table_name", "file_id"], ["files.table_name", "files.file_id"]),
    sqlite_autoincrement=True,
)

# An integer given once per pipeline and content key of the training (S22).
versions = Table(
    "versions",
    metadata,
    Column("id", _ID, primary_key=True, autoincrement=True),
    _text("pipeline"),
    Column("version", BigInteger, nullable=False),
    _text("content_key"),
    _text("partition"),
    _text("training_set"),
    _text("bundle"),
    _text("bounds"),
    _time("decided_at", nullable=True),
    _text("parameters"),
    _text("metrics"),
    _text("environment"),
    _text("code_version"),
    _text("durations"),
    _text("run_id"),
    _time("created_at"),
    UniqueConstraint("pipeline", "version"),
    UniqueConstraint("pipeline", "content_key"),
    CheckConstraint("version > 0", name="version"),
    sqlite_autoincrement=True,
)

# What a gate found about a version; a measured verdict is never replaced (S23).
verdicts = Table(
    "verdicts",
    metadata,
    Column("id", _ID, primary_key=True, autoincrement=True),
    _text("pipeline"),
    Column("version", BigInteger, nullable=False),
    _text("gate"),
    _text("gate_key"),
    _text("metric"),
    _text("slice"),
    Column("value", Double),
    Column("threshold", Double),
    Column("low", Double),
    Column("high", Double),
    Column("passed", Boolean),
    Column("rows", BigInteger, nullable=False),
    _text("detail"),
    _text("snapshot"),
    Column("measured", Boolean, nullable=False),
    _text("run_id"),
    _time("recorded_at"),
    ForeignKeyConstraint(["pipeline", "version"], ["versions.pipeline", "versions.version"]),
    Index(
        "uq_verdicts_measured",
        "pipeline",
        "version",
        "gate_key",
        "slice",
        unique=True,
        sqlite_where=text("measured"),
        postgresql_where=text("measured"),
    ),
    sqlite_autoincrement=True,
)

# The append-only log of champion changes (S26).
promotions = Table(
    "promotions",
    metadata,
    Column("seq", _ID, primary_key=True, autoincrement=True),
    _text("pipeline"),
    Column("version", BigInteger),
    _text("action"),
    Column("previous", BigInteger),
    _text("partition"),
    _time("effective_at"),
    _text("reason"),
    _text("actor"),
    _text("run_id"),
    _time("recorded_at"),
    ForeignKeyConstraint(["pipeline", "version"], ["versions.pipeline", "versions.version"]),
    CheckConstraint("action IN ('promoted', 'rolled_back', 'kept')", name="action"),
    Index(None, "pipeline", "seq"),
    sqlite_autoincrement=True,
)

# Whether to train after a partition; the newest row of a partition counts (S20, S21).
decisions = Table(
    "decisions",
    metadata,
    Column("id", _ID, primary_key=True, autoincrement=True),
    _text("pipeline"),
    _text("partition"),
    _time("decided_at", nullable=True),
    _text("outcome"),
    _text("reason"),
    _text("policy"),
    _text("evidence"),
    _text("run_id"),
    _time("recorded_at"),
    CheckConstraint("outcome IN ('triggered', 'skipped', 'manual')", name="outcome"),
    Index(None, "pipeline", "partition", "id"),
    sqlite_autoincrement=True,
)

alerts = Table(
    "alerts",
    metadata,
    Column("alert_id", Text, primary_key=True),
    _text("kind"),
    _text("severity"),
    _text("asset"),
    _text("partition"),
    _text("about"),
    _text("title"),
    _text("text"),
    _text("link"),
    _text("evidence"),
    _time("raised_at"),
    _text("run_id"),
    Index(None, "raised_at"),
)

# Append-only; the newest row of an alert and channel is its state (`monitoring.delivery`).
alert_deliveries = Table(
    "alert_deliveries",
    metadata,
    Column("id", _ID, primary_key=True, autoincrement=True),
    Column("alert_id", Text, ForeignKey("alerts.alert_id"), nullable=False),
    _text("channel"),
    Column("attempt", Integer, nullable=False),
    _text("state"),
    _text("error"),
    _time("until", nullable=True),
    _time("recorded_at"),
    Index(None, "alert_id", "channel", "id"),
    sqlite_autoincrement=True,
)
