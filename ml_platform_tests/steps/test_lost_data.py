"""What is lost or damaged is made again, or said to be lost; nothing is made of it meanwhile (S31)."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from ml_platform.errors import IngestionError, LakeError
from ml_platform.lake import data_files
from ml_platform.sources.rereading import lost
from ml_platform.state import files
from ml_platform.steps.all_steps import planner
from ml_platform_tests import scenario
from ml_platform_tests.conftest import OpenWorld
from ml_platform_tests.damage import flip_a_byte, table_files
from ml_platform_tests.world import StepRun, World


def _made(steps: list[StepRun]) -> dict[str, list[str]]:
    """partition → the assets that were made, in order; without the pipeline's name."""
    found: dict[str, list[str]] = {}
    for asset, partition, said in steps:
        if said == "made":
            found.setdefault(partition, []).append(asset.removeprefix("trip_delay/"))
    return found


@pytest.mark.parametrize("table", ["validated.trips", "trip_delay.features", "trip_delay.predictions"])
def test_rows_whose_file_is_lost_are_made_again_S31(open_world: OpenWorld, february: Path, table: str) -> None:
    trips = open_world(february)
    whole = f"SELECT * EXCLUDE (_partition) FROM {table} ORDER BY ALL"
    keys, rows = trips.keys(), trips.frame(whole)
    _lose(trips, table)
    made = _made(trips.run("2024-02"))
    assert table.removeprefix("trip_delay.").replace(".", "/") in made["2024-02"]
    assert data_files.damaged(trips.ws.lake) == []
    assert trips.frame(whole).drop("run_id", strict=False).equals(rows.drop("run_id", strict=False))
    assert trips.keys() == keys
    assert trips.run("2024-02") == []


def test_a_table_made_by_hand_after_its_file_was_lost_is_not_taken_for_unchanged_S31(
    open_world: OpenWorld, january: Path
) -> None:
    trips = open_world(january)
    _lose(trips, "validated.trips")
    assert trips.step("validated/trips", "2024-01").status == "made"
    assert trips.frame("SELECT count(*) FROM validated.trips").item() == 400


def test_raw_rows_that_are_lost_are_said_to_be_and_not_taken_for_none(open_world: OpenWorld, january: Path) -> None:
    trips = open_world(january)
    rows = trips.frame("SELECT count(*) FROM validated.trips").item()
    (trips.settings.landing / "trips" / "trips_2024-01.csv").unlink()
    _lose(trips, "raw.trips")
    trips.run("2024-01")
    assert trips.run("2024-01") == [], "what was screened stands"
    table = scenario.trips_table(clean=scenario.clean_trips_anew)
    trips.declare(scenario.trips(tables=[table, scenario.traffic, scenario.drivers]))
    with pytest.raises(IngestionError, match=r"trips_2024-01.csv: raw.trips holds 0 of its 400 rows"):
        trips.run("2024-01")
    assert trips.frame("SELECT count(*) FROM validated.trips").item() == rows


def test_raw_rows_whose_file_still_lies_in_landing_are_read_again_as_what_is_on_record(
    open_world: OpenWorld, january: Path
) -> None:
    trips = open_world(january)
    content = "SELECT * FROM raw.trips ORDER BY _file, _row"
    folder = trips.settings.landing / "trips"
    (folder / "trips_2024-02.csv").rename(folder / "trips_of_february.csv")  # the content counts, under any name
    trips.run("2024-01")
    rows, versions_before, keys = trips.frame(content), files.versions(trips.ws.state, "trips"), trips.keys()
    _lose(trips, "raw.trips")
    assert _made(trips.run("2024-01")) == {"all": ["raw/trips"]}
    assert trips.frame(content).equals(rows)
    assert files.versions(trips.ws.state, "trips") == versions_before, "with their recorded arrivals"
    assert trips.keys() == keys
    assert data_files.unusable(trips.ws.lake) == set() and trips.run("2024-01") == []


def test_raw_rows_of_which_some_are_gone_for_good_are_read_again_as_far_as_they_can(
    open_world: OpenWorld, january: Path
) -> None:
    trips = open_world(january)
    corrected = scenario.trip_rows("2024-02").with_columns(pl.col("late") + 1)
    first = (trips.settings.landing / "trips" / "trips_2024-02.csv").read_bytes()
    trips.land("trips", "trips_2024-02.csv", corrected, datetime(2024, 3, 5, tzinfo=UTC))
    trips.run("2024-01")
    content = "SELECT * FROM raw.trips ORDER BY _file, _row"
    rows = trips.frame(content)
    _lose(trips, "raw.trips")
    assert _made(trips.run("2024-01")) == {"all": ["raw/trips"]}
    what = lost(trips.ws, trips.tables["trips"])
    assert what is not None and [(v.path, v.version) for v in what.gone] == [("trips/trips_2024-02.csv", 1)]
    assert trips.run("2024-01") == [], "nothing more can be done"
    # The first content comes back under another name, and is taken in there as well.
    (trips.settings.landing / "trips" / "found.csv").write_bytes(first)
    trips.run("2024-01")
    old = pl.col("_file").is_in(rows["_file"].implode())
    assert trips.frame(content).filter(old).equals(rows)
    assert data_files.unusable(trips.ws.lake) == set()


@pytest.mark.parametrize(
    ("step", "table"),
    [
        ("training_set", "trip_delay.features"),
        ("training_set", "validated.trips"),
        ("features", "validated.traffic"),
        ("decision", "trip_delay.features"),
    ],
)
def test_a_step_makes_nothing_of_rows_whose_bytes_changed(
    open_world: OpenWorld, january: Path, step: str, table: str
) -> None:
    trips = open_world(january)
    trips.forget_records(f"trip_delay/{step}")
    for path in table_files(trips.ws.lake.tables, table):
        flip_a_byte(path)
    with pytest.raises(LakeError, match=f"other bytes than were committed: {table}"):
        trips.step(f"trip_delay/{step}", "2024-01")
    assert f"trip_delay/{step}" not in {asset for asset, _ in trips.records()}
    assert {one.table for one in data_files.unusable(trips.ws.lake)} == {table.partition(".")[2]}


@pytest.mark.slow  # the test above has every step by itself
def test_rows_whose_bytes_changed_are_trained_on_by_nobody_and_made_again(
    open_world: OpenWorld, january: Path, february: Path
) -> None:
    trips, sound = open_world(january), open_world(february)
    damaged = ("raw.trips", "validated.trips", "validated.traffic", "trip_delay.features")
    for table in damaged:
        for path in table_files(trips.ws.lake.tables, table):
            flip_a_byte(path)
    told = []
    for _ in range(len(damaged)):
        try:
            trips.run("2024-02")
        except LakeError as error:
            told.append(str(error))
            trips.declare()  # as the next process does
    assert told and all("other bytes than were committed" in one for one in told)
    assert trips.run("2024-02") == []
    judged = ("trip_delay/verdicts", "trip_delay/champion")  # whose keys hold timings
    assert trips.keys(without=judged) == sound.keys(without=judged)
    assert "validated.traffic" in " ".join(told) and "trip_delay.features" in " ".join(told)


def test_raw_rows_whose_bytes_changed_are_not_screened_and_are_read_again(open_world: OpenWorld, january: Path) -> None:
    trips = open_world(january)
    before = trips.frame("SELECT * FROM validated.trips ORDER BY ALL")
    for path in table_files(trips.ws.lake.tables, "raw.trips"):
        flip_a_byte(path)
    table = scenario.trips_table(clean=scenario.clean_trips_anew)
    trips.declare(scenario.trips(tables=[table, scenario.traffic, scenario.drivers]))
    with pytest.raises(LakeError, match=r"other bytes than were committed: raw\.trips"):
        trips.run("2024-01")
    trips.declare()
    assert trips.run("2024-01")[:1] == [("raw/trips", "all", "made")]
    assert trips.frame("SELECT * FROM validated.trips ORDER BY ALL").equals(before)


def _clean_beside_traffic(trips: pl.DataFrame, traffic: pl.DataFrame) -> pl.DataFrame:
    return scenario.clean_trips(trips) if traffic.height else trips.clear()


def test_a_lost_partition_that_clean_needs_is_made_again_before_a_new_file_is_screened(
    open_world: OpenWorld, january: Path
) -> None:
    table = scenario.trips_table(clean=_clean_beside_traffic, needs=("traffic",))
    trips = open_world(january, scenario.trips(tables=[table, scenario.traffic, scenario.drivers]))
    trips.step("validated/trips", "2024-01")
    corrected = scenario.trip_rows("2024-01").with_columns(pl.col("late") + 1)
    trips.land("trips", "trips_2024-01.csv", corrected, datetime(2024, 3, 5, tzinfo=UTC))
    _lose(trips, "validated.traffic")
    works = planner(trips.ws, trips.pipeline).work("2024-01")
    first = next(works)
    assert (first.partition, first.only) == ("2024-01", [["validated", "traffic"], ["quarantine", "traffic"]])
    trips.step("validated/traffic", "2024-01")
    then = next(works)
    assert then.only is not None and then.only[0] == ["raw", "trips"]
    trips.step("raw/trips", "all")
    assert trips.step("validated/trips", "2024-01").result.rows == 400


def _lose(world: World, table: str) -> None:
    """Every data file of the table is gone when the next process opens the lake."""
    schema, _, name = table.partition(".")
    lost = list((world.ws.lake.tables / schema / name).rglob("*.parquet"))
    assert lost
    for path in lost:
        path.unlink()
    world.declare()


@pytest.mark.parametrize("step", ["training_set", "candidate"])
@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_a_blob_that_is_lost_or_damaged_is_made_again_S31(
    open_world: OpenWorld, january: Path, step: str, damage: str
) -> None:
    trips = open_world(january)
    digest = trips.keys()[f"trip_delay/{step}", "2024-01"][1]
    blob = trips.ws.blobs.path(digest)
    if damage == "missing":
        blob.unlink()
    else:
        blob.write_bytes(blob.read_bytes()[:-1])
    assert _made(trips.run("2024-01"))["2024-01"] == [step]
    assert trips.ws.blobs.whole(digest)
    assert trips.run("2024-01") == []
