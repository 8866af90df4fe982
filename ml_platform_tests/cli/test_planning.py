"""`plan`, and what `run --json` and `--fail-on` say of an outcome."""

import json
from contextlib import closing
from pathlib import Path
from typing import get_args

import pytest

from ml_platform.cli.exit_codes import WORK
from ml_platform.views.run_result import _OF_CHAMPION, RunOutcome
from ml_platform_tests.cli.terminal import invoke, invoke_json
from ml_platform_tests.declarations import trips_and_churn
from ml_platform_tests.world import world

KEYS = {"schema_version", "pipeline", "has_work", "runs", "later", "blocks", "estimate"}


def files(folder: Path) -> dict[str, int]:
    """Every file below the folder, with when it was changed, but for locks."""
    return {
        str(path): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"
    }


def test_where_nothing_is_stale_the_plan_says_so_and_exits_with_0(shared_platform: Path) -> None:
    result = invoke("plan", "trip_delay", "--exit-code")
    assert result.exit_code == 0 and result.stdout.startswith("Nothing to do"), result.output
    plan = invoke_json("plan", "trip_delay")
    assert plan.keys() == KEYS and plan["runs"] == [] and plan["has_work"] is False
    assert [block["kind"] for block in plan["blocks"]] == ["incomplete"]


def test_a_plan_of_new_data_has_a_code_of_its_own_and_no_effect(platform: Path) -> None:
    with closing(world(platform, trips_and_churn.trip_delay)) as opened:
        opened.land_trips("2024-04")
    before = files(platform / "landing") | files(platform / "artifacts") | files(platform / "lake" / "tables")
    result = invoke("plan", "trip_delay", "--exit-code", "--json")
    assert result.exit_code == WORK
    plan = json.loads(result.stdout)
    assert plan["has_work"] and plan["runs"][0]["assets"][0]["reason"]["kind"] == "new_data"
    assert files(platform / "landing") | files(platform / "artifacts") | files(platform / "lake" / "tables") == before
    assert invoke("plan", "trip_delay").exit_code == 0, "the code is asked for"


def test_before_there_is_a_lake_the_plan_reads_the_landing_folder_and_makes_no_lake(data_folder: Path) -> None:
    landing = data_folder / "landing" / "drivers.csv"
    landing.parent.mkdir(parents=True)
    landing.write_text("driver,years\nd00,1\n")
    plan = invoke_json("plan", "trip_delay")
    assert ("raw/drivers", "will") in [(one["asset"], one["certainty"]) for one in plan["runs"][0]["assets"]]
    assert [path.name for path in data_folder.iterdir()] == ["landing"]


@pytest.mark.parametrize("words", [("plan", "trip_dely"), ("plan", "trip_delay", "--through", "2024-13")])
def test_a_pipeline_or_a_partition_that_does_not_exist_is_a_wrong_argument(
    shared_platform: Path, words: tuple[str, ...]
) -> None:
    assert invoke(*words).exit_code == 2


def test_the_json_of_a_run_says_what_came_of_it(platform: Path) -> None:
    answer = invoke_json("run", "trip_delay", "--fail-on", "any")
    assert (answer["outcome"], answer["exit_code"], answer["launched"]) == ("nothing_to_do", 0, 0)
    assert answer["made"] == answer["candidates"] == answer["alerts"] == [] and answer["error"] is None
    assert answer["champion"] == "trip_delay@2" and len(answer["partitions"]) == 2
    assert invoke("run", "trip_delay", "--fail-on", "everything").exit_code == 2


def test_every_outcome_of_a_candidate_is_an_outcome_of_a_run() -> None:
    assert set(_OF_CHAMPION.values()) <= set(get_args(RunOutcome))
