"""Sensors and schedule by ticks on a real instance: everything once, nothing twice, and a reason in words otherwise."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from sqlalchemy import select

from ml_platform.discovery import find
from ml_platform.errors import TrainingError
from ml_platform.orchestration import alive, earlier_runs, quiet, ticking
from ml_platform.orchestration.due import DECISION_TAG, REASON_TAG, STATE_TAG
from ml_platform.orchestration.earlier_runs import ATTEMPTS
from ml_platform.orchestration.jobs import PIPELINE_TAG
from ml_platform.orchestration.ticking import answered
from ml_platform.retraining.policy import ManualRequest
from ml_platform.sources.sql import SqlSource
from ml_platform.state import alerts, promotions, versions
from ml_platform.state.schema import records
from ml_platform.steps import champion, decision, drift, features, predictions, training_set, verdicts
from ml_platform.steps.decision import of as decision_of
from ml_platform.steps.decision import request as request_training
from ml_platform.views.decisions import history
from ml_platform_tests import scenario
from ml_platform_tests.declarations import trips_on_request
from ml_platform_tests.orchestration.sensor_driver import SensorDriver, sensor_driver_in
from ml_platform_tests.world import world

LANDING, DECISIONS = "trip_delay_landing", "trip_delay_decisions"
OpenDriver = Callable[[str], SensorDriver]


@pytest.fixture(scope="module")
def january(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data of trips that ran through January; February has landed, and completes it."""
    folder = tmp_path_factory.mktemp("ticks") / "data"
    with closing(world(folder, trips_on_request.trip_delay)) as one:
        one.land_trips("2024-01", "2024-02")
        one.run()
    return folder


@pytest.fixture
def open_driver(tmp_path: Path, january: Path) -> Iterator[OpenDriver]:
    """Opens a copy of January under the declarations of a module of these tests."""
    with ExitStack() as stack:

        def open_(declared: str) -> SensorDriver:
            shutil.copytree(january, tmp_path / "data")
            return stack.enter_context(sensor_driver_in(tmp_path, f"ml_platform_tests.declarations.{declared}"))

        yield open_


def _land(driver: SensorDriver, *months: str) -> None:
    with driver.landing() as trips_world:
        trips_world.land_trips(*months)


def _decisions(driver: SensorDriver) -> list[tuple[str, str]]:
    rows = history(driver.ws, "trip_delay")
    return [(row["partition"], row["outcome"]) for row in reversed(rows)]


def _scored(driver: SensorDriver) -> dict[str, set[int]]:
    rows = driver.ws.lake.rows("SELECT DISTINCT _partition, version FROM trip_delay.predictions")
    return {month: {version for m, version in rows if m == month} for month, _ in sorted(rows)}


@pytest.mark.slow
def test_half_a_year_lands_and_every_month_is_scored_decided_and_trained_once(tmp_path: Path) -> None:
    with sensor_driver_in(tmp_path, "ml_platform_tests.declarations.trips_monthly") as trips:
        assert trips.settle() == []
        assert trips.skipped[LANDING].startswith("No run of trip_delay yet: no file has landed as `trips/*.csv`")
        for month in ("2024-01", "2024-02", "2024-03", "2024-04", "2024-05"):
            _land(trips, month)
            if month == "2024-03":  # between the decision of February and its training, the daemon dies
                trips.settle(LANDING)
                assert _decisions(trips)[-1] == ("2024-02", "triggered")
                trips.restart()
            if month == "2024-04":
                trips.cursors = dict.fromkeys(trips.cursors, "what is this?")
            trips.settle()
        months = ["2024-01", "2024-02", "2024-03", "2024-04"]
        assert [run for run in trips.ran if run[0] == "trip_delay_train"] == [
            ("trip_delay_train", m, True) for m in months
        ]
        assert all(success for _, _, success in trips.ran)
        data = [month for job, month, _ in trips.ran if job == "trip_delay_data"]
        assert data == [*["2024-01"] * 3, "2024-01", "2024-02", "2024-01", "2024-03", "2024-01", "2024-04"], (
            "files, then a month"
        )
        assert _decisions(trips) == [(month, "triggered") for month in months]
        assert [v.version for v in versions.versions(trips.ws.state, "trip_delay")] == [1, 2, 3, 4]
        assert _scored(trips) == {"2024-02": {1}, "2024-03": {2}, "2024-04": {3}}
        log = promotions.history(trips.ws.state, "trip_delay")
        assert [(entry.partition, entry.action) for entry in log] == [(month, "promoted") for month in months]
        trips.restart()
        assert trips.settle() == [], "a restart repeats nothing"


def test_a_file_that_lands_is_taken_in_and_the_month_it_completes_is_run(open_driver: OpenDriver) -> None:
    trips = open_driver("trips_on_request")
    _land(trips, "2024-03")
    (request,) = trips.tick(LANDING)
    assert request.partition_key == "2024-01" and dg.AssetKey(["raw", "trips"]) in (request.asset_selection or [])
    assert request.tags[REASON_TAG] == "trips, traffic: a new or replaced file in the landing folder."
    assert request.tags[PIPELINE_TAG] == "trip_delay"
    assert trips.tick(DECISIONS) == []
    assert trips.skipped[DECISIONS] == "No training is due. trip_delay_data has to run for 2024-01 first."
    (again,) = trips.tick(LANDING)
    assert again.run_key == request.run_key, "the key is made of the state"
    trips.execute(LANDING, request)
    assert ("trip_delay_data", "2024-02", True) in trips.settle(LANDING)
    assert trips.skipped[LANDING] == "Everything is up to date.", "February is held back, so nothing trains"


def test_nothing_is_asked_for_while_a_run_of_the_pipeline_is_in_flight(open_driver: OpenDriver) -> None:
    trips = open_driver("trips_on_request")
    _land(trips, "2024-03")
    job = trips.definitions.resolve_job_def("trip_delay_train")
    with dg.DagsterInstance.get() as instance:
        tags = {PIPELINE_TAG: "trip_delay"}
        other = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTING, tags=tags)
        assert trips.tick(LANDING) == []
        assert trips.skipped[LANDING].startswith(f"trip_delay_train is starting (run {other.run_id}).")
        instance.report_run_canceled(other)
    with alive.at_the_terminal(trips.settings, "trip_delay"):
        assert trips.tick(LANDING) == []
    assert trips.skipped[LANDING] == "`ml-platform run trip_delay` is running in a terminal."
    assert len(trips.tick(LANDING)) == 1


def test_a_run_of_another_pipeline_that_takes_in_our_tables_is_waited_for(open_driver: OpenDriver) -> None:
    driver = open_driver("two_over_trips")
    _land(driver, "2024-03")
    (request,) = driver.tick("trip_length_landing")
    job = driver.definitions.resolve_job_def("trip_length_data")
    with dg.DagsterInstance.get() as instance:
        chosen = frozenset(request.asset_selection or [])
        started = instance.create_run_for_job(
            job.get_subset(asset_selection=chosen), asset_selection=chosen, tags={PIPELINE_TAG: "trip_length"}
        )
        assert driver.tick(LANDING) == []
        assert started.run_id in driver.skipped[LANDING]


@pytest.mark.slow
def test_a_training_that_fails_is_not_repeated_is_an_alert_and_keeps_nobody_from_scoring(
    open_driver: OpenDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise TrainingError("It does not converge.")

    def failed_runs() -> list[str]:
        return [item.title for item in alerts.open_alerts(trips.ws.state, ["run"])]

    trips = open_driver("trips_monthly")
    _land(trips, "2024-03", "2024-04")
    with monkeypatch.context() as patch:
        patch.setattr(training_set.TrainingSetStep, "make", fail)
        ran = trips.settle()
        assert [run for run in ran if run[0] == "trip_delay_train"] == [("trip_delay_train", "2024-02", False)], "once"
    assert "trip_delay_train for 2024-02 failed (run " in trips.skipped[DECISIONS]
    assert "Fix the cause" in trips.skipped[DECISIONS]
    assert failed_runs() == ["Run failed: trip_delay_train for 2024-02 failed"]
    assert _scored(trips)["2024-03"] == {1}, "the champion of January goes on"
    with monkeypatch.context() as patch:
        patch.setattr(ticking, "due", fail)
        assert trips.tick(DECISIONS) == []
    assert sorted(item.kind for item in alerts.open_alerts(trips.ws.state)) == ["run", "sensor"]
    trips.restart()
    assert trips.settle() == []
    assert [item.kind for item in alerts.open_alerts(trips.ws.state)] == ["run"]
    assert len(alerts.raised(trips.ws.state)) == 2, "neither is told again"
    trips.platform.run("trip_delay", "2024-02")  # a person does
    trips.settle()
    assert failed_runs() == []


@pytest.mark.slow
def test_a_training_that_rests_after_kills_is_an_alert_and_keeps_nobody_from_scoring(
    open_driver: OpenDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    trips = open_driver("trips_monthly")
    _land(trips, "2024-03", "2024-04")
    trips.settle(LANDING)
    assert trips.skipped[LANDING] == "trip_delay_train has to act on the decision of 2024-02 first."
    job, marks = trips.definitions.resolve_job_def("trip_delay_train"), trips.settings.lake / "locks" / "alive"
    for _ in range(ATTEMPTS):
        assert "2024-03" not in _scored(trips), "a training that is tried again at once is waited for"
        (request,) = trips.tick(DECISIONS)
        with dg.DagsterInstance.get() as instance:
            killed = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags=dict(request.tags))
        marks.mkdir(parents=True, exist_ok=True)
        (marks / killed.run_id).touch()  # as a process leaves it that was killed
    assert trips.tick(DECISIONS) == []
    trips.settle(LANDING)
    assert _scored(trips)["2024-03"] == {1}, "the champion of January goes on"
    title = "Run failed: trip_delay_train for 2024-02 was killed 3 times"
    assert [item.title for item in alerts.open_alerts(trips.ws.state, ["run"])] == [title]
    monkeypatch.setattr(earlier_runs, "FIRST_REST", timedelta(0))  # it is over
    trips.settle()
    assert _scored(trips)["2024-03"] == {2}, "that of February, as if its training had not been killed"
    assert alerts.open_alerts(trips.ws.state, ["run"]) == []


def test_a_held_back_month_runs_no_training_and_what_a_person_forces_is_trained_once(open_driver: OpenDriver) -> None:
    trips = open_driver("trips_on_request")
    _land(trips, "2024-03")
    trips.settle()
    assert ("trip_delay_train", "2024-02", True) not in trips.ran
    skipped = decision_of(trips.ws, find("trip_delay"), "2024-02")
    assert (skipped.outcome, skipped.reason) == ("skipped", "Trained 1 partition ago; no calendar is declared.")
    last = promotions.history(trips.ws.state, "trip_delay")[-1]
    assert (last.action, last.partition) == ("kept", "2024-02")
    assert [v.version for v in versions.versions(trips.ws.state, "trip_delay")] == [1]

    manual, new = request_training(trips.ws, find("trip_delay"), "2024-02", ManualRequest("ada", "a new town"))
    assert (manual.outcome, manual.reason, new) == ("manual", "ada: a new town", True)
    assert trips.settle() == [("trip_delay_train", "2024-02", True)]
    assert (trips.tags[-1][DECISION_TAG], trips.tags[-1][REASON_TAG]) == ("manual", "ada: a new town")
    assert promotions.champion_at(trips.ws.state, "trip_delay") == 2
    assert request_training(trips.ws, find("trip_delay"), "2024-02", ManualRequest("bob", "me too")) == (manual, False)
    assert trips.settle() == []
    assert _decisions(trips) == [("2024-01", "triggered"), ("2024-02", "skipped"), ("2024-02", "manual")]


@pytest.mark.slow
def test_two_pipelines_over_the_same_tables_take_a_file_in_once(open_driver: OpenDriver) -> None:
    driver = open_driver("two_over_trips")
    driver.settle()
    before = len(driver.ran)
    _land(driver, "2024-03")
    driver.settle()
    began = [job for job, month, _ in driver.ran[before:] if month == "2024-01"]
    assert began == ["trip_delay_data"], "whoever ticks first"
    rest = [(job, month) for job, month, _ in driver.ran[before:] if month == "2024-02"]
    assert sorted(rest) == sorted(
        (f"trip_{name}_{job}", "2024-02") for name in ("delay", "length") for job in ("data", "train")
    )
    assert all(success for _, _, success in driver.ran)


def test_a_state_that_comes_back_is_another_and_one_that_stays_is_not_run_for_twice(open_driver: OpenDriver) -> None:
    trips = open_driver("trips_on_request")
    _land(trips, "2024-03")
    (request,) = trips.tick(LANDING)
    job = trips.definitions.resolve_job_def("trip_delay_data")
    with dg.DagsterInstance.get() as instance:
        tags = {**request.tags, PIPELINE_TAG: "trip_delay"}
        stopped = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags=tags)
        instance.report_run_canceled(stopped)
        assert trips.tick(LANDING) == []
        assert f"was stopped (run {stopped.run_id}) and the state has not changed since." in trips.skipped[LANDING]
        # Another version of the file is another state.
        with trips.landing() as trips_world:
            trips_world.land("trips", "trips_2024-03.csv", scenario.trip_rows("2024-03", 300))
        (other,) = trips.tick(LANDING)
        assert other.tags[STATE_TAG] != request.tags[STATE_TAG]


def test_a_quiet_tick_costs_no_plan_and_a_corrupt_cursor_is_made_anew(
    open_driver: OpenDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    trips = open_driver("trips_on_request")
    trips.settle()
    assert trips.tick(LANDING) == []
    kept = trips.cursors[LANDING]
    with monkeypatch.context() as patch:
        patch.setattr("ml_platform.runtime.planner.Planner.work", lambda self: pytest.fail("planned"))
        patch.setattr(dg.SensorEvaluationContext, "instance", property(lambda self: pytest.fail("opened")))
        for _ in range(5):
            assert trips.tick(LANDING) == []
            assert (trips.cursors[LANDING], trips.skipped[LANDING]) == (kept, "Everything is up to date.")
    warned: list[str] = []
    with dg.DagsterInstance.get() as instance:
        for corrupt in ("", "{", "[1]", "17", '{"quiet": 3}', '{"seen": "x"}'):
            tick = answered(lambda: instance, find("trip_delay"), "data", LANDING, corrupt, warned.append)
            assert tick.request is None
            assert quiet.stored(tick.cursor, warned.append).quiet == quiet.stored(kept, warned.append).quiet
    assert len(warned) == 5 and all("not written by this sensor" in text for text in warned)
    _land(trips, "2024-03")
    trips.cursors[LANDING] = "{"
    assert len(trips.tick(LANDING)) == 1
    assert trips.cursors[LANDING] == quiet.LOUD, "it is not told again"


@pytest.fixture
def town(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[sqlite3.Connection]:
    """The database that TOWN_DB names, with every driver."""
    file = tmp_path / "town.db"
    monkeypatch.setenv("TOWN_DB", f"sqlite:///{file}")
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE drivers (number INTEGER, driver TEXT, years INTEGER)")
        numbered = [(number, *row) for number, row in enumerate(scenario.driver_rows().rows(), 1)]
        connection.executemany("INSERT INTO drivers VALUES (?, ?, ?)", numbered)
        yield connection


def test_a_quiet_tick_asks_a_source_only_for_its_marks_and_one_that_cannot_be_read_is_told(
    tmp_path: Path, town: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    def quiet_reason() -> str:
        with monkeypatch.context() as patch:
            patch.setattr(SqlSource, "discover", lambda *_: pytest.fail("asked"))
            assert trips.tick(LANDING) == []
        return trips.skipped[LANDING]

    with sensor_driver_in(tmp_path, "ml_platform_tests.declarations.trips_with_a_database") as trips:
        with trips.landing() as landing:
            for table, rows in (("trips", scenario.trip_rows), ("traffic", scenario.traffic_rows)):
                landing.land(table, f"{table}_2024-01.csv", rows("2024-01"), scenario.MONTHS.window("2024-01")[1])
            landing.run()
        assert trips.tick(LANDING) == trips.tick(LANDING) == []
        assert trips.skipped[LANDING] == quiet_reason() == "Everything is up to date."
        with monkeypatch.context() as patch:
            patch.setenv("TOWN_DB", "sqlite:///gone.db")
            assert trips.tick(LANDING) == trips.tick(LANDING) == []
            reason = trips.skipped[LANDING]
            assert reason.startswith("The source of drivers cannot be read now. TOWN_DB/drivers/number: ")
            assert "up to date" not in reason and quiet_reason() == reason
        assert trips.tick(LANDING) == [] and trips.skipped[LANDING] == "Everything is up to date."
        town.execute("INSERT INTO drivers VALUES (12, 'd12', 3), (NULL, 'd13', 3)")
        assert trips.tick(LANDING) == [] and "the cursor number is null in some rows" in trips.skipped[LANDING]
        town.execute("DELETE FROM drivers WHERE number IS NULL")  # which changes no mark
        (request,) = trips.tick(LANDING)
        assert request.tags[REASON_TAG] == "drivers: rows whose `number` is beyond all that were read."
        assert request.partition_key is None, "no asset of the run has partitions"
        assert trips.execute(LANDING, request)


def test_newer_code_starts_no_storm(open_driver: OpenDriver, monkeypatch: pytest.MonkeyPatch) -> None:
    trips = open_driver("trips_on_request")
    for module in (predictions, drift, decision, verdicts, champion):
        monkeypatch.setattr(module, "CODE_VERSION", 99)
    assert trips.settle() == []
    assert trips.skipped[LANDING] == "Everything is up to date."
    # Other features are made for the months gone by, once; nothing is scored, decided or trained anew.
    monkeypatch.setattr(features, "CODE_VERSION", 99)
    trips.cursors.clear()
    assert trips.settle() == [("trip_delay_data", "2024-01", True)]
    newest = trips.ws.state.value(select(records.c.asset).order_by(records.c.id.desc()).limit(1))
    assert newest == "trip_delay/features"


def test_a_refused_file_is_in_the_reason(open_driver: OpenDriver) -> None:
    trips = open_driver("trips_on_request")
    (trips.settings.landing / "trips" / "trips_2023-12.csv").write_bytes(b"\x00\x01\x02 no table")
    trips.settle()
    assert "Refused: trips/trips_2023-12.csv" in trips.skipped[LANDING]


def test_the_calendar_asks_for_what_the_landing_sensor_would(open_driver: OpenDriver) -> None:
    trips = open_driver("trips_on_request")
    calendar = trips.repository.get_schedule_def("trip_delay_calendar")
    assert calendar.default_status == dg.DefaultScheduleStatus.STOPPED

    def evaluate() -> dg.RunRequest | None:
        with (
            dg.DagsterInstance.get() as instance,
            dg.build_schedule_context(
                instance, scheduled_execution_time=datetime(2024, 4, 1, tzinfo=UTC), repository_def=trips.repository
            ) as context,
        ):
            requests = calendar.evaluate_tick(context).run_requests
        return requests[0] if requests else None

    assert evaluate() is None
    _land(trips, "2024-03")
    asked, sensed = evaluate(), trips.tick(LANDING)
    assert asked is not None and asked.run_key == sensed[0].run_key
    trips.execute(LANDING, asked)
    later = evaluate()
    assert later is not None and later.partition_key == "2024-02"
