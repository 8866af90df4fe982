"""The tables of erasures. They say that and where rows were forgotten, and never which (S47)."""

from sqlalchemy import CheckConstraint, Column, Table, Text

from ml_platform.state.column_types import text_column, time_column
from ml_platform.state.metadata import METADATA

# One row for each time that rows were forgotten. `key_columns` names columns, without values. `counts`, `versions` and
# `unreached` are JSON: place → how many rows; model versions that learnt from them; what a person has to see to.
erasures = Table(
    "erasures",
    METADATA,
    Column("erasure_id", Text, primary_key=True),
    *(text_column(name) for name in ("table_name", "key_columns", "actor", "why", "status")),
    *(text_column(name) for name in ("counts", "versions", "unreached")),
    time_column("begun_at"),
    time_column("ended_at", nullable=True),
    CheckConstraint("status IN ('unfinished', 'done')", name="status"),
)

# Keyed hashes of forgotten keys, by which a later arrival is noticed. The salt is in a file of its own.
forgotten_keys = Table(
    "forgotten_keys",
    METADATA,
    Column("table_name", Text, primary_key=True),
    Column("key_columns", Text, primary_key=True),
    Column("digest", Text, primary_key=True),
)

# Landed files and blobs whose bytes changed because rows were forgotten. `original` is the hash by which records and
# content keys name the content; `present` that of the bytes which are there now. `scope`: the table of a landed file.
# `removed` is JSON: the numbers of the rows of the original that are gone.
rewritten = Table(
    "rewritten",
    METADATA,
    Column("kind", Text, primary_key=True),
    Column("scope", Text, primary_key=True),
    Column("original", Text, primary_key=True),
    text_column("present"),
    text_column("removed"),
    time_column("rewritten_at"),
    CheckConstraint("kind IN ('file', 'blob')", name="kind"),
)
