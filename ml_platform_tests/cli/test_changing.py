"""The commands that change something."""

from pathlib import Path

import pytest

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
    ]


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
