"""The shipped pipelines under Dagster's sensor daemon: whatever lands, no tick is red and no run fails (S38)."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import combinations
from pathlib import Path

import pytest
from dagster._core.scheduler.instigation import TickStatus

from ml_platform.orchestration import due
from ml_platform.orchestration.workspaces import workspace_for
from ml_platform.runtime.planner import Planner, Work
from ml_platform.state import alerts, decisions
from ml_platform_tests.orchestration import shipped_files
from ml_platform_tests.orchestration.daemon import Daemon, daemon_in

SHIPPED = "ml_platform.pipelines"
SUBSETS = {
    name: [chosen for size in range(1, len(tables) + 1) for chosen in combinations(sorted(tables), size)]
    for name, tables in shipped_files.FILES.items()
}
# Each world lands the n-th subset of every pipeline, so that each subset lands alone once.
WORLDS = [
    {name: subsets[number] for name, subsets in SUBSETS.items() if number < len(subsets)}
    for number in range(max(map(len, SUBSETS.values())))
]


def _assert_calm(daemon: Daemon) -> None:
    assert daemon.red_ticks() == []
    assert daemon.failed_runs() == []


def test_every_subset_of_tables_is_among_the_worlds() -> None:
    landed = {(name, tables) for world in WORLDS for name, tables in world.items()}
    assert len(landed) == sum(2 ** len(tables) - 1 for tables in shipped_files.FILES.values())


@pytest.mark.slow
@pytest.mark.parametrize("landed", WORLDS, ids=lambda world: "+".join(world["flight_delay"]))
def test_whatever_tables_land_alone_no_tick_is_red_and_no_run_fails(
    tmp_path: Path, landed: dict[str, tuple[str, ...]]
) -> None:
    with daemon_in(tmp_path, SHIPPED) as daemon:
        for name, tables in landed.items():
            shipped_files.land(daemon.settings.landing, name, *tables)
        daemon.settles()
        _assert_calm(daemon)


@pytest.mark.slow
def test_a_fresh_clone_with_only_flights_has_no_red_tick_in_ten_minutes_and_the_other_pipelines_do_nothing(
    tmp_path: Path,
) -> None:
    with daemon_in(tmp_path, SHIPPED) as daemon:
        daemon.goes_on(0.5)
        assert daemon.instance.get_runs_count() == 0, "nothing has landed"
        shipped_files.land(daemon.settings.landing, "flight_delay", "airports", "flights", "planes", "weather")
        daemon.settles()
        daemon.goes_on(10, step=timedelta(minutes=1))
        _assert_calm(daemon)
        jobs = {run.job_name for run in daemon.instance.get_runs()}
        assert jobs == {"flight_delay_data"}, "two flights are too few to train on"
        assert not any(item.kind in ("sensor", "run") for item in alerts.raised(workspace_for(daemon.settings).state))
        ticks = daemon.ticks()
        assert len(ticks) == 2 * len(shipped_files.FILES) + 1 and all(len(of_one) >= 1 for of_one in ticks.values())
        reasons = {name: of_one[0].skip_reason or "" for name, of_one in ticks.items()}
        assert reasons["churn_landing"].startswith("No run of churn yet: no file has landed as `customers/*.csv`")
        decided = decisions.history(workspace_for(daemon.settings).state, "flight_delay")
        assert decided[-1].reason == "2 labels are known and 10000 are needed."


def test_one_pipelines_fault_is_a_skip_and_an_alert_and_the_others_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = Planner.work

    def faulty(planner: Planner, *rest: str | None) -> Iterator[Work]:
        if planner.pipeline.name == "storm_status":
            raise ZeroDivisionError("a bug")
        return work(planner, *rest)

    with daemon_in(tmp_path, f"{SHIPPED}.storm_status", f"{SHIPPED}.churn_snapshot") as daemon:
        state = workspace_for(daemon.settings).state
        for name in ("storm_status", "churn_snapshot"):
            shipped_files.land(daemon.settings.landing, name, *shipped_files.FILES[name])
        with monkeypatch.context() as patch:
            patch.setattr(Planner, "work", faulty)
            daemon.settles()
        _assert_calm(daemon)
        assert {run.job_name for run in daemon.instance.get_runs()} == {"churn_snapshot_data"}
        tick = daemon.ticks()["storm_status_landing"][0]
        assert tick.status == TickStatus.SKIPPED
        assert tick.skip_reason == "This tick failed, and an alert says so. ZeroDivisionError: a bug"
        failing = {item.title for item in alerts.open_alerts(state, ["sensor"])}
        assert failing == {"Sensor failing: storm_status_landing", "Sensor failing: storm_status_decisions"}
        daemon.settles()
        assert alerts.open_alerts(state, ["sensor"]) == [], "it works again"
        assert {run.job_name for run in daemon.instance.get_runs()} == {"churn_snapshot_data", "storm_status_data"}


def test_a_tick_is_red_where_no_alert_can_be_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise OSError("the disk is gone")

    with daemon_in(tmp_path, f"{SHIPPED}.storm_status", f"{SHIPPED}.churn_snapshot") as daemon:
        monkeypatch.setattr(due, "source_marks", broken)
        daemon.goes_on(0.5)
        assert len(daemon.red_ticks()) == 2, "the landing sensors; there is no lake yet"
        assert all("the disk is gone" in error for error in daemon.red_ticks())
