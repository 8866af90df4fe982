"""The sources that a table may be declared with. Which module reads each of them stands in SOURCES."""

import codecs
import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, Literal

import polars as pl
from pydantic import Field

from ml_platform.errors import DeclarationError
from ml_platform.escaping import markdown_code, markdown_text
from ml_platform.spec.declared_source import DeclaredSource
from ml_platform.spec.patterns import matches
from ml_platform.spec.vocabulary import Several, word

_FORMATS = {".csv": "csv", ".parquet": "parquet", ".pq": "parquet", ".ndjson": "ndjson", ".jsonl": "ndjson"}
_FORMATS |= {".json": "json"}


@word
class Files(DeclaredSource):
    """Files in the landing folder.

    CSV, Parquet, NDJSON and JSON (an array of objects) are read. All but Parquet may be compressed with gzip (`.gz`)
    or zip (`.zip`).

    Args:
        pattern: A glob relative to the landing folder, such as `flights/*.csv`.
        format: csv, parquet, ndjson or json; default: from the suffix.
        nulls: The texts that mean "no value" in every column of a CSV.
        column_nulls: The texts that mean "no value" in single columns, in place of `nulls`, by the column's name in the
            file. They hold in text columns of every format. Empty: every text is a value.
        separator: The character between CSV columns.
        encoding: How text is encoded: a name that Python knows, such as "cp1252" or "utf-16"; default: UTF-8.

    Raises:
        DeclarationError: For a pattern that leaves the landing folder, for a suffix that tells no format, and for an
            unknown encoding.

    >>> Files("flights/*.csv.gz").row_format
    'csv'
    >>> Files("visits/*.csv", column_nulls={"country": [""]}).null_texts  # NA is Namibia
    ('', 'NA', {'country': ('',)})
    """

    pattern: str
    format: Literal["csv", "parquet", "ndjson", "json"] | None = None
    nulls: Several[str] = ("", "NA")
    column_nulls: Mapping[str, Several[str]] = Field(default_factory=dict)
    separator: str = ","
    encoding: str | None = None

    def __post_init__(self) -> None:
        path = PurePosixPath(self.pattern)
        where = f"Files({self.pattern!r})"
        if path.is_absolute() or ".." in path.parts or not self.pattern:
            raise DeclarationError(
                where, "the pattern leaves the landing folder", remedy="Make it relative, without '..'."
            )
        if any("**" in part and part != "**" for part in path.parts):
            raise DeclarationError(
                where, "`**` is a part of a name", remedy="Write `*` within a name, and `**` alone for any folders."
            )
        if self.row_format is None:
            raise DeclarationError(
                where,
                "its suffix is no known format",
                remedy=f"End it in one of {', '.join(_FORMATS)} (or .gz, .zip), or pass format=.",
            )
        if self.encoding is not None:
            try:
                codecs.lookup(self.encoding)
            except LookupError:
                raise DeclarationError(
                    where,
                    f"encoding={self.encoding!r} is no encoding that Python knows",
                    remedy='Use a name such as "cp1252", "latin-1" or "utf-16".',
                ) from None
            if self.row_format == "parquet":
                raise DeclarationError(
                    where, "encoding= of Parquet files, which are not text", remedy="Leave encoding= out."
                )

    @property
    def row_format(self) -> str | None:
        """`csv`, `parquet`, `ndjson` or `json`."""
        if self.format is not None:
            return self.format
        suffixes = [s for s in PurePosixPath(self.pattern).suffixes if s not in (".gz", ".zip")]
        return _FORMATS.get(suffixes[-1]) if suffixes else None

    @property
    def null_texts(self) -> tuple[Any, ...]:
        own = {name: tuple(texts) for name, texts in sorted(self.column_nulls.items())}
        return (*self.nulls, own) if own else tuple(self.nulls)

    @property
    def named_columns(self) -> tuple[str, ...]:
        return tuple(self.column_nulls)

    @property
    def reading(self) -> dict[str, Any]:
        encoding = {} if self.encoding is None else {"encoding": codecs.lookup(self.encoding).name}
        return {"format": self.row_format, "separator": self.separator, **encoding}

    @property
    def phrase(self) -> str:
        return (
            f"every row of every file that landed as {markdown_code(self.pattern)}, as text where the file is text, "
            "with its file and row number"
        )

    @property
    def changes_with(self) -> str:
        return "a new or replaced file in the landing folder"

    @property
    def advice(self) -> str:
        return (
            "a file that cannot be read stays where it is and is listed under *refused* with the reason and the "
            "remedy; the others go on."
        )

    @property
    def correction(self) -> str:
        return "Correct the file where it is, or remove it."

    @property
    def taking_back(self) -> str:
        return "Land it again with `ml-platform land` to take it back."

    @property
    def absence(self) -> str:
        return f"no file has landed as `{self.pattern}`"

    @property
    def in_landing_folder(self) -> bool:
        return True

    def with_nulls(self, rows: pl.DataFrame) -> pl.DataFrame:
        texts = [name for name, kind in rows.schema.items() if kind == pl.String]
        nulls = {**dict.fromkeys(texts, self.nulls if self.row_format == "csv" else ()), **self.column_nulls}
        meaning = {name: list(nulls[name]) for name in texts if nulls[name]}
        return rows.with_columns(_with_nulls(rows[name], none) for name, none in meaning.items())

    def covers(self, path: str) -> bool:
        return matches(self.pattern, path)


def _with_nulls(texts: pl.Series, none: list[str]) -> pl.Series:
    """Null for what is in `none`. Under a name of ours: polars would read one such as `*` as a pattern."""
    plain = texts.alias("text").to_frame()
    kept = plain.select(pl.when(~pl.col("text").is_in(none)).then(pl.col("text")))
    return kept.to_series().alias(texts.name)


@word
class Sql(DeclaredSource):
    """A table or query of a SQLite or PostgreSQL database, read where it is, as far as its cursor has grown.

    query:      a table (`orders`, `shop.orders`) or one SELECT.
    connection: the name of the environment variable that holds the database's SQLAlchemy URL.
    cursor:     a column without nulls that only grows, such as `id` or `updated_at`: a run reads the rows beyond
                the greatest value that was read before.
    batch_rows: rows that are read into memory at once; each batch is a version of its own.

    >>> Sql("orders", connection="ORDERS_DB", cursor="id").label
    'orders'
    """

    query: str
    connection: str
    cursor: str
    batch_rows: int = Field(default=100_000, ge=1)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", self.connection):  # it may be a secret: it is not told
            raise DeclarationError(
                f"Sql({self.query!r})",
                "connection= is no name of an environment variable",
                remedy="Put the database's URL into the environment, and its variable's name here.",
            )
        if self.is_query and not re.match(r"(?i)\s*(select|with)\b[^;]*$", self.query):
            raise DeclarationError(f"Sql({self.query!r})", "it is not one SELECT", remedy="Leave out any semicolon.")
        if not self.is_query and not re.fullmatch(r"\w+(\.\w+)?", self.query):
            raise DeclarationError(
                f"Sql({self.query!r})", "it is neither a table nor a SELECT", remedy="Write orders or shop.orders."
            )
        if not self.cursor:
            raise DeclarationError(f"Sql({self.query!r})", "cursor='' names no column", remedy="Name the cursor.")

    @property
    def credentials(self) -> tuple[str, ...]:
        return (self.connection,)

    @property
    def is_query(self) -> bool:
        """Whether it is a SELECT and not a table."""
        return len(self.query.split()) > 1

    @property
    def label(self) -> str:
        """The table's name; `query` for a SELECT."""
        return "query" if self.is_query else self.query

    @property
    def row_format(self) -> str:
        return "sql"

    @property
    def reading(self) -> dict[str, Any]:
        return {"query": self.query}

    @property
    def phrase(self) -> str:
        return (
            f"every row of {markdown_code(self.query)} in the database {markdown_text(self.connection)}, read in the "
            f"order of {markdown_code(self.cursor)}, with the range of it and its number there"
        )

    @property
    def changes_with(self) -> str:
        return f"rows whose {markdown_code(self.cursor)} is beyond all that were read"

    @property
    def advice(self) -> str:
        return (
            "a database that does not answer is shown under *unavailable* with the reason and the remedy, and raises "
            "an alert; other tables go on, and the next run tries again."
        )

    @property
    def correction(self) -> str:
        return "Correct the query, or the columns of the database: the next run reads the range again."

    @property
    def taking_back(self) -> str:
        return "It stays out: what a database has cannot be landed."

    @property
    def absence(self) -> str:
        return f"no row of `{self.query}` can be read from the database {self.connection}"


AnySource = Files | Sql
SOURCES: dict[type, str] = {Files: "files", Sql: "sql"}  # word → its module in `ml_platform.sources`
