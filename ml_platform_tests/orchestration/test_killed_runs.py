"""Runs that were killed, or that never started, go again; nothing that a sensor gave up on is silent."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.events import JobFailureData, RunFailureReason
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin
from sqlalchemy import delete

from ml_platform.discovery import find
from ml_platform.errors import PlatformError
from ml_platform.orchestration import alive, earlier_runs, killed_runs
from ml_platform.orchestration.earlier_runs import ATTEMPTS, STATE_TAG
from ml_platform.orchestration.jobs import PIPELINE_TAG
from ml_platform.orchestration.killed_runs import KILLED_TAG, end_if_gone, start_timeout
from ml_platform.orchestration.runner import Runner
from ml_platform.orchestration.ticking import answered
from ml_platform.state import alert_tables, alerts, ledger, schema
from ml_platform_tests.cli.terminal import invoke, invoke_json
from ml_platform_tests.orchestration import home_openers
from ml_platform_tests.orchestration.sensor_driver import SensorDriver, sensor_driver_in

LANDING, DECISIONS = "trip_delay_landing", "trip_delay_decisions"
OURS = {PIPELINE_TAG: "trip_delay"}
STARTED, STARTING = dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory, january: Path) -> Iterator[SensorDriver]:
    """January ran, and February is due."""
    folder = tmp_path_factory.mktemp("killed")
    shutil.copytree(january, folder / "data")
    with sensor_driver_in(folder, "ml_platform_tests.declarations.trips_monthly") as opened:
        yield opened


@pytest.fixture
def trips(driver: SensorDriver, instance: dg.DagsterInstance) -> Iterator[SensorDriver]:
    """The same for each test: what a test leaves in Dagster and among the alerts is removed."""
    yield driver
    instance.wipe()
    driver.cursors.clear()
    shutil.rmtree(driver.settings.lake / "locks" / "alive", ignore_errors=True)
    with driver.ws.state.writing() as connection:
        connection.execute(delete(alert_tables.alert_deliveries))
        connection.execute(delete(alert_tables.alerts))


@pytest.fixture
def instance(driver: SensorDriver) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.get() as opened:
        yield opened


def _run(
    trips: SensorDriver,
    instance: dg.DagsterInstance,
    request: dg.RunRequest | None = None,
    status: dg.DagsterRunStatus = STARTED,
) -> dg.DagsterRun:
    """A run in flight, of what a sensor asked for, or one that a person started."""
    job = trips.definitions.resolve_job_def("trip_delay_data")
    return instance.create_run_for_job(job, status=status, tags=dict(request.tags) if request else OURS)


def _mark_of(trips: SensorDriver, run: dg.DagsterRun) -> Path:
    return trips.settings.lake / "locks" / "alive" / run.run_id


def _leave_mark(trips: SensorDriver, run: dg.DagsterRun) -> None:
    """As a process leaves it that was killed."""
    path = _mark_of(trips, run)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def _status(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    found = instance.get_run_by_id(run.run_id)
    assert found is not None
    return found.status.value


def _told(trips: SensorDriver) -> list[str]:
    return [item.title for item in alerts.open_alerts(trips.ws.state, ["run"])]


def test_a_run_whose_process_is_gone_keeps_nobody_waiting(trips: SensorDriver, instance: dg.DagsterInstance) -> None:
    dead = _run(trips, instance)
    with alive.marked(trips.settings, dead.run_id):
        assert trips.tick(LANDING) == []
    assert trips.tick(LANDING) == [], "without a mark nobody can tell"
    _leave_mark(trips, dead)
    assert len(trips.tick(LANDING)) == 1
    assert _status(instance, dead) == "FAILURE"
    assert not _mark_of(trips, dead).exists()


def test_the_terminal_waits_neither_for_a_run_that_was_killed_nor_for_one_in_the_queue(
    trips: SensorDriver, instance: dg.DagsterInstance
) -> None:
    dead = _run(trips, instance)
    _leave_mark(trips, dead)
    job = trips.definitions.resolve_job_def("trip_delay_data")
    origin = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("town"), "__repository__").get_job_origin(job.name)
    instance.create_run_for_job(job, status=dg.DagsterRunStatus.QUEUED, tags=OURS, remote_job_origin=origin)
    runner = Runner(find("trip_delay"), trips.settings, lambda asset, partition: None)
    assert not runner.waited_for_others(pytest.fail)
    assert _status(instance, dead) == "FAILURE"


def test_a_dead_run_of_another_pipeline_is_ended_too_so_that_it_takes_no_place_in_the_queue(
    trips: SensorDriver, instance: dg.DagsterInstance
) -> None:
    job = trips.definitions.resolve_job_def("trip_delay_train")
    other = instance.create_run_for_job(job, status=STARTED, tags={PIPELINE_TAG: "weather"})
    _leave_mark(trips, other)
    assert len(trips.tick(LANDING)) == 1
    assert _status(instance, other) == "FAILURE"


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.NOT_STARTED, STARTING, STARTED])
def test_a_run_that_was_killed_before_it_marked_itself_is_ended_after_a_silence(
    trips: SensorDriver, instance: dg.DagsterInstance, status: dg.DagsterRunStatus
) -> None:
    run = _run(trips, instance, status=status)
    (record,) = instance.get_run_records(dg.RunsFilter(run_ids=[run.run_id]))
    now = datetime.now(UTC)
    patience = start_timeout(instance)
    assert not end_if_gone(instance, trips.settings, record, now + patience - timedelta(seconds=30))
    instance.report_engine_event("it still works", run)
    with alive.marked(trips.settings, run.run_id):
        assert not end_if_gone(instance, trips.settings, record, now + timedelta(days=1)), "its process holds the lock"
    assert end_if_gone(instance, trips.settings, record, now + patience + timedelta(minutes=1))
    (ended,) = instance.get_run_records(dg.RunsFilter(run_ids=[run.run_id]))
    assert (ended.dagster_run.status.value, KILLED_TAG in ended.dagster_run.tags) == ("FAILURE", True)


def test_a_silent_run_of_another_job_is_left_alone(trips: SensorDriver, instance: dg.DagsterInstance) -> None:
    foreign = instance.create_run_for_job(home_openers.nothing, status=STARTED)
    (record,) = instance.get_run_records()
    assert not end_if_gone(instance, trips.settings, record, datetime.now(UTC) + timedelta(days=1))
    assert _status(instance, foreign) == "STARTED"


def test_a_run_that_goes_on_while_it_is_looked_at_is_left_alone(
    trips: SensorDriver, instance: dg.DagsterInstance
) -> None:
    run = _run(trips, instance, status=STARTING)
    (record,) = instance.get_run_records(dg.RunsFilter(run_ids=[run.run_id]))
    instance.report_run_canceled(run)  # by somebody else, after the look
    assert not end_if_gone(instance, trips.settings, record, datetime.now(UTC) + timedelta(days=1))
    assert _status(instance, run) == "CANCELED"


NEVER_STARTED = {
    "a start time-out": RunFailureReason.START_TIMEOUT,
    "a launcher that failed": None,
    "a worker that ended": RunFailureReason.UNEXPECTED_TERMINATION,
}


@pytest.mark.parametrize("reason", NEVER_STARTED.values(), ids=NEVER_STARTED)
def test_a_run_that_never_started_counts_as_killed_and_goes_again(
    trips: SensorDriver, instance: dg.DagsterInstance, reason: RunFailureReason | None
) -> None:
    (request,) = trips.tick(LANDING)
    run = _run(trips, instance, request, STARTING)
    instance.report_run_failed(run, "…", JobFailureData(error=None, failure_reason=reason) if reason else None)
    (again,) = trips.tick(LANDING)
    assert again.tags[STATE_TAG] == request.tags[STATE_TAG]
    assert again.run_key != request.run_key, "Dagster takes no key twice"
    assert _told(trips) == []


@pytest.mark.parametrize("reason", [RunFailureReason.STEP_FAILURE, RunFailureReason.JOB_INITIALIZATION_FAILURE])
def test_a_run_that_failed_by_itself_is_given_up_with_an_alert_that_status_shows(
    trips: SensorDriver, instance: dg.DagsterInstance, reason: RunFailureReason
) -> None:
    (request,) = trips.tick(LANDING)
    run = _run(trips, instance, request)
    instance.report_run_failed(run, "…", JobFailureData(error=None, failure_reason=reason))
    assert trips.tick(LANDING) == []
    title = "Run failed: trip_delay_data for 2024-02 failed"
    assert _told(trips) == [title]
    if reason == RunFailureReason.JOB_INITIALIZATION_FAILURE:
        return  # what is shown is the same
    assert {tuple(row["given_up"]) for row in invoke_json("status", "trip_delay")} == {(title,)}
    shown = " ".join(invoke("status").stderr.split())
    assert title in shown and f"(run {run.run_id}) and the state has not changed since. Fix the cause" in shown


def test_a_run_that_is_killed_each_time_rests_is_an_alert_and_goes_on_by_itself(
    trips: SensorDriver, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = []
    for number in range(ATTEMPTS):
        (request,) = trips.tick(LANDING)
        keys.append(request.run_key)
        _leave_mark(trips, _run(trips, instance, request, (STARTED, STARTING)[number % 2]))
    assert trips.tick(LANDING) == []
    assert trips.skipped[LANDING].startswith("trip_delay_data for 2024-02 was killed 3 times, or did not start (last ")
    assert "It is tried again from" in trips.skipped[LANDING]
    title = "Run failed: trip_delay_data for 2024-02 was killed 3 times"
    assert _told(trips) == [title]
    with monkeypatch.context() as patch:
        patch.setattr(earlier_runs, "FIRST_REST", timedelta(0))  # it is over
        (request,) = trips.tick(LANDING)
        keys.append(request.run_key)
        assert _told(trips) == [title], "somebody should look, although it goes on"
        _leave_mark(trips, _run(trips, instance, request))
        (request,) = trips.tick(LANDING)
        keys.append(request.run_key)
    assert len(set(keys)) == ATTEMPTS + 2
    assert _told(trips) == [title], "it is the same finding"


def test_the_rests_double_up_to_six_hours_and_none_outlives_a_clock_that_was_set_back(
    trips: SensorDriver, instance: dg.DagsterInstance
) -> None:
    (request,) = trips.tick(LANDING)
    _leave_mark(trips, _run(trips, instance, request))
    trips.tick(LANDING)
    (record,) = instance.get_run_records(dg.RunsFilter(tags={KILLED_TAG: "true"}))
    ended, minute = record.update_timestamp.replace(tzinfo=UTC), timedelta(minutes=1)
    state = earlier_runs.RunState("wanted", "key")

    def rests(killed: int, now: datetime) -> bool:
        return bool(earlier_runs._killed_often(state, "it", [record] * killed, now).rests)

    for killed, rest in {3: 5, 4: 10, 5: 20, 9: 320, 10: 360, 200: 360}.items():
        assert rests(killed, ended + (rest - 1) * minute) and not rests(killed, ended + (rest + 1) * minute)
    assert not rests(3, ended - timedelta(days=1)), "the clock was set back"


def test_a_run_that_a_person_stops_is_not_started_again_though_it_was_killed(
    trips: SensorDriver, instance: dg.DagsterInstance
) -> None:
    (request,) = trips.tick(LANDING)
    run = _run(trips, instance, request)
    instance.report_run_canceling(run)
    _leave_mark(trips, run)
    assert trips.tick(LANDING) == []
    assert _status(instance, run) == "CANCELED"
    assert _told(trips) == ["Run failed: trip_delay_data for 2024-02 was stopped"]


def test_a_report_that_cannot_be_drawn_keeps_nothing_back_and_is_told(
    trips: SensorDriver, instance: dg.DagsterInstance
) -> None:
    state = trips.ws.state
    record = ledger.latest_of(state, "trip_delay/report", "2024-01")
    assert record is not None
    with state.writing() as connection:
        connection.execute(delete(schema.record_details).where(schema.record_details.c.record_id == record.id))
        connection.execute(delete(schema.records).where(schema.records.c.id == record.id))
    (request,) = trips.tick(LANDING)
    assert request.asset_selection == [dg.AssetKey(["trip_delay", "report"])]
    run = _run(trips, instance, request)
    instance.report_run_failed(run, "…", JobFailureData(error=None, failure_reason=RunFailureReason.STEP_FAILURE))
    (following,) = trips.tick(LANDING)
    assert following.partition_key == "2024-02"
    assert _told(trips) == ["Run failed: trip_delay_data for 2024-01 failed"]


def test_a_first_run_that_is_given_up_before_there_is_a_lake_makes_the_tick_red(tmp_path: Path) -> None:
    with sensor_driver_in(tmp_path, "ml_platform_tests.declarations.trips_monthly") as trips:
        (trips.settings.landing / "trips").mkdir(parents=True)
        (trips.settings.landing / "trips" / "2024-01.csv").write_text("no header")
        with dg.DagsterInstance.get() as instance:
            (request,) = trips.tick(LANDING)
            failure = JobFailureData(error=None, failure_reason=RunFailureReason.STEP_FAILURE)
            instance.report_run_failed(_run(trips, instance, request), "…", failure)
            with pytest.raises(PlatformError, match="trip_delay_data for 2024-01 failed") as raised:
                answered(lambda: instance, find("trip_delay"), "data", LANDING, None, print)
    assert "Fix the cause" in str(raised.value)


def test_what_is_silent_is_told_by_its_last_event(trips: SensorDriver, instance: dg.DagsterInstance) -> None:
    run = _run(trips, instance, status=STARTING)
    (record,) = instance.get_run_records(dg.RunsFilter(run_ids=[run.run_id]))
    before = killed_runs._last_heard_of(instance, record)
    instance.report_engine_event("the process has begun", run)
    assert killed_runs._last_heard_of(instance, record) > before
