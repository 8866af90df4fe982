"""Alerts are open until their cause is gone or a person resolves them, and are raised anew when it returns."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ml_platform import Marker, Monthly
from ml_platform.lake.transaction import Author
from ml_platform.monitoring import alert_causes, alert_rules
from ml_platform.monitoring.freshness import GRACE
from ml_platform.monitoring.waiting import waiting
from ml_platform.runtime import step_alerts
from ml_platform.state import alerts, ledger
from ml_platform.state.alerts import Alert, alert
from ml_platform.state.database import State
from ml_platform.state.results import ChampionResult, DriftResult, Result
from ml_platform_tests import scenario
from ml_platform_tests.world import World, world

LATER = datetime.now(UTC) + 2 * GRACE[Monthly]


@pytest.fixture
def trips(tmp_path: Path) -> Iterator[World]:
    with closing(world(tmp_path / "data", scenario.trips())) as opened:
        yield opened


def _alert(**changes: str) -> Alert:
    given = {"kind": "gate", "asset": "churn/verdicts", "partition": "all", "about": "auc", "evidence": "churn@1"}
    about = {**given, **changes}
    return alert(
        about["kind"],  # type: ignore[arg-type]  # a text of the literal's
        about["asset"],
        about["partition"],
        about["about"],
        evidence=about["evidence"],
        title="Gate failed",
        text="It is not promoted.",
    )


def test_a_finding_that_returns_after_its_cause_was_gone_is_a_new_alert(state: State) -> None:
    (first,) = alerts.raise_(state, [_alert()])
    assert alerts.raise_(state, [_alert()]) == []
    (resolved,) = alerts.resolve(state, {first.alert_id: "The gate passes."})
    assert (resolved.resolved_by, resolved.resolved_why) == ("platform", "The gate passes.")
    assert alerts.open_alerts(state) == []
    (second,) = alerts.raise_(state, [_alert()])
    assert second.alert_id != first.alert_id and alerts.open_alerts(state) == [second]
    assert alerts.raise_(state, [_alert()]) == []
    assert len(alerts.raised(state)) == 2


def test_what_a_person_resolved_is_not_raised_again_until_it_has_other_evidence(state: State) -> None:
    (first,) = alerts.raise_(state, [_alert()])
    assert len(alerts.resolve(state, {first.alert_id: "we know"}, by="ada")) == 1
    assert alerts.resolve(state, {first.alert_id: "once more"}, by="bob") == [], "it stays as it was"
    assert alerts.raised(state)[0].resolved_by == "ada"
    assert alerts.raise_(state, [_alert()]) == []
    assert len(alerts.raise_(state, [_alert(evidence="churn@2")])) == 1


def test_an_error_of_a_sensor_is_one_alert_whatever_ids_and_times_it_names(state: State) -> None:
    errors = [OSError(f"run {run} waits {seconds} s") for run, seconds in (("3fa1c9d2-77", 5), ("90bb12ee-01", 10))]
    told = [alert_rules.of_sensor("churn/landing", "churn_landing", error) for error in errors]
    assert len(alerts.raise_(state, told[:1])) == 1 and alerts.raise_(state, told[1:]) == []
    other = alert_rules.of_sensor("churn/landing", "churn_landing", OSError("the disk is full"))
    assert len(alerts.raise_(state, [other])) == 1


def _ingested(trips: World) -> list[Alert]:
    outcome = trips.step("raw/trips", "all")
    return step_alerts.raise_alerts(trips.ws, "raw/trips", "all", outcome, kind="check", run_id="test", say=print)


def test_the_alert_about_a_refused_file_is_resolved_when_it_is_corrected_and_when_it_is_removed(trips: World) -> None:
    trips.land_trips("2024-01")
    noise = trips.settings.landing / "trips" / "noise.csv"
    noise.write_bytes(b"\x00\x01\x02 no table")
    (refused,) = _ingested(trips)
    assert refused.kind == "refused_file" and _ingested(trips) == []
    noise.write_text(scenario.csv(scenario.trip_rows("2024-02")))
    assert _ingested(trips) == [] and alerts.open_alerts(trips.ws.state) == []

    noise.write_bytes(b"\x00 other noise")
    assert len(_ingested(trips)) == 1
    noise.unlink()
    step_alerts.check_data(trips.ws, trips.pipelines)
    assert [item.kind for item in alerts.open_alerts(trips.ws.state)] == []
    assert _ingested(trips) == [], "a file that is gone is not refused again"


def test_a_check_that_passes_for_a_later_partition_resolves_its_alert_and_raises_it_no_more(
    february: Path, tmp_path: Path
) -> None:
    import shutil

    shutil.copytree(february, tmp_path / "data")
    with closing(world(tmp_path / "data", scenario.trips())) as trips:
        verdicts = {month: trips.step("trip_delay/verdicts", month) for month in ("2024-01", "2024-02")}
        check = verdicts["2024-01"].checks[0]
        failed = replace(verdicts["2024-01"], checks=(replace(check, passed=False),))
        before = _alert(asset="trip_delay/verdicts", partition="2024-01", about=check.name, evidence="trip_delay@1")
        alerts.raise_(trips.ws.state, [before])
        for month, outcome in (("2024-02", verdicts["2024-02"]), ("2024-01", failed)):
            assert (
                step_alerts.raise_alerts(
                    trips.ws, "trip_delay/verdicts", month, outcome, kind="gate", run_id="test", say=print
                )
                == []
            )
        (item,) = alerts.raised(trips.ws.state)
        assert item.resolved_by == "platform" and item.resolved_why == f"{check.name} passes for 2024-02."


def _recorded(state: State, asset: str, partition: str, result: Result, passed: bool, value: float | None) -> None:
    check = {"name": "data" if "champion" in asset else "score_drift", "passed": passed, "value": value, "threshold": 0}
    ledger.record(state, Author(asset, partition, f"key of {partition}"), rows=1, result=result, checks=[check])


def test_a_later_partition_without_a_candidate_does_not_end_a_block(state: State) -> None:
    asset = "churn/champion"
    _recorded(state, asset, "2024-01", ChampionResult("blocked", 1), False, 1)
    _recorded(state, asset, "2024-02", ChampionResult("skipped"), True, 0)
    assert alert_causes.passes(state, asset, "2024-01", "data") == ""
    _recorded(state, asset, "2024-03", ChampionResult("kept", 2), True, 0)
    assert alert_causes.passes(state, asset, "2024-01", "data") == "data passes for 2024-03."


def test_a_later_partition_with_too_few_rows_does_not_end_drift(state: State) -> None:
    asset = "churn/drift"
    _recorded(state, asset, "2024-01", DriftResult(1), False, 0.9)
    _recorded(state, asset, "2024-02", DriftResult(1), True, None)
    assert alert_causes.passes(state, asset, "2024-01", "score_drift") == ""
    _recorded(state, asset, "2024-03", DriftResult(1), True, 0.1)
    assert alert_causes.passes(state, asset, "2024-01", "score_drift") == "score_drift passes for 2024-03."


def test_a_month_that_waits_for_ever_is_an_alert_that_says_for_what(tmp_path: Path) -> None:
    declared = scenario.trips(partitions=Monthly(since="2024-01"))
    marked = replace(declared.table("traffic"), complete=Marker("done/{partition}"))
    tables = [marked if table.name == "traffic" else table for table in declared.tables]
    with closing(world(tmp_path / "data", replace(declared, tables=tables))) as trips:
        trips.land_trips("2024-01", "2024-02")
        for layer in ("raw", "validated"):
            for table in trips.tables:
                trips.step(f"{layer}/{table}", "2024-01")
        now = waiting(trips.ws, trips.pipeline, trips.ws.slices)
        assert now is not None and (now.partition, now.too_long, now.has_rows) == ("2024-01", False, True)
        assert [item.kind for item in step_alerts.check_data(trips.ws, trips.pipelines)] == ["no_fresh_data"]
        (item,) = [item for item in step_alerts.check_data(trips.ws, trips.pipelines, LATER) if item.kind == "waiting"]
        assert item.severity == "error" and item.partition == "2024-01" and "has waited since" in item.title
        assert "2024-01 waits for the file done/2024-01 in the landing folder." in item.text
        (trips.settings.landing / "done").mkdir()
        (trips.settings.landing / "done" / "2024-01").touch()
        step_alerts.check_data(trips.ws, trips.pipelines, LATER)
        still = [item.partition for item in alerts.open_alerts(trips.ws.state, ["waiting"])]
        assert still == ["2024-02"], "January is complete, and February waits now"


def test_one_pipeline_that_cannot_be_checked_is_an_alert_and_the_others_are_checked(
    trips: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ml_platform.monitoring import freshness

    trips.land_trips("2024-01")
    trips.declare(scenario.trips(partitions=Monthly(since="2024-01")), scenario.churn())
    for layer in ("raw", "validated"):
        trips.step(f"{layer}/trips", "2024-01")
    stale = freshness.stale

    def broken(state, pipeline, *rest):  # type: ignore[no-untyped-def]  # stands in for `stale`
        if pipeline.name == "churn":
            raise KeyError("no such thing")
        return stale(state, pipeline, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(freshness, "stale", broken)
        churn_first = [trips.pipelines[1], trips.pipelines[0]]
        new = step_alerts.check_data(trips.ws, churn_first, LATER)
    assert {(item.kind, item.asset.partition("/")[0]) for item in new} >= {
        ("sensor", "churn"),
        ("no_fresh_data", "trip_delay"),
    }
    step_alerts.check_data(trips.ws, trips.pipelines, LATER)
    assert alerts.open_alerts(trips.ws.state, ["sensor"]) == []


def test_an_alert_about_a_shared_table_stays_open_while_one_pipeline_misses_it(trips: World) -> None:
    churn = scenario.churn()
    finished = scenario.trips(partitions=Monthly(since="2024-01", until="2024-02"))  # which awaits nothing
    awaiting = replace(churn, tables=[*churn.tables, finished.table("drivers")])
    trips.declare(finished, awaiting)
    for day in (1, 2, 3, 4, 5):
        rows = scenario.driver_rows().head(day)
        trips.land("drivers", "drivers.csv", rows, datetime(2024, 1, day, tzinfo=UTC))
        trips.step("raw/drivers", "all")
    for order in ([awaiting, finished], [finished, awaiting], [finished]):
        step_alerts.check_data(trips.ws, order, LATER, others=trips.pipelines)
    (late,) = alerts.raised(trips.ws.state)
    assert (late.kind, late.asset, late.is_open) == ("no_fresh_data", "raw/drivers", True)
    trips.land("drivers", "drivers.csv", scenario.driver_rows(), LATER - timedelta(days=1))
    trips.step("raw/drivers", "all")
    step_alerts.check_data(trips.ws, [awaiting], LATER, others=trips.pipelines)
    assert alerts.open_alerts(trips.ws.state) == [late], "the other pipeline was not looked at"
    step_alerts.check_data(trips.ws, trips.pipelines, LATER)
    assert alerts.open_alerts(trips.ws.state) == []


def test_an_alert_is_not_of_this_moment_for_ever(trips: World) -> None:
    trips.declare(scenario.trips(partitions=Monthly(since="2024-01")))
    trips.land_trips("2024-01")
    for layer in ("raw", "validated"):
        trips.step(f"{layer}/trips", "2024-01")
    end = datetime(2024, 3, 1, tzinfo=UTC) + GRACE[Monthly] + timedelta(hours=1)
    step_alerts.check_data(trips.ws, trips.pipelines, end)
    (late,) = alerts.raised(trips.ws.state, ["no_fresh_data"])  # it is about the clock, too: March 2024 is long ago
    trips.land_trips("2024-02")
    for layer in ("raw", "validated"):
        trips.step(f"{layer}/trips", "2024-02")
    step_alerts.check_data(trips.ws, trips.pipelines, end)
    (item,) = alerts.raised(trips.ws.state, ["no_fresh_data"])
    assert item.alert_id == late.alert_id and item.resolved_why == "What was missing has arrived."
