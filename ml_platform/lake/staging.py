"""Long work before the lock: results that wait in a Parquet file until a transaction takes them."""

import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from ml_platform.errors import LakeError
from ml_platform.lake.blobs import file_hash
from ml_platform.lake.connection import Lake
from ml_platform.lake.disk_faults import explained
from ml_platform.naming import literal


@dataclass(frozen=True)
class Staged:
    """Rows written to a Parquet file outside any transaction. The write that takes it removes it.

    sha256: of the file, in hex.
    """

    path: Path
    sha256: str


Rows = pl.DataFrame | Staged


def discard(rows: Iterable[Rows]) -> None:
    """Remove those of the rows that are staged. What a transaction took is gone already."""
    for part in rows:
        if isinstance(part, Staged):
            part.path.unlink(missing_ok=True)


@contextmanager
def discarded_on_error(rows: Iterable[Rows]) -> Iterator[None]:
    """Remove staged rows when the body raises: no transaction will take them. An interrupt counts, too."""
    try:
        yield
    except BaseException:
        discard(rows)
        raise


def stage(lake: Lake, sql: str, parameters: list[Any] | None = None) -> Staged:
    """The result of a query as a Parquet file in the lake's staging folder, streamed.

    Raises LakeError when a column's type would come back from Parquet as another one.
    """
    for name, kind in described(lake, sql, parameters).items():
        check_storable(name, kind)

    def copy(path: Path) -> None:
        lake.connection.execute(f"COPY ({sql}\n) TO {literal(str(path))} (FORMAT parquet)", parameters)

    return stage_by(lake, copy)


def stage_by(lake: Lake, write: Callable[[Path], object]) -> Staged:
    """The Parquet file that `write` writes, in the lake's staging folder."""
    folder = lake.folder / "staging"
    path = folder / f"{uuid.uuid4().hex}.parquet"
    with explained(folder):
        try:
            write(path)
            return Staged(path, file_hash(path))
        except BaseException:
            path.unlink(missing_ok=True)
            raise


def described(lake: Lake, sql: str, parameters: list[Any] | None = None) -> dict[str, str]:
    """Column → DuckDB type of a query's result."""
    return {row[0]: row[1] for row in lake.rows(f"DESCRIBE {sql}", parameters)}


def check_storable(name: str, kind: str) -> None:
    """Raise LakeError for a type that Parquet keeps inexactly: 128-bit integers become doubles.

    DuckDB's sum() of integers is such a one.
    """
    if "HUGEINT" in kind:
        raise LakeError(
            f"Column {name!r} is {kind}, which Parquet would round to a double.",
            remedy="Cast it to BIGINT or DECIMAL(38, 0) in the query.",
        )
