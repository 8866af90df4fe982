"""The commands that change something."""

import json
import os
import re
from contextlib import closing
from pathlib import Path

import pytest

from ml_platform.settings import Settings
from ml_platform.state import checks, ledger
from ml_platform.state.checks import CheckRow
from ml_platform.state.database import State
from ml_platform.training import reproduction
from ml_platform.training.reproduction import Reproduction
from ml_platform_tests import scenario
from ml_platform_tests.cli.terminal import invoke, invoke_json


def test_landing_copies_files_and_says_what_takes_them_in(platform: Path, tmp_path: Path) -> None:
    file = tmp_path / "trips_2024-04.csv"
    file.write_text(scenario.csv(scenario.trip_rows("2024-04", 20)))
    (landed,) = invoke_json("land", "trip_delay", "trips", str(file), "--arrived", "2024-05-01")
    assert Path(landed["landed"]).read_text() == file.read_text() and landed["table"] == "trips"
    assert "ml-platform run trip_delay" in invoke("land", "trip_delay", "trips", str(file)).stderr


def test_landing_refuses_what_would_be_lost_and_takes_folders(platform: Path, tmp_path: Path) -> None:
    standing = (platform / "landing" / "trips" / "trips_2024-01.csv").read_bytes()
    for month in ("2024-01", "2024-05"):
        (tmp_path / "new").mkdir(exist_ok=True)
        (tmp_path / "new" / f"trips_{month}.csv").write_text(scenario.csv(scenario.trip_rows(month, 5)))
    (tmp_path / "new" / "readme.txt").write_text("x")
    refused = invoke("land", "trip_delay", "trips", str(tmp_path / "new"))
    assert refused.exit_code == 2
    assert "Other content stands as trips/trips_2024-01.csv" in " ".join(refused.stderr.replace("│", "").split())
    assert (platform / "landing" / "trips" / "trips_2024-01.csv").read_bytes() == standing
    assert not (platform / "landing" / "trips" / "trips_2024-05.csv").exists()
    rows = invoke_json("land", "trip_delay", "trips", str(tmp_path / "new"), "--replace")
    assert [(Path(row["landed"]).name, row["outcome"]) for row in rows] == [
        ("trips_2024-01.csv", "replaced"),
        ("trips_2024-05.csv", "landed"),
        ("readme.txt", "skipped"),
    ]


def test_a_file_is_withdrawn_once_on_record_and_status_says_so(platform: Path) -> None:
    outcome = invoke_json("withdraw", "trips", "trips_2024-02.csv", "--why", "sent twice")
    assert list(outcome) == ["table", "file", "rows", "at", "why", "changed"]
    assert (outcome["file"], outcome["changed"]) == ("trips/trips_2024-02.csv", True) and outcome["rows"] > 0
    assert invoke_json("withdraw", "trips", "trips_2024-02.csv", "--why", "again")["changed"] is False
    assert "already (sent twice)" in invoke("withdraw", "trips", "trips_2024-02.csv", "--why", "again").stderr
    assert "trips/trips_2024-02.csv is withdrawn and not read." in invoke("status", "trip_delay").stderr
    shown = invoke("withdraw", "trips", "trips_2024-01.csv", "--why", "wrong").stderr
    assert shown.strip().endswith("Land it again with `ml-platform land` to take it back."), "it is no database"


def test_a_file_is_withdrawn_before_any_lake_and_a_wrong_name_makes_none(data_folder: Path, tmp_path: Path) -> None:
    (data_folder / "landing" / "trips").mkdir(parents=True)
    (data_folder / "landing" / "trips" / "trips_2024-01.csv").write_text("broken")
    for table, file, said in (
        ("trip", "trips_2024-01.csv", "no table with files 'trip'. Did you mean 'trips'?"),
        ("trips", "trips_2024_01.csv", "no file of trips 'trips_2024_01.csv'. Did you mean 'trips/trips_2024-01.csv'?"),
    ):
        refused = invoke("withdraw", table, file, "--why", "wrong")
        assert refused.exit_code == 2 and said in " ".join(refused.stderr.replace("│", "").split())
    assert not (data_folder / "lake").exists()
    outcome = invoke_json("withdraw", "trips", "trips_2024-01.csv", "--why", "wrong")
    assert (outcome["rows"], outcome["changed"], outcome["why"]) == (0, True, "wrong")
    status = invoke("status", "trip_delay")
    assert status.exit_code == 0 and "trips/trips_2024-01.csv is withdrawn and not read." in status.stderr


def test_a_champion_is_promoted_once_rolled_back_and_brought_back(platform: Path) -> None:
    versions = invoke_json("models", "trip_delay")
    serving = next(row["version"] for row in versions if row["serves"])
    assert "is the champion already" in invoke("promote", serving, "--why", "again").stderr
    log = invoke_json("models", "trip_delay", "--history")
    champions = [entry["version"] for entry in log if entry["action"] == "promoted"]
    entry = invoke_json("rollback", "trip_delay", "--why", "it errs on Mondays")
    assert (entry["action"], entry["version"], entry["previous"]) == ("rolled_back", champions[1], champions[0])
    assert invoke_json("models", "trip_delay", "--history")[0]["reason"] == "it errs on Mondays"
    entry = invoke_json("promote", f"trip_delay@{champions[0]}", "--why", "it did not")
    assert (entry["action"], entry["version"]) == ("promoted", champions[0])


def test_a_person_passes_over_a_failed_check_and_the_log_keeps_it_S37(platform: Path) -> None:
    with closing(State(Settings(data=platform))) as state:
        rows = ledger.latest_of(state, "validated/trips", "2024-02")
        assert rows is not None
        about = ("trips", "2024-02", rows.content_key, "units", "error", False, 9.0, 4.0, "km spreads 9 times as wide.")
        checks.add(state, "trips", [CheckRow(*about)])
    shown = " ".join(invoke("rollback", "trip_delay", "--why", "to try it").stdout.split())
    assert re.search(r"recorded at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", shown)
    answer = invoke("promote", "trip_delay@2", "--why", "miles since February", "--json")
    entry = json.loads(answer.stdout)
    passed_over = "blocked by data: units of trips 2024-02 failed: km spreads 9 times as wide"
    assert (entry["version"], entry["reason"], entry["overrides"]) == (2, "miles since February", passed_over)
    assert f"Passed over: {passed_over}." in " ".join(answer.stderr.split())
    assert invoke_json("models", "trip_delay", "--history")[0]["overrides"] == passed_over


def test_a_gate_is_measured_anew_and_only_those_that_wait_without_a_name(platform: Path) -> None:
    (row,) = invoke_json("rejudge", "trip_delay@1", "--gate", "size")
    assert (row["gate"], row["passed"], row["measurement"]) == ("bundle at most 5 MB", "passed", 2)
    assert invoke_json("rejudge", "trip_delay@1") == []
    assert "trip_delay@1 waits for no gate" in invoke("rejudge", "trip_delay@1").stderr
    assert "There is no gate of trip_delay" in invoke("rejudge", "trip_delay@1", "--gate", "speed").stderr


def test_a_version_is_reproduced(platform: Path) -> None:
    outcome = invoke_json("reproduce", "trip_delay@1")
    assert list(outcome) == ["version", "identical", "expected", "actual", "detail"]
    assert outcome["identical"] is True and outcome["expected"] == outcome["actual"]


def test_digests_of_a_reproduction_say_what_they_are_of(shared_platform: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = Reproduction(identical=False, expected="aa", actual="bb", detail="Line 1 differs.")
    monkeypatch.setattr(reproduction, "reproduce", lambda *_: outcome)
    shown = invoke("reproduce", "trip_delay@1")
    assert shown.exit_code == 1
    lines = [line.split("  ", 1) for line in shown.stdout.splitlines()]
    assert [(name.strip(), text.strip()) for name, text in lines[2:4]] == [
        ("SHA-256 of the stored model", "aa"),
        ("SHA-256 of the model trained now", "bb"),
    ]


def test_upkeep_tells_what_it_did(platform: Path) -> None:
    assert list(invoke_json("maintain", "--keep", "1w")) == [
        "files_merged",
        "files_written",
        "snapshots_expired",
        "files_removed",
        "orphans_removed",
        "leftovers_removed",
        "blobs_removed",
        "bytes_freed",
        "seconds",
        "runs_removed",
        "run_logs_removed",
        "history_bytes_freed",
    ]


def test_upkeep_without_dagster_says_that_history_was_left_alone(
    platform: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "/there/is/none")
    shown = invoke("maintain")
    assert shown.exit_code == 0
    assert "The history of runs is left alone: DAGSTER_HOME is /there/is/none, which is not" in shown.stderr
    assert "runs removed" not in shown.stdout


def test_upkeep_frees_what_it_can_before_it_opens_the_lake(platform: Path) -> None:
    staged = platform / "lake" / "staging" / f"{0:032x}.parquet"
    staged.write_bytes(bytes(1000))
    os.utime(staged, (0, 0))
    (platform / "lake" / "catalog.sqlite").write_bytes(b"damaged" * 1000)
    assert invoke("maintain").exit_code == 1
    assert not staged.exists()


def test_after_a_rule_was_mended_replay_tells_what_passes_and_what_to_run(
    platform: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = invoke("quarantine", "trip_delay")
    assert "km|max" in refused.stdout and "--replay" in refused.stderr
    assert "The current rules would not change the tables" in invoke("quarantine", "trip_delay", "--replay").stdout
    assert '"km":"250.0"' in invoke("quarantine", "trip_delay", "--rows", "1").stdout

    monkeypatch.setenv("ML_PLATFORM_PIPELINES", '["ml_platform_tests.declarations.trips_of_any_length"]')
    shown = invoke("quarantine", "trip_delay", "--replay").stdout
    assert "trips" in shown and "`ml-platform run trip_delay` recomputes the stale partitions" in shown
    (trips,) = [row for row in invoke_json("quarantine", "trip_delay", "--replay") if row["table"] == "trips"]
    assert (trips["passing"], trips["still"]) == (3, 0) and "2024-02" in trips["stale"]


def test_a_challenger_is_named_listed_and_stopped(platform: Path) -> None:
    named = invoke_json("challenge", "trip_delay@1", "--why", "a trial")
    assert (named["version"], named["action"], named["reason"]) == (1, "started", "a trial")
    assert "is the challenger already" in invoke("challenge", "trip_delay@1").stderr
    assert invoke_json("challenge", "trip_delay")["challenger"] == 1
    assert invoke("challenge", "trip_delay@1", "--stop").exit_code == 2
    assert invoke_json("challenge", "trip_delay", "--stop")["action"] == "stopped"
    listed = invoke_json("challenge", "trip_delay")
    assert listed["challenger"] is None and [row["action"] for row in listed["log"]] == ["stopped", "started"]
    assert "has no challenger now" in invoke("challenge", "trip_delay").stderr
    assert "cannot challenge itself" in invoke("challenge", "trip_delay@2").stderr


def test_a_canary_is_named_shown_by_status_and_stopped(platform: Path) -> None:
    named = invoke_json("canary", "trip_delay@1", "--share", "0.1", "--why", "a trial")
    assert (named["version"], named["action"], named["share"], named["max_error_share"]) == (1, "started", 0.1, 0.01)
    assert "is the canary already" in invoke("canary", "trip_delay@1", "--share", "0.1").stderr
    assert invoke_json("canary", "trip_delay@1", "--share", "0.3")["share"] == 0.3
    assert "trip_delay@1 is a canary since" in invoke("status", "trip_delay").stderr
    assert "it answers 0.3 of keys" in invoke("canary", "trip_delay").stderr
    for wrong in (["trip_delay@1"], ["trip_delay@1", "--share", "1"], ["trip_delay@1", "--stop"]):
        assert invoke("canary", *wrong).exit_code == 2
    assert invoke_json("canary", "trip_delay", "--stop")["action"] == "stopped"
    listed = invoke_json("canary", "trip_delay")
    assert listed["canary"] is None and [row["action"] for row in listed["log"]] == ["stopped", "started", "started"]
    assert "it is the champion" in invoke("canary", "trip_delay@2", "--share", "0.1").stderr
