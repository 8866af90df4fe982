"""A pipeline with one table from a database: trained, promoted, traced and kept up to date."""

from datetime import UTC, datetime
from pathlib import Path
from sqlite3 import connect

import pytest

from ml_platform import Sql, Table
from ml_platform.runtime import step_alerts
from ml_platform.state.alerts import Alert
from ml_platform.state.promotions import champion_at
from ml_platform.views import lineage_stories
from ml_platform.views.data_health import waiting_files
from ml_platform_tests import scenario
from ml_platform_tests.scenario.monthly_trips import Drivers, traffic, trips_
from ml_platform_tests.world import World, world


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "town.db"
    monkeypatch.setenv("TOWN_DB", f"sqlite:///{file}")
    with connect(file) as connection:
        connection.execute("CREATE TABLE drivers (number INTEGER PRIMARY KEY, driver TEXT, years INTEGER)")
    connection.close()
    return file


@pytest.fixture
def trips(tmp_path: Path, database: Path) -> World:
    drivers = Table(
        "drivers",
        Sql("SELECT number, driver, years FROM drivers", connection="TOWN_DB", cursor="number", batch_rows=4),
        contract=Drivers,
    )
    opened = world(tmp_path / "data", scenario.trips(tables=[trips_, traffic, drivers]))
    for month in ("2024-01", "2024-02", "2024-03"):
        arrived = scenario.MONTHS.window(month)[1]
        opened.land("traffic", f"traffic_{month}.csv", scenario.traffic_rows(month), arrived)
        opened.land("trips", f"trips_{month}.csv", scenario.trip_rows(month), arrived)
    return opened


def hire(database: Path, rows: list[tuple[str, int | None]]) -> None:
    with connect(database) as connection:
        connection.executemany("INSERT INTO drivers (driver, years) VALUES (?, ?)", rows)
    connection.close()


def test_a_table_from_a_database_trains_a_champion_and_is_part_of_its_lineage(trips: World, database: Path) -> None:
    hire(database, scenario.driver_rows().rows())
    trips.run("2024-02")
    name = trips.pipeline.name
    assert champion_at(trips.ws.state, name) is not None
    path = "TOWN_DB/query/number [null, 4]"
    assert lineage_stories.of_file(trips.ws, trips.pipeline, path)["landing"] is None
    years = trips.frame(f"SELECT count(drivers__years) AS given, count(*) AS total FROM {name}.features").row(0)
    assert years[0] > 0.7 * years[1]
    paths = set(trips.frame("SELECT DISTINCT _file FROM raw.drivers")["_file"])
    assert len(paths) == 3  # eleven drivers, four at a time
    story = lineage_stories.of_version(trips.ws, trips.pipeline, "1")
    assert "TOWN_DB/query/number [null, 4]" in str(story) and "TOWN_DB/query/number [8, 11]" in str(story)
    assert trips.run("2024-02") == []
    hire(database, [("d11", 7)])
    assert trips.planned("2024-02")[0].only == [["raw", "drivers"], ["validated", "drivers"], ["quarantine", "drivers"]]
    trips.run("2024-02")
    assert trips.frame("SELECT count(*) AS n FROM validated.drivers")["n"].item() == 12


def test_a_pipeline_goes_on_while_its_database_does_not_answer(
    trips: World, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hire(database, scenario.driver_rows().rows())
    trips.run("2024-01")
    monkeypatch.setenv("TOWN_DB", "sqlite:///gone.db")
    outcome = trips.step("raw/drivers", "all")
    assert outcome.status == "unchanged" and outcome.rows == 11
    assert "TOWN_DB names a SQLite file that is not there" in outcome.display["unavailable"]
    assert "drivers" in outcome.display["query"]["text"]
    assert "trip_delay/champion" in {asset for asset, _, _ in trips.run("2024-02")}


def test_a_database_that_does_not_answer_raises_one_alert_until_there_are_new_rows(
    trips: World, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hire(database, scenario.driver_rows().rows())
    trips.run("2024-01")
    with monkeypatch.context() as patch:
        patch.setenv("TOWN_DB", "sqlite:///gone.db")
        (alert,) = _raised(trips)
        assert (alert.kind, alert.asset, alert.severity) == ("no_fresh_data", "raw/drivers", "error")
        assert "TOWN_DB names a SQLite file that is not there" in alert.text
        assert _raised(trips) == []
        new = step_alerts.check_data(trips.ws, trips.pipelines, datetime(2024, 2, 1, tzinfo=UTC))
        assert [item.kind for item in new] == ["clock"], "that moment is long ago"
        findings = list(waiting_files(trips.ws.state, [trips.pipeline]))
        assert [(finding.name, finding.state) for finding in findings] == [("source", "bad")]
        assert findings[0].detail.startswith("The source of drivers cannot be read now. TOWN_DB/query/number: ")
    assert _raised(trips) == []
    assert [finding.name for finding in waiting_files(trips.ws.state, [trips.pipeline])] == ["landed files"]


def _raised(trips: World) -> list[Alert]:
    outcome = trips.step("raw/drivers", "all")
    return step_alerts.raise_alerts(trips.ws, "raw/drivers", "all", outcome, kind="check", run_id="test", say=print)


def test_ranges_of_the_cursor_have_their_own_remedy(trips: World, database: Path) -> None:
    sources = {table.name: table.source for table in trips.pipeline.tables}
    assert "query" in sources["drivers"].correction and "file" in sources["trips"].correction
    assert sources["drivers"].absence == (
        "no row of `SELECT number, driver, years FROM drivers` can be read from the database TOWN_DB"
    )
