"""What a run would refuse, told before it runs: files that wait, judged by their header."""

from collections.abc import Iterable
from contextlib import suppress
from itertools import islice
from pathlib import Path

import polars as pl

from ml_platform.errors import FileRefused, SourceUnavailable, first_line
from ml_platform.settings import Settings
from ml_platform.sources.column_names import check_columns
from ml_platform.sources.csv_reading import header
from ml_platform.sources.faults import RAISED, refusal
from ml_platform.sources.guard import Guard
from ml_platform.sources.landed import landed
from ml_platform.sources.scan import Refusal
from ml_platform.sources.unpacking import unpacked
from ml_platform.spec.sources import Files
from ml_platform.spec.tables import Table

_MOST = 100  # files; a header costs a millisecond


def foreseen(settings: Settings, table: Table, waiting: Iterable[str]) -> list[Refusal]:
    """Those of the first hundred waiting files that would be refused for their columns.

    JSON, packed files and those in a declared encoding are not opened: they would have to be read whole.
    """
    if not isinstance(table.source, Files):
        return []
    try:
        files, refusals = landed(settings, table), list[Refusal]()
    except SourceUnavailable:  # too many files, which has a finding of its own
        return []
    for path in islice((path for path in waiting if path in files), _MOST):
        try:
            names = _names(files[path], Guard(path, settings), table.source)
            if names is not None:
                check_columns(table, names, path)
        except (OSError, UnicodeDecodeError):
            continue  # it went away, or reading it whole will name the byte
        except RAISED as fault:
            with suppress(SourceUnavailable):  # the machine fails: nobody knows whether a run would refuse it
                refusals.append(Refusal(path, str(refusal(path, fault, "its header was read"))))
    return refusals


def _names(file: Path, guard: Guard, source: Files) -> list[str] | None:
    """The column names; None where only the whole file, or its text in UTF-8, has them."""
    in_header = source.row_format in ("csv", "parquet") and source.encoding is None
    if not in_header or file.suffix in (".gz", ".zip") or not file.stat().st_size:
        return None
    with unpacked(file, guard) as plain:
        if source.row_format == "csv":
            return header(plain, guard, source.separator)
        try:
            return list(pl.read_parquet_schema(plain))
        except pl.exceptions.PolarsError as error:
            raise FileRefused(guard.path, f"the Parquet file cannot be read: {first_line(error)}") from None
