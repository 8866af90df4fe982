"""`ml-platform lineage`: its JSON keys (docs/cli.md), its trees and its pictures."""

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
    story = invoke_json("lineage", "trip_delay", "--prediction", KEY)
    assert " ".join(story) == "prediction version features rows reads trained_on missing"
    assert set(story["prediction"]) == {*NODE.split(), *["key", "at", "score", "class", "role", "run_id", "others"]}
    assert " ".join(story["version"]) == VERSION
    assert set(story["features"]) == {*NODE.split(), "stored", "values"}
    assert " ".join(story["rows"][0]) == "table partition file row sha256 version arrival status"
    assert all(" ".join(read) == f"{NODE} files" for read in story["reads"])
    assert " ".join(story["reads"][0]["files"][0]) == FILE
    assert all(" ".join(node) == NODE for node in story["trained_on"])


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
    words = ("lineage", "trip_delay", "--prediction", KEY)
    assert max(map(len, invoke(*words).stdout.splitlines())) <= 80
    monkeypatch.delenv("COLUMNS")
    whole = invoke(*words).stdout
    assert "…" not in whole.replace("2024-01 … 2024-02", "") and "trips/trips_2024-02.csv, row 5" in whole


def test_a_file_is_found_by_any_path_to_it(shared_platform: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shared_platform / "landing" / "trips")
    shown = [
        invoke("lineage", "trip_delay", "--file", file).stdout
        for file in ("trips/trips_2024-01.csv", "trips_2024-01.csv", str(Path("trips_2024-01.csv").resolve()))
    ]
    assert len(set(shown)) == 1 and "trip_delay@1, trained after 2024-01" in shown[0]


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
