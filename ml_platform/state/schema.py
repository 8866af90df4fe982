"""The tables of the operational state: SQLAlchemy Core, on SQLite or PostgreSQL.

The database enforces uniqueness of a version's number, a gate's measured verdict, a file version, a screening and an
alert. Alembic (`migrations/`) creates and changes the tables. A test compares its result with the metadata.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)

import ml_platform.state.alert_tables  # these add their tables to the metadata
import ml_platform.state.canary_tables
import ml_platform.state.challenge_tables
import ml_platform.state.check_tables
import ml_platform.state.erasure_tables
import ml_platform.state.experiment_tables
import ml_platform.state.export_tables
import ml_platform.state.plan_tables
import ml_platform.state.search_tables  # noqa: F401 - as above
from ml_platform.state.column_types import ID, text_column, time_column
from ml_platform.state.metadata import METADATA

REVISION = "0015"  # the newest migration
metadata = METADATA  # of the tables here and in the modules above

# What was carried over from a lake that kept these rows itself: "copied", then "done".
imports = Table("imports", metadata, Column("source", Text, primary_key=True), text_column("progress"))

# The lake that the records are about, and its newest snapshot with a record (`lake_marks`). `clock` is one row: the
# newest time that the platform stamped.
lake_marks = Table("lake_marks", metadata, Column("lake", Text, primary_key=True), Column("snapshot", BigInteger))
clock = Table("clock", metadata, Column("name", Text, primary_key=True), time_column("newest"))

# Everything that was produced, from which content key (S31, S32). The newest row of an asset and partition counts.
# `result` is the typed result (`state.results`), `files` names files outside lake and blobs: JSON, path → SHA-256.
records = Table(
    "records",
    metadata,
    Column("id", ID, primary_key=True, autoincrement=True),
    text_column("asset"),
    text_column("partition"),
    text_column("content_key"),
    text_column("output"),
    Column("rows", BigInteger, nullable=False),
    text_column("result"),
    text_column("files"),
    text_column("run_id"),
    time_column("recorded_at"),
    Index(None, "asset", "partition", "id"),
    sqlite_autoincrement=True,
)

# What no plan reads: what people look at, check results, inputs; `blobs`: the digests of shown plots and texts, JSON.
record_details = Table(
    "record_details",
    metadata,
    Column("record_id", ID, ForeignKey("records.id"), primary_key=True, autoincrement=False),
    *(text_column(name) for name in ("display", "checks", "reads")),
    Column("blobs", Text, nullable=False, server_default="[]"),
)

# One row per file version. `version` counts the versions of a path from 1; `columns` is JSON:
# name in the file → [column in raw or null, polars type]; `read_key` tells how it was read.
files = Table(
    "files",
    metadata,
    Column("id", ID, primary_key=True, autoincrement=True),
    text_column("table_name"),
    text_column("file_id"),
    text_column("path"),
    Column("version", Integer, nullable=False),
    text_column("sha256"),
    Column("bytes", BigInteger, nullable=False),
    Column("mtime_ns", BigInteger, nullable=False),
    Column("rows", BigInteger, nullable=False),
    text_column("columns"),
    time_column("arrival"),
    Column("declared", Boolean, nullable=False),
    text_column("status"),
    text_column("replaces", nullable=True),
    time_column("replaced_at", nullable=True),
    text_column("error", nullable=True),
    text_column("read_key"),
    text_column("position", nullable=True),
    text_column("run_id"),
    time_column("recorded_at"),
    UniqueConstraint("table_name", "file_id"),
    UniqueConstraint("table_name", "path", "version"),
    CheckConstraint("status IN ('ingested', 'replaced', 'refused')", name="status"),
    sqlite_autoincrement=True,
)

# File versions whose rows are about to be committed; a row that outlives its writer names unrecorded rows of `raw`.
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
    time_column("arrival"),
    time_column("recorded_at"),
)

# Why a version without rows stands for a path: a person withdrew the file, or its content has another name.
withdrawals = Table(
    "withdrawals",
    metadata,
    Column("id", ID, primary_key=True, autoincrement=True),
    *(text_column(name) for name in ("table_name", "file_id", "path", "sha256", "why", "actor")),
    Column("by_hand", Boolean, nullable=False),
    time_column("recorded_at"),
    time_column("ended_at", nullable=True),
    UniqueConstraint("table_name", "file_id"),
    ForeignKeyConstraint(["table_name", "file_id"], ["files.table_name", "files.file_id"]),
    sqlite_autoincrement=True,
)

# One row per file version and screening key. `partitions` is JSON: partition ("" where no row of
# the file tells one) → counts; `error` says why `clean` or the contract refused the file.
screenings = Table(
    "screenings",
    metadata,
    Column("id", ID, primary_key=True, autoincrement=True),
    text_column("table_name"),
    text_column("file_id"),
    text_column("screening_key"),
    text_column("digest"),
    Column("rows", BigInteger, nullable=False),
    Column("refused", BigInteger, nullable=False),
    Column("duplicates", BigInteger, nullable=False),
    Column("dropped", BigInteger, nullable=False),
    text_column("partitions"),
    text_column("error", nullable=True),
    time_column("recorded_at"),
    UniqueConstraint("table_name", "file_id", "screening_key"),
    ForeignKeyConstraint(["table_name", "file_id"], ["files.table_name", "files.file_id"]),
    sqlite_autoincrement=True,
)

# An integer given once per pipeline and content key of the training (S22).
versions = Table(
    "versions",
    metadata,
    Column("id", ID, primary_key=True, autoincrement=True),
    text_column("pipeline"),
    Column("version", BigInteger, nullable=False),
    text_column("content_key"),
    text_column("partition"),
    text_column("training_set"),
    text_column("bundle"),
    text_column("bounds"),
    time_column("decided_at", nullable=True),
    text_column("parameters"),
    text_column("metrics"),
    text_column("environment"),
    text_column("code_version"),
    text_column("durations"),
    text_column("run_id"),
    time_column("created_at"),
    UniqueConstraint("pipeline", "version"),
    UniqueConstraint("pipeline", "content_key"),
    CheckConstraint("version > 0", name="version"),
    sqlite_autoincrement=True,
)

# What a gate found about a version; no row is ever changed (S23). `measurement` counts from 1, and the newest counts.
# `severity` is that of the declaration by which it was judged.
verdicts = Table(
    "verdicts",
    metadata,
    Column("id", ID, primary_key=True, autoincrement=True),
    text_column("pipeline"),
    Column("version", BigInteger, nullable=False),
    text_column("gate"),
    text_column("gate_key"),
    text_column("metric"),
    text_column("slice"),
    Column("value", Double),
    Column("threshold", Double),
    Column("low", Double),
    Column("high", Double),
    Column("passed", Boolean),
    Column("rows", BigInteger, nullable=False),
    text_column("detail"),
    text_column("snapshot"),
    Column("measured", Boolean, nullable=False),
    text_column("run_id"),
    time_column("recorded_at"),
    Column("severity", Text, nullable=False, server_default="block"),
    Column("measurement", Integer, nullable=False, server_default="1"),
    ForeignKeyConstraint(["pipeline", "version"], ["versions.pipeline", "versions.version"]),
    Index(
        "uq_verdicts_measured",
        "pipeline",
        "version",
        "gate_key",
        "slice",
        "measurement",
        "severity",
        unique=True,
        sqlite_where=text("measured"),
        postgresql_where=text("measured"),
    ),
    sqlite_autoincrement=True,
)

# The append-only log of champion changes (S26). `overrides` names the failed checks that a person passed over.
promotions = Table(
    "promotions",
    metadata,
    Column("seq", ID, primary_key=True, autoincrement=True),
    text_column("pipeline"),
    Column("version", BigInteger),
    text_column("action"),
    Column("previous", BigInteger),
    text_column("partition"),
    time_column("effective_at"),
    text_column("reason"),
    text_column("actor"),
    text_column("run_id"),
    time_column("recorded_at"),
    Column("overrides", Text, nullable=False, server_default=""),
    ForeignKeyConstraint(["pipeline", "version"], ["versions.pipeline", "versions.version"]),
    CheckConstraint("action IN ('promoted', 'rolled_back', 'kept')", name="action"),
    Index(None, "pipeline", "seq"),
    sqlite_autoincrement=True,
)

# Whether to train after a partition; the newest row of a partition counts (S20, S21).
decisions = Table(
    "decisions",
    metadata,
    Column("id", ID, primary_key=True, autoincrement=True),
    text_column("pipeline"),
    text_column("partition"),
    time_column("decided_at", nullable=True),
    text_column("outcome"),
    text_column("reason"),
    text_column("policy"),
    text_column("evidence"),
    text_column("run_id"),
    time_column("recorded_at"),
    CheckConstraint("outcome IN ('triggered', 'skipped', 'manual')", name="outcome"),
    Index(None, "pipeline", "partition", "id"),
    sqlite_autoincrement=True,
)
