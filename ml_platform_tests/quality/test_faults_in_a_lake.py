"""The same faults through real files and a real lake, and the whole of 2013 as it was."""

import shutil
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from ml_platform.demo.nyc_flights import land_months
from ml_platform.pipelines.flight_delay import airports, flights, weather
from ml_platform.quality.checks import run_checks
from ml_platform.runtime.workspace import Workspace
from ml_platform.settings import Settings
from ml_platform.sources.landing import land
from ml_platform_tests.ingestion_sandbox import MONTHS, IngestionSandbox
from ml_platform_tests.quality import flight_profiles
from ml_platform_tests.quality.injected_faults import FAULTS

pytestmark = pytest.mark.slow

# What is wrong with 2013, by (table, month, check): docs/checks.md tells the causes.
KNOWN = {("weather", "2013-12", "rows_by_day"): "Tue 31 December 2013 has 0 rows"}


def _settings(folder: Path) -> Settings:
    return Settings(data=folder, lock_timeout=20, threads=2)


def _sandbox(folder: Path) -> IngestionSandbox:
    return IngestionSandbox(Workspace.open(_settings(folder), {}))


def _failed(sandbox: IngestionSandbox, table: str, month: str) -> dict[str, str]:
    declared = {"flights": flights, "weather": weather}[table]
    return {c.name: c.description for c in run_checks(sandbox.stores, declared, month, (), MONTHS) if not c.passed}


def _put(sandbox: IngestionSandbox, outside: Path, month: str, files: list[pl.DataFrame]) -> None:
    for number, rows in enumerate(files):
        file = outside / f"flights_{month}_{number}.csv"
        rows.write_csv(file)
        land(sandbox.stores.settings, flights, [file], arrived=datetime(2013, int(month[5:]) + 1, 1, 6, tzinfo=UTC))


@pytest.fixture(scope="module")
def first_quarter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a lake with the thinned flights of January to March."""
    folder = tmp_path_factory.mktemp("quarter")
    sandbox = _sandbox(folder / "data")
    land_months(sandbox.stores.settings, "2012-12")
    sandbox.run(airports)
    for month in ("2013-01", "2013-02", "2013-03"):
        _put(sandbox, folder, month, [flight_profiles.file(month)])
    sandbox.run(flights)
    sandbox.stores.close()
    return folder / "data"


@pytest.fixture
def quarter(first_quarter: Path, tmp_path: Path) -> Iterator[IngestionSandbox]:
    shutil.copytree(first_quarter, tmp_path / "data")
    with closing(Workspace.open(_settings(tmp_path / "data"), {})) as stores:
        yield IngestionSandbox(stores)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_a_file_fails_the_checks_of_its_month(quarter: IngestionSandbox, tmp_path: Path, fault: str) -> None:
    make, expected = FAULTS[fault]
    _put(quarter, tmp_path, "2013-04", make(flight_profiles.file("2013-04")))
    quarter.ingest(flights)
    quarter.build(flights, "2013-04")
    failed = _failed(quarter, "flights", "2013-04")
    assert expected <= failed.keys(), failed


def test_an_honest_file_fails_none(quarter: IngestionSandbox, tmp_path: Path) -> None:
    _put(quarter, tmp_path, "2013-04", [flight_profiles.file("2013-04")])
    quarter.ingest(flights)
    quarter.build(flights, "2013-04")
    assert _failed(quarter, "flights", "2013-04") == {}


def test_2013_as_it_was_fails_where_a_cause_is_known_and_nowhere_else(tmp_path: Path) -> None:
    sandbox = _sandbox(tmp_path / "data")
    land_months(sandbox.stores.settings, "2013-12")
    sandbox.run(airports)
    found, year = {}, MONTHS.keys()
    for table in (flights, weather):
        sandbox.run(table)
        for month in year:
            for check, said in _failed(sandbox, table.name, month).items():
                found[table.name, month, check] = said
    sandbox.stores.close()
    assert found.keys() == KNOWN.keys(), found
    assert all(KNOWN[which] in said for which, said in found.items())
