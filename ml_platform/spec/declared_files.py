"""What sources that are made of files have in common: their names, and how each of them is read."""

import codecs
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, Literal

import polars as pl
from pydantic import Field

from ml_platform.errors import DeclarationError
from ml_platform.spec.declared_source import DeclaredSource
from ml_platform.spec.vocabulary import Several, word

_FORMATS = {".csv": "csv", ".parquet": "parquet", ".pq": "parquet", ".ndjson": "ndjson", ".jsonl": "ndjson"}
_FORMATS |= {".json": "json"}


@word
class DeclaredFiles(DeclaredSource):
    """Files that a pattern covers, wherever they lie, and how they are read."""

    pattern: str
    format: Literal["csv", "parquet", "ndjson", "json"] | None = None
    nulls: Several[str] = ("", "NA")
    column_nulls: Mapping[str, Several[str]] = Field(default_factory=dict)
    separator: str = ","
    encoding: str | None = None

    def __post_init__(self) -> None:
        path = PurePosixPath(self.pattern)
        where = f"{type(self).__name__}({self.pattern!r})"
        if path.is_absolute() or ".." in path.parts or not self.pattern:
            raise DeclarationError(
                where, f"the pattern leaves {self.lies_in}", remedy="Make it relative, without '..'."
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
    def may_lose_versions(self) -> bool:
        return True

    def with_nulls(self, rows: pl.DataFrame) -> pl.DataFrame:
        texts = [name for name, kind in rows.schema.items() if kind == pl.String]
        nulls = {**dict.fromkeys(texts, self.nulls if self.row_format == "csv" else ()), **self.column_nulls}
        meaning = {name: list(nulls[name]) for name in texts if nulls[name]}
        return rows.with_columns(_with_nulls(rows[name], none) for name, none in meaning.items())


def _with_nulls(texts: pl.Series, none: list[str]) -> pl.Series:
    """Null for what is in `none`. Under a name of ours: polars would read one such as `*` as a pattern."""
    plain = texts.alias("text").to_frame()
    texts_or_nulls = plain.select(pl.when(~pl.col("text").is_in(none)).then(pl.col("text")))
    return texts_or_nulls.to_series().alias(texts.name)
