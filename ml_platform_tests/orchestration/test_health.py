"""The examination of sensors and runs says what needs somebody, from the instance alone."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import InstigatorStatus

from ml_platform.discovery import find
from ml_platform.orchestration import due, health
from ml_platform.orchestration.health import SILENT, dagster_findings
from ml_platform.orchestration.jobs import PIPELINE_TAG
from ml_platform.views.health_finding import Finding
from ml_platform_tests.orchestration.daemon import Daemon, daemon_in

NAMES = {"trip_delay_landing", "trip_delay_decisions", "ml_platform_alerts"}


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with daemon_in(tmp_path, "ml_platform_tests.declarations.trips_monthly") as opened:
        yield opened


def _findings(daemon: Daemon, now: datetime | None = None) -> list[Finding]:
    return list(dagster_findings(daemon.instance, daemon.settings, [find("trip_delay")], now or daemon.clock))


def _bad(daemon: Daemon) -> list[str]:
    return [finding.detail for finding in _findings(daemon) if finding.state == "bad"]


def test_sensors_that_never_ticked_that_tick_and_that_fell_silent_are_told_apart(daemon: Daemon) -> None:
    (never,) = _findings(daemon)
    assert (never.name, never.state) == ("sensors", "warn") and "none has ever ticked" in never.detail
    daemon.goes_on(0.5)
    (ticking,) = _findings(daemon)
    assert ticking.state == "ok" and ticking.detail.startswith("3 of 3 tick")
    silent = _findings(daemon, daemon.clock + SILENT + timedelta(seconds=1))[0]
    assert silent.state == "bad" and "the daemon is down" in silent.detail and "make dev" in silent.remedy


def test_a_stopped_and_a_failing_sensor_are_named(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise OSError("the disk is gone")

    with monkeypatch.context() as patch:
        patch.setattr(due, "source_marks", broken)
        daemon.goes_on(0.5)
    (failed,) = _bad(daemon)
    assert failed.startswith("trip_delay_landing failed at ") and failed.endswith("the disk is gone")
    daemon.goes_on(0.5)
    assert _bad(daemon) == []
    for state in daemon.instance.all_instigator_state(instigator_type=InstigatorType.SENSOR):
        if state.name == "trip_delay_decisions":
            daemon.instance.update_instigator_state(state.with_status(InstigatorStatus.STOPPED))
    assert _bad(daemon) == ["trip_delay_decisions is stopped"]


def test_a_failed_run_without_a_partition_is_made_good_by_one_without(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon.goes_on(0.5)
    monkeypatch.setattr(health, "_PAGE", 2)
    job, tags = _job(daemon), {PIPELINE_TAG: "trip_delay"}
    run = daemon.instance.create_run_for_job(job, tags=tags, status=dg.DagsterRunStatus.STARTED)
    daemon.instance.report_run_failed(run)
    for month in ("2024-01", "2024-02", "2024-03"):
        of_month = {**tags, "dagster/partition": month}
        daemon.instance.create_run_for_job(job, tags=of_month, status=dg.DagsterRunStatus.SUCCESS)
    assert _bad(daemon) == [f"trip_delay_data failed (run {run.run_id})"]
    daemon.instance.create_run_for_job(job, tags=tags, status=dg.DagsterRunStatus.SUCCESS)
    daemon.instance.create_run_for_job(job, tags=of_month, status=dg.DagsterRunStatus.SUCCESS)
    assert _bad(daemon) == []


def test_a_failed_run_is_named_until_a_later_one_made_it_good(daemon: Daemon) -> None:
    daemon.goes_on(0.5)
    job = _job(daemon)
    tags = {PIPELINE_TAG: "trip_delay", "dagster/partition": "2024-01"}
    run = daemon.instance.create_run_for_job(job, tags=tags, status=dg.DagsterRunStatus.STARTED)
    daemon.instance.report_run_failed(run)
    assert _bad(daemon) == [f"trip_delay_data for 2024-01 failed (run {run.run_id})"]
    other = {**tags, "dagster/partition": "2024-02"}
    daemon.instance.create_run_for_job(job, tags=other, status=dg.DagsterRunStatus.SUCCESS)
    assert len(_bad(daemon)) == 1
    daemon.instance.create_run_for_job(job, tags=tags, status=dg.DagsterRunStatus.SUCCESS)
    assert _bad(daemon) == []


def test_a_run_whose_process_is_gone_and_one_that_never_starts_are_named(daemon: Daemon) -> None:
    daemon.goes_on(0.5)
    job, tags = _job(daemon), {PIPELINE_TAG: "trip_delay"}
    gone = daemon.instance.create_run_for_job(job, tags=tags, status=dg.DagsterRunStatus.STARTED)
    waits = daemon.instance.create_run_for_job(job, tags=tags, status=dg.DagsterRunStatus.STARTING)
    assert _bad(daemon) == []
    folder = daemon.settings.lake / "locks" / "alive"
    folder.mkdir(parents=True)
    (folder / gone.run_id).touch()  # as a killed process leaves it: nobody holds the lock
    assert f"the process of trip_delay_data (run {gone.run_id})" in _bad(daemon)[0] and len(_bad(daemon)) == 1
    assert (folder / gone.run_id).exists(), "looking changes nothing"
    later = [f.detail for f in _findings(daemon, datetime.now(UTC) + timedelta(minutes=16)) if f.name == "run"]
    assert any(f"(run {waits.run_id})" in detail and detail.endswith("has not started") for detail in later)


def _job(daemon: Daemon) -> dg.JobDefinition:
    from ml_platform.orchestration.build import build_definitions

    return build_definitions([find("trip_delay")]).resolve_job_def("trip_delay_data")
