"""The sources that a table may be declared with. Which module reads each of them stands in SOURCES."""

from pathlib import PurePosixPath
from typing import Any, Literal

import polars as pl

from ml_platform.errors import DeclarationError
from ml_platform.spec.declared_source import DeclaredSource
from ml_platform.spec.vocabulary import Several, word

_FORMATS = {".csv": "csv", ".parquet": "parquet", ".pq": "parquet", ".ndjson": "ndjson", ".jsonl": "ndjson"}


@word
class Files(DeclaredSource):
    """Files in the landing folder: a glob relative to it, such as `flights/*.csv`.

    CSV, Parquet and NDJSON; CSV and NDJSON may be gzipped (`.gz`) or zipped (`.zip`). `format`
    is taken from the suffix when it is not given. `nulls` are the CSV texts that mean "no value".

    >>> Files("flights/*.csv.gz").row_format
    'csv'
    """

    pattern: str
    format: Literal["csv", "parquet", "ndjson"] | None = None
    nulls: Several[str] = ("", "NA")
    separator: str = ","

    def __post_init__(self) -> None:
        path = PurePosixPath(self.pattern)
        where = f"Files({self.pattern!r})"
        if path.is_absolute() or ".." in path.parts or not self.pattern:
            raise DeclarationError(
                where, "the pattern leaves the landing folder", remedy="Make it relative, without '..'."
            )
        if self.row_format is None:
            raise DeclarationError(
                where,
                "its suffix tells no format",
                remedy=f"End it in one of {', '.join(_FORMATS)} (or .gz, .zip), or pass format=.",
            )

    @property
    def row_format(self) -> str | None:
        """`csv`, `parquet` or `ndjson`."""
        if self.format is not None:
            return self.format
        suffixes = [s for s in PurePosixPath(self.pattern).suffixes if s not in (".gz", ".zip")]
        return _FORMATS.get(suffixes[-1]) if suffixes else None

    @property
    def null_texts(self) -> tuple[str, ...]:
        return tuple(self.nulls)

    @property
    def reading(self) -> dict[str, Any]:
        return {"format": self.row_format, "separator": self.separator}

    @property
    def phrase(self) -> str:
        return (
            f"every row of every file that landed as `{self.pattern}`, as text where the file is text, with its file "
            "and row number"
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

    def with_nulls(self, rows: pl.DataFrame) -> pl.DataFrame:
        if self.row_format != "csv" or not self.nulls:
            return rows
        nulls = list(self.nulls)
        return rows.with_columns(pl.when(~pl.col(pl.String).is_in(nulls)).then(pl.col(pl.String)).name.keep())

    def covers(self, path: str) -> bool:
        return PurePosixPath(path).match(self.pattern)


AnySource = Files
SOURCES: dict[type, str] = {Files: "files"}  # word → its module in `ml_platform.sources`
