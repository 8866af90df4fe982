"""What examples there are, and landing them."""

import ast
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from ml_platform import Monthly, pipelines, shipped
from ml_platform.demo.example import Delivery, examples, land_missing, sliced
from ml_platform.discovery import find
from ml_platform.discovery import pipelines as declared
from ml_platform.errors import NotFoundError
from ml_platform.settings import Settings
from ml_platform.state import files
from ml_platform.state.stores import Stores
from ml_platform_tests import scenario
from ml_platform_tests.cli.terminal import invoke, invoke_json

MONTHS = Monthly(since="2024-01", until="2024-04")
MODULES = sorted(path for path in Path(pipelines.__path__[0]).glob("*.py") if path.stem != "__init__")


def test_every_pipeline_that_comes_along_has_data_to_be_tried_on() -> None:
    everything = declared(Settings(pipelines=[shipped.PACKAGE]))
    assert list(examples()) == list(everything) == sorted(["flight_delay", *shipped.EXAMPLES])


def test_a_fresh_install_shows_flights_only_and_an_example_is_added_by_name(settings: Settings) -> None:
    fresh = Settings()
    assert list(declared(fresh)) == ["flight_delay"]
    with pytest.raises(NotFoundError, match="`ml-platform example churn` adds it"):
        find("churn", fresh)
    assert shipped.add(fresh, "churn") and not shipped.add(fresh, "churn")
    assert list(declared(fresh)) == ["churn", "flight_delay"]
    assert json.loads((settings.data / "examples.json").read_text()) == ["churn"]


def test_an_example_that_is_in_the_lake_already_stays(settings: Settings) -> None:
    (settings.lake / "tables" / "bike_rentals").mkdir(parents=True)
    assert list(declared(Settings())) == ["bike_rentals", "flight_delay"]


def test_settings_that_name_their_pipelines_leave_no_example_out(settings: Settings) -> None:
    assert settings.data
    assert len(declared(Settings(pipelines=["ml_platform.pipelines"]))) == 6


@pytest.mark.parametrize("module", [m for m in MODULES if m.stem != "flight_delay"], ids=lambda path: path.stem)
def test_a_use_case_takes_eighty_lines_of_code_at_most(module: Path) -> None:
    # Lines that are neither blank nor documentation nor an import.
    tree = ast.parse(module.read_text())
    prose = {
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    lines = module.read_text().splitlines()
    assert sum(bool(text.strip()) and number not in prose for number, text in enumerate(lines, 1)) <= 80


def deliveries(through: str | None = None) -> Iterator[Delivery]:
    rows = pl.concat([scenario.trip_rows(month, 40) for month in MONTHS.keys()])  # noqa: SIM118 - no mapping
    yield from sliced(scenario.trips_, rows, pl.col("ordered_at"), MONTHS, through)


def test_what_lies_there_is_not_landed_again(stores: Stores) -> None:
    assert [land_missing(stores.settings, deliveries()) for _ in range(2)] == [3, 0]
    names = sorted(path.name for path in (stores.settings.landing / "trips").iterdir())
    assert names == ["trips_2024-01.csv", "trips_2024-02.csv", "trips_2024-03.csv"]
    declared_arrivals = files.declared_arrivals(stores.state, "trips")
    arrived = {path: arrival for (path, _), arrival in declared_arrivals.items()}
    assert arrived["trips/trips_2024-01.csv"] == datetime(2024, 2, 1, 6, tzinfo=UTC)


def test_through_a_month_lands_the_file_that_completes_it_too(settings: Settings) -> None:
    assert land_missing(settings, deliveries("2024-01")) == 2


def test_the_command_lists_examples_and_refuses_what_is_none(settings: Settings) -> None:
    assert [row["pipeline"] for row in invoke_json("example")] == list(examples())
    refused = invoke("example", "no_such_example")
    assert refused.exit_code == 2 and "churn_snapshot" in refused.output
    refused = invoke("example", "churn_snapshot", "--through", "2024-01")
    assert refused.exit_code == 2 and "no partitions" in refused.output
