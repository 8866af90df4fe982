"""`ml-platform doctor` prints each finding with its remedy, and fails when something is bad."""

import json
import shutil
from contextlib import closing
from pathlib import Path

import dagster as dg
import pytest

from ml_platform.orchestration.build import build_definitions
from ml_platform.orchestration.jobs import PIPELINE_TAG
from ml_platform.runtime import step_alerts
from ml_platform_tests.cli.terminal import invoke, invoke_json
from ml_platform_tests.declarations import trips_and_churn
from ml_platform_tests.world import world


def test_a_sound_platform_has_nothing_bad(shared_platform: Path) -> None:
    states = {finding["name"]: finding["state"] for finding in invoke_json("doctor")}
    assert states["lake"] == states["data files"] == states["champion"] == states["versions"] == "ok"
    assert "bad" not in states.values()


def test_a_bad_finding_is_printed_with_its_remedy_and_fails(data_folder: Path) -> None:
    data_folder.write_text("a file where a folder should be")
    result = invoke("doctor")
    printed = " ".join(result.output.split())
    assert result.exit_code == 1
    assert "bad landing folder:" in printed and "make it writable, or set ML_PLATFORM_DATA" in printed


def test_the_kind_of_catalog_is_told_without_its_secret(data_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ML_PLATFORM_CATALOG", "postgresql://me:hunter2@127.0.0.1:1/lake")
    printed = invoke("doctor").output
    assert "PostgreSQL" in printed and "hunter2" not in printed


def test_a_refused_file_needs_a_person_until_it_is_corrected_or_somebody_says_why_not(platform: Path) -> None:
    (platform / "landing" / "trips" / "noise.csv").write_bytes(b"\x00\x01\x02 no table")
    with closing(world(platform, trips_and_churn.trip_delay, trips_and_churn.churn)) as made:
        outcome = made.step("raw/trips", "all")
        step_alerts.raise_alerts(made.ws, "raw/trips", "all", outcome, kind="check", run_id="run", say=print)

    def refused() -> list[tuple[int, str]]:
        result = invoke("doctor", "--json")
        return [(result.exit_code, one["state"]) for one in json.loads(result.stdout) if one["name"] == "refused file"]

    assert refused() == [(1, "bad")]
    advice = " ".join(invoke("doctor").stdout.split())
    assert "`ml-platform withdraw trips trips/noise.csv --why TEXT`" in advice
    assert "`ml-platform alerts resolve ID --why TEXT`" in advice
    (alert,) = invoke_json("alerts", "--open")
    assert invoke("alerts", "resolve", "no-such", "--why", "x").exit_code == 2
    assert invoke("alerts", "resolve", alert["alert_id"]).exit_code == 2, "a reason is needed"
    resolved = invoke_json("alerts", "resolve", alert["alert_id"][:6], "--why", "a test file of the sender")
    assert [one["resolved_why"] for one in resolved] == ["a test file of the sender"]
    assert refused() == [(0, "ok")]
    assert invoke_json("alerts", "--open") == [] and len(invoke_json("alerts")) == 1
    assert "a test file of the sender" in invoke("alerts", "trip_delay").stdout


def test_status_says_refused_where_the_file_that_a_month_waits_for_was_refused(platform: Path) -> None:
    waits = invoke_json("status", "trip_delay")[-1]
    assert (waits["partition"], waits["outcome"]) == ("2024-03", "waits")
    assert waits["waits_for"][0].startswith("2024-03 waits for a row of trips at or after 2024-04-01 00:00 UTC")
    (platform / "landing" / "trips" / "trips_2024-04.csv").write_bytes(b"\x00\x01\x02 no table")
    with closing(world(platform, trips_and_churn.trip_delay, trips_and_churn.churn)) as made:
        made.step("raw/trips", "all")
    refused = invoke_json("status", "trip_delay")[-1]
    assert (refused["partition"], refused["outcome"]) == ("2024-03", "refused")
    assert refused["waits_for"][1].startswith("Refused: trips/trips_2024-04.csv: ")
    shown = invoke("status", "trip_delay")
    assert "refused" in shown.stdout and "Refused: trips/trips_2024-04.csv" in shown.stderr
    assert "wait: `ml-platform run" not in shown.stderr, "nothing of it waits"


def test_a_failed_run_is_bad_while_its_work_is_to_be_done_and_one_that_a_person_stopped_never(platform: Path) -> None:
    def ended(status: dg.DagsterRunStatus, partition: str) -> str:
        tags = {PIPELINE_TAG: "trip_delay", "dagster/partition": partition}
        return instance.create_run_for_job(job, tags=tags, status=status).run_id

    def bad() -> list[str]:
        return [one["detail"] for one in json.loads(invoke("doctor", "--json").stdout) if one["state"] == "bad"]

    job = build_definitions([trips_and_churn.trip_delay]).resolve_job_def("trip_delay_data")
    with dg.DagsterInstance.get() as instance:
        ended(dg.DagsterRunStatus.FAILURE, "2024-01")
        assert bad() == [], "whichever run made it since: nothing of January is stale"
        ended(dg.DagsterRunStatus.SUCCESS, "2024-01")
        shutil.copy(platform / "landing/trips/trips_2024-02.csv", platform / "landing/trips/again.csv")
        failed = ended(dg.DagsterRunStatus.FAILURE, "2024-02")
        ended(dg.DagsterRunStatus.CANCELED, "2024-02")
        assert bad() == [f"trip_delay_data for 2024-02 failed (run {failed})"]
        ended(dg.DagsterRunStatus.SUCCESS, "2024-02")
        ended(dg.DagsterRunStatus.CANCELED, "2024-02")
        assert bad() == []
