"""From a prediction to the row of a file, from a file to all that was built on it (S33)."""

import csv
import hashlib
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from sqlalchemy import Engine, delete, event, insert, select, update

from ml_platform.errors import NotFoundError, OrderError
from ml_platform.lake.recipes import Read
from ml_platform.runtime.lineage_recording import record_missing
from ml_platform.state.lineage import graph
from ml_platform.state.results import ValidatedResult
from ml_platform.state.schema import record_details, records
from ml_platform.steps.all_steps import STEPS
from ml_platform.views import lineage_stories
from ml_platform.views.explanation import explain
from ml_platform.views.lineage_plot import lineage_plot
from ml_platform_tests import scenario
from ml_platform_tests.conftest import OpenWorld
from ml_platform_tests.world import World

NAME = "trip_delay"


def _edges(world: World) -> dict[Read, set[Read]]:
    return {reader: set(reads) for reader, reads in graph(world.ws.state).reads.items()}


def _forget_reads(world: World) -> None:
    """As in a lake from before inputs were recorded."""
    with world.ws.state.writing() as connection:
        connection.execute(update(record_details).values(reads="null"))


def _story_of(world: World, key: str) -> lineage_stories.Story:
    explained = explain(world.ws, world.pipeline.name, key)
    return lineage_stories.of_prediction(world.ws, world.pipeline, explained)


def _row(file: Path, number: int) -> dict[str, str]:
    return list(csv.DictReader(file.read_text().splitlines()))[number]


def _hash(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def test_the_edges_of_every_output_are_the_reads_that_its_key_is_made_from(
    open_world: OpenWorld, february: Path
) -> None:
    trips = open_world(february)
    edges, made = _edges(trips), trips.records()
    steps = {f"{NAME}/{step.name}": step for step in STEPS}
    own = [m for (asset, _), m in made.items() if asset in steps]
    assert len(own) == 2 * len(steps)
    for m in own:
        recipe = steps[m.asset].key(trips.ws, trips.pipeline, m.partition)
        assert recipe.content_key == m.content_key
        assert edges[Read(m.asset, m.partition, m.content_key)] == set(recipe.reads)
    for (asset, partition), m in made.items():
        if asset.startswith("validated/"):
            files = {(read.partition, read.content_key) for read in edges[Read(asset, partition, m.content_key)]}
            assert files == {
                (path, _hash(trips.settings.landing / path)) for path in m.result_as(ValidatedResult).files
            }


def test_a_key_changes_with_nothing_that_is_not_an_edge(open_world: OpenWorld, february: Path) -> None:
    trips = open_world(february)
    edges, made = _edges(trips), trips.records()
    hashed = {"features", "performance", "decision", "training_set"}  # the others read versions and sets by content
    wrong = []
    for asset, partition in made:
        if asset.startswith("raw/"):
            continue
        with trips.ws.state.writing() as connection:
            row = connection.execute(select(records).where(records.c.id == made[asset, partition].id)).one()
            faked = {**row._mapping, "id": None, "content_key": "other", "run_id": "faked"}
            connection.execute(insert(records).values(faked))
        with trips.ws.reading():
            for step in STEPS:
                mine = made[f"{NAME}/{step.name}", "2024-02"]
                reads = edges[Read(mine.asset, mine.partition, mine.content_key)]
                read = (asset, partition) in {(r.asset, r.partition) for r in reads}
                changed = _changed(trips, step.name, mine.content_key)
                by_number = step.name not in hashed or asset.endswith("/decision")
                if changed != read and not (read and by_number):
                    wrong.append((step.name, asset, partition, changed))
        with trips.ws.state.writing() as connection:
            connection.execute(delete(records).where(records.c.run_id == "faked"))
    assert wrong == []


def _changed(trips: World, name: str, key: str) -> bool:
    step = next(step for step in STEPS if step.name == name)
    try:
        return step.key(trips.ws, trips.pipeline, "2024-02").content_key != key
    except OrderError:
        return True


def test_every_prediction_leads_to_the_row_of_the_file_that_it_is_about(open_world: OpenWorld, february: Path) -> None:
    trips = open_world(february)
    keys = trips.frame(f"SELECT key FROM {NAME}.predictions ORDER BY hash(key) LIMIT 6")["key"].to_list()
    for key in keys:
        story = _story_of(trips, key)
        (origin,) = story["rows"]
        file = trips.settings.landing / origin["file"]
        row = _row(file, origin["row"])
        assert row["trip"] == key == str(story["features"]["values"]["trip"])
        assert origin["sha256"] == _hash(file) and origin["status"] == "stands"
        assert story["version"]["version"] == "trip_delay@1" and not story["version"]["serves"]
        assert {(f["path"], f["sha256"]) for read in story["reads"] for f in read["files"]} == {
            (path, _hash(trips.settings.landing / path)) for path in _files("2024-01", "2024-02")
        }
        trained = {node["partition"] for node in story["trained_on"] if node["kind"] == "file"}
        assert trained == set(_files("2024-01"))
        assert story["missing"] == []


def _files(*months: str) -> list[str]:
    return ["drivers.csv", *(f"{table}/{table}_{month}.csv" for month in months for table in ("trips", "traffic"))]


def test_a_composite_key_is_found_as_it_is_printed(open_world: OpenWorld, trained_churn: Path) -> None:
    churn = open_world(trained_churn, scenario.churn())
    key = churn.frame("SELECT key FROM churn.predictions ORDER BY key LIMIT 1")["key"][0]
    story = _story_of(churn, key)
    (origin,) = story["rows"]
    row = _row(churn.settings.landing / origin["file"], origin["row"])
    assert f'"customer":"{row["customer"]}"' in key
    assert {read["asset"] for read in story["reads"]} == {f"validated/{t}" for t in churn.tables}


def test_a_key_without_prediction_is_named_with_some_that_have_one(
    open_world: OpenWorld, february: Path, january: Path
) -> None:
    trips = open_world(february)
    with pytest.raises(NotFoundError, match=r"'no such trip'.*Known: 2024020"):
        _story_of(trips, "no such trip")
    with pytest.raises(NotFoundError, match="no version 'trip_delay@9'"):
        lineage_stories.of_version(trips.ws, trips.pipeline, 9)
    with pytest.raises(NotFoundError, match=r"'x.csv'.*Known: drivers.csv"):
        lineage_stories.of_file(trips.ws, trips.pipeline, "x.csv")
    with pytest.raises(NotFoundError, match="2024"):  # the first month has no champion and no prediction
        _story_of(trips, str(scenario.trip_rows("2024-01")["trip"][0]))


def test_predictions_that_a_killed_run_did_not_record_are_told_with_the_remedy(
    open_world: OpenWorld, february: Path
) -> None:
    trips = open_world(february)
    (key,) = trips.frame(f"SELECT min(key) FROM {NAME}.predictions").row(0)
    trips.forget_records(f"{NAME}/predictions")
    with pytest.raises(NotFoundError, match=r"no record of the predictions .*2024-02.*`ml-platform run trip_delay`"):
        _story_of(trips, key)


def test_a_story_and_its_picture_read_the_landed_files_once(open_world: OpenWorld, february: Path) -> None:
    trips, reads = open_world(february), list[str]()

    def count(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        reads.extend(["files"] if "FROM files" in statement else [])

    (key,) = trips.frame(f"SELECT min(key) FROM {NAME}.predictions").row(0)
    event.listen(Engine, "before_cursor_execute", count)
    try:
        with trips.ws.reading():
            story = _story_of(trips, key)
            lineage_plot(graph(trips.ws.state), story)
    finally:
        event.remove(Engine, "before_cursor_execute", count)
    assert len(story["reads"]) > 2 and reads == ["files"]


def test_a_version_names_all_that_it_was_made_of_and_nothing_later(open_world: OpenWorld, february: Path) -> None:
    trips = open_world(february)
    first, second = (lineage_stories.of_version(trips.ws, trips.pipeline, number) for number in (1, 2))
    assert sorted(file["path"] for file in first["files"]) == sorted(_files("2024-01"))
    assert sorted(file["path"] for file in second["files"]) == sorted(_files("2024-01", "2024-02"))
    assert [(n["asset"], n["partition"]) for n in first["scored"]] == [(f"{NAME}/predictions", "2024-02")]
    assert second["scored"] == [] and second["version"]["serves"]


def test_a_file_that_is_replaced_after_it_was_used_is_told_apart_by_its_hash(
    open_world: OpenWorld, february: Path
) -> None:
    trips, path = open_world(february), "trips/trips_2024-02.csv"
    old, rows = _hash(trips.settings.landing / path), scenario.trip_rows("2024-02")
    key = str(rows["trip"][3])
    dearer = rows.with_columns(km=pl.when(pl.int_range(pl.len()) == 3).then(1.0).otherwise("km"))
    trips.land("trips", "trips_2024-02.csv", dearer, datetime(2024, 4, 1, tzinfo=UTC))
    assert lineage_stories.of_file(trips.ws, trips.pipeline, path)["landing"] == "waits"

    trips.step("raw/trips", "all")
    trips.step("validated/trips", "2024-02")
    story = lineage_stories.of_file(trips.ws, trips.pipeline, path)
    new, before = story["contents"]
    assert (new["status"], new["sha256"]) == ("stands", _hash(trips.settings.landing / path))
    assert (before["status"], before["sha256"], story["landing"]) == ("replaced", old, "taken in")
    assert _states(new["built"]) == {("validated/trips", "2024-02", "stands")}
    assert ("validated/trips", "2024-02", "superseded") in _states(before["built"])
    assert ("validated/trips", "2024-02", "stands") in _states(before["built"]), "the past is kept (S6)"
    assert (f"{NAME}/features", "2024-02", "stale") in _states(before["built"])

    trips.run("2024-02", recompute=True)
    story = lineage_stories.of_file(trips.ws, trips.pipeline, path)
    assert (f"{NAME}/features", "2024-02", "stands") in _states(story["contents"][0]["built"])
    assert (f"{NAME}/features", "2024-02", "superseded") in _states(story["contents"][1]["built"])
    assert not [n for content in story["contents"] for n in content["built"] if n["state"] == "stale"]
    (origin,) = _story_of(trips, key)["rows"]
    assert (origin["sha256"], origin["status"]) == (old, "replaced"), "a prediction sees the row that was there first"


def _states(built: list[lineage_stories.Story]) -> set[tuple[str, str, str]]:
    return {(node["asset"], node["partition"], node["state"]) for node in built}


def test_a_file_goes_by_its_name_where_only_one_has_it(open_world: OpenWorld, february: Path) -> None:
    trips = open_world(february)
    by_name = lineage_stories.of_file(trips.ws, trips.pipeline, "trips_2024-01.csv")
    assert by_name == lineage_stories.of_file(trips.ws, trips.pipeline, "trips/trips_2024-01.csv")
    with pytest.raises(NotFoundError, match=r"Did you mean 'trips_2024-01.csv'\? Known: drivers.csv"):
        lineage_stories.of_file(trips.ws, trips.pipeline, "trips_2024-1.csv")


def test_a_file_name_in_two_folders_needs_its_folder(open_world: OpenWorld) -> None:
    trips = open_world(None)
    trips.land("traffic", "2024-01.csv", scenario.traffic_rows("2024-01"))
    trips.land("trips", "2024-01.csv", scenario.trip_rows("2024-01"))
    for table in ("traffic", "trips"):
        trips.step(f"raw/{table}", "all")
    with pytest.raises(NotFoundError, match=r"Give the folder too: traffic/2024-01\.csv, trips/2024-01\.csv"):
        lineage_stories.of_file(trips.ws, trips.pipeline, "2024-01.csv")


def test_after_a_whole_run_nothing_is_stale_and_nothing_unknown(open_world: OpenWorld, february: Path) -> None:
    known = graph(open_world(february).ws.state)
    assert {known.state(place) for place in known.nodes} == {"stands"}
    assert all(place in known.nodes for reads in known.reads.values() for place in reads)


def test_lineage_of_a_lake_from_before_is_added_where_the_key_is_found_again(
    open_world: OpenWorld, february: Path
) -> None:
    trips = open_world(february)
    whole = _edges(trips)
    _forget_reads(trips)
    assert trips.planned() == [], "outputs without lineage are still outputs (S32)"
    assert f"{NAME}/candidate 2024-01" in lineage_stories.of_version(trips.ws, trips.pipeline, 1)["missing"]
    bare = _story_of(trips, str(scenario.trip_rows("2024-02")["trip"][0]))
    assert bare["reads"] == [] and len(bare["rows"]) == 1 and bare["missing"]

    done = record_missing(trips.ws, trips.pipeline, STEPS)
    assert (done.recorded, done.lost) == (25, [])
    assert _edges(trips) == whole
    assert record_missing(trips.ws, trips.pipeline, STEPS).recorded == 0


def test_lineage_of_what_was_replaced_since_is_not_made_up(open_world: OpenWorld, february: Path) -> None:
    trips = open_world(february)
    _forget_reads(trips)
    late = (records.c.asset == "trip_delay/performance") & (records.c.partition == "2024-02")
    with trips.ws.state.writing() as connection:
        connection.execute(update(records).where(late).values(content_key="of another day"))
    done = record_missing(trips.ws, trips.pipeline, STEPS)
    assert (done.recorded, done.lost) == (23, ["trip_delay/performance 2024-02", "trip_delay/report 2024-02"])


def test_a_picture_has_one_box_for_the_months_of_an_asset_and_the_row_s_own_way_apart(
    open_world: OpenWorld, february: Path
) -> None:
    trips = open_world(february)
    known, key = graph(trips.ws.state), str(scenario.trip_rows("2024-02")["trip"][0])
    one = lineage_plot(known, _story_of(trips, key)).decode()
    for text in (key, "trips_2024-02.csv", "trips_2024-01.csv", "version @1", "training set", "validated drivers"):
        assert one.count(f">{text}<") == 1, text
    assert one.count(">features<") == one.count(">validated trips<") == 2, "the scored month and the trained one"
    model = lineage_plot(known, lineage_stories.of_version(trips.ws, trips.pipeline, 2)).decode()
    assert model.count(">2024-01 … 2024-02<") == 3, "features, trips and traffic"
    file = lineage_plot(known, lineage_stories.of_file(trips.ws, trips.pipeline, "drivers.csv")).decode()
    assert ">versions @1, @2<" in file and "performance" not in file
