"""`ml-platform why` and `lineage`: their JSON keys (docs/cli.md), trees and pictures."""

import json
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import update

from ml_platform.settings import Settings
from ml_platform.state.database import State
from ml_platform.state.schema import record_details
from ml_platform_tests import scenario
from ml_platform_tests.cli.terminal import invoke, invoke_json

KEY = str(scenario.trip_rows("2024-02")["trip"][5])
NODE = "kind asset partition content_key state rows version"
FILE = "table path version sha256 bytes rows arrival status error"
VERSION = (
    "version serves promoted until reason partition bundle decided_at training_set examples gates_passed gates "
    "content_key state run_id"
)


def test_the_json_of_a_prediction_has_the_documented_keys(shared_platform: Path) -> None:
    story = invoke_json("why", "trip_delay", KEY)
    assert " ".join(story) == (
        "prediction basis mean effects typical standing version features rows reads trained_on missing"
    )
    own = ["key", "at", "score", "class", "role", "run_id", "others", "recorded"]
    assert set(story["prediction"]) == {*NODE.split(), *own}
    effect = "feature words value typical typical_in_words contribution importance"
    assert story["effects"] and all(" ".join(one) == effect for one in story["effects"])
    assert " ".join(story["typical"]) == "score class rows"
    assert " ".join(story["standing"]) == "partition predictions median below"
    assert " ".join(story["version"]) == VERSION
    assert set(story["features"]) == {*NODE.split(), "stored", "values"}
    assert " ".join(story["rows"][0]) == "table partition file row sha256 version arrival status"
    assert all(" ".join(read) == f"{NODE} files" for read in story["reads"])
    assert " ".join(story["reads"][0]["files"][0]) == FILE
    assert all(" ".join(node) == NODE for node in story["trained_on"])


def test_the_key_of_a_rejected_row_gets_the_reason_and_no_other_key(shared_platform: Path) -> None:
    rejected = invoke_json("quarantine", "trip_delay", "--rows", "1")[0]
    key = str(json.loads(rejected["raw"])["trip"])
    asked = invoke("why", "trip_delay", key)
    said = " ".join(asked.stderr.replace("│", " ").split())
    assert asked.exit_code == 2
    assert f"A row with this key was rejected: {rejected['file']}, row {rejected['row']}" in said
    assert rejected["rule"] in said and "Did you mean" not in said
    unknown = " ".join(invoke("why", "trip_delay", "999999").stderr.replace("│", " ").split())
    assert "There is no prediction of trip_delay for the key '999999'" in unknown and "rejected" not in unknown


def test_the_json_of_a_version_has_the_documented_keys(shared_platform: Path) -> None:
    story = invoke_json("lineage", "trip_delay", "--model", "1")
    assert " ".join(story) == "version made_of files scored missing"
    assert all(" ".join(node) == NODE for part in ("made_of", "scored") for node in story[part])
    assert all(" ".join(file) == FILE for file in story["files"]) and story["files"]


def test_the_json_of_a_file_has_the_documented_keys(shared_platform: Path) -> None:
    story = invoke_json("lineage", "trip_delay", "--file", "trips/trips_2024-02.csv")
    assert " ".join(story) == "file landing contents missing"
    newest = story["contents"][0]
    assert " ".join(newest) == f"{FILE} built versions"
    assert all(" ".join(node) == NODE for node in newest["built"])
    assert " ".join(newest["versions"][0]) == "version serves promoted until reason partition bundle"


def test_a_tree_fits_80_columns_and_is_whole_where_nobody_looks(
    shared_platform: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("why", "trip_delay", KEY)
    tree = invoke(*words).stdout.partition("\nprediction of ")[2]
    assert tree and max(map(len, tree.splitlines())) <= 80
    monkeypatch.delenv("COLUMNS")
    whole = invoke(*words).stdout
    assert "…" not in whole.replace("2024-01 … 2024-02", "") and "trips/trips_2024-02.csv, row 5" in whole


def test_a_file_is_found_by_any_path_to_it(shared_platform: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shared_platform / "landing" / "trips")
    shown = [
        invoke("lineage", "trip_delay", "--file", file).stdout
        for file in ("trips/trips_2024-01.csv", "trips_2024-01.csv", str(Path("trips_2024-01.csv").resolve()))
    ]
    monkeypatch.chdir("/")
    shown.append(invoke("lineage", "trip_delay", "--file", "trips_2024-01.csv").stdout)
    assert len(set(shown)) == 1 and "trip_delay@1, trained after 2024-01" in shown[0]


def test_why_says_what_moved_the_score_what_is_usual_and_where_the_row_is(shared_platform: Path) -> None:
    story, shown = invoke_json("why", "trip_delay", KEY), invoke("why", "trip_delay", KEY).stdout
    score, typical = story["prediction"]["score"], story["typical"]["score"]
    first, *lines = shown.splitlines()
    assert first.startswith(f"trip_delay@1 gave {KEY} at 2024-02") and f"the score {score:.4g} (" in first
    assert f"A typical example gets {typical:.4g}" in shown
    top = story["effects"][0]
    assert f"  {top['contribution']:+.2f}: {top['words']} (typical: {top['typical_in_words']})" in lines
    origin = story["rows"][0]
    assert f"row 5 (from 0) of trips/trips_2024-02.csv, sha256 {origin['sha256'][:12]}." in shown


def test_a_part_of_keys_lists_those_that_hold_it(shared_platform: Path) -> None:
    listed = invoke("why", "trip_delay", "202402")
    assert listed.exit_code == 2 and listed.stdout.startswith("397 keys of trip_delay fit '202402'.")
    assert len(listed.stdout.splitlines()) == 22 and "377 more keys fit" in listed.stderr
    as_json = invoke("why", "trip_delay", "202402", "--json")
    candidates = json.loads(as_json.stdout)
    assert as_json.exit_code == 2 and candidates["keys"] == 397
    assert all(" ".join(one) == "key at score version partition" for one in candidates["candidates"])
    one = invoke("why", "trip_delay", KEY[:-1], "--at", invoke_json("why", "trip_delay", KEY)["prediction"]["at"])
    assert one.exit_code == 0 and KEY in one.stdout.splitlines()[0]


def test_a_version_that_made_no_prediction_scores_the_same_row(shared_platform: Path) -> None:
    story = invoke_json("why", "trip_delay", KEY, "--version", "2")
    assert story["prediction"]["recorded"] is False and story["version"]["version"] == "trip_delay@2"
    assert story["standing"] is None and story["prediction"]["version"] == 2
    assert story["features"]["values"] == invoke_json("why", "trip_delay", KEY)["features"]["values"]
    shown = invoke("why", "trip_delay", KEY, "--version", "2").stdout
    assert shown.startswith("trip_delay@2 would give ") and "run unknown" not in shown


def test_a_picture_is_written_beside_the_answer(shared_platform: Path, tmp_path: Path) -> None:
    story = invoke_json("lineage", "trip_delay", "--model", "1", "--svg", str(tmp_path / "one.svg"))
    assert story["version"]["version"] == "trip_delay@1"
    assert (tmp_path / "one.svg").read_text().count("version @1") >= 1
    nowhere = invoke("lineage", "trip_delay", "--model", "1", "--svg", str(tmp_path / "no" / "one.svg"))
    assert nowhere.exit_code == 1 and "No such file" in nowhere.stderr


def test_a_lake_from_before_lineage_is_told_of_and_recorded(platform: Path) -> None:
    with closing(State(Settings(data=platform))) as state, state.writing() as connection:
        connection.execute(update(record_details).values(reads="null"))
    before = invoke("lineage", "trip_delay", "--model", "1")
    assert before.exit_code == 0 and "Recorded without lineage" in before.stderr and "--record" in before.stderr
    assert "25 outputs of trip_delay" in invoke("lineage", "trip_delay", "--record").stdout
    assert invoke_json("lineage", "trip_delay", "--record") == {"recorded": 0, "lost": []}
    assert invoke_json("lineage", "trip_delay", "--model", "1")["missing"] == []
