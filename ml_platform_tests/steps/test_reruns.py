"""A rerun is a resume, and running twice changes nothing (S31, S32)."""

from pathlib import Path

import pytest

from ml_platform.lake import snapshots
from ml_platform.state import promotions, verdicts, versions
from ml_platform_tests import scenario
from ml_platform_tests.conftest import OpenWorld
from ml_platform_tests.world import Killed, World


def test_a_second_run_launches_nothing_and_changes_nothing_S32(open_world: OpenWorld, february: Path) -> None:
    trips = open_world(february)
    before = snapshots.current(trips.ws.lake)
    assert trips.run() == []
    assert snapshots.current(trips.ws.lake) == before


def test_steps_started_by_hand_with_a_hit_write_no_rows_and_say_unchanged_S32(
    open_world: OpenWorld, february: Path
) -> None:
    trips = open_world(february)
    made = [place for place in sorted(trips.keys()) if not place[0].startswith("raw/")]
    before = snapshots.current(trips.ws.lake)
    rows = [trips.step(asset, partition).rows for asset, partition in made]
    assert {status for _, _, status in trips.steps_run} == {"unchanged"}
    assert snapshots.current(trips.ws.lake) == before
    recorded = [(*where, record.rows) for where, record in trips.records().items()]
    assert sorted(zip(*zip(*made, strict=True), rows, strict=True)) == sorted(
        row for row in recorded if not row[0].startswith("raw/")
    )


def test_taking_in_the_same_files_again_says_unchanged(open_world: OpenWorld, trained_churn: Path) -> None:
    churn = open_world(trained_churn, scenario.churn())
    before = snapshots.current(churn.ws.lake)
    assert churn.step("raw/customers", "all").status == "unchanged"
    assert snapshots.current(churn.ws.lake) == before


def test_a_lake_elsewhere_killed_between_any_two_steps_ends_with_the_same_keys_and_bytes_S31(
    open_world: OpenWorld, january: Path
) -> None:
    undisturbed, killed = open_world(january), open_world(None)
    killed.land_trips("2024-01", "2024-02", "2024-03")
    steps = _resumed_until_done(killed, "2024-01")
    assert steps == len(killed.steps_run) == len(set(killed.steps_run)), "a step was made twice"
    assert killed.keys() == undisturbed.keys()
    assert _champions(killed) == _champions(undisturbed) == [(1, "promoted", "2024-01")]


@pytest.mark.parametrize("step", ["training_set", "candidate", "verdicts", "champion"])
def test_a_step_killed_before_its_last_commit_is_finished_by_the_next_run(
    open_world: OpenWorld, january: Path, step: str
) -> None:
    # A blob or rows of the state come first, then the record. Here the second was lost.
    trips = open_world(january)
    asset = f"trip_delay/{step}"
    whole, log = trips.keys(), promotions.history(trips.ws.state, "trip_delay")
    measured = verdicts.of(trips.ws.state, "trip_delay", 1)
    trips.forget_records(asset)
    launched = trips.run("2024-01")
    assert [key for key, _, status in launched if status == "made"] == [asset]
    assert trips.keys() == whole
    assert promotions.history(trips.ws.state, "trip_delay") == log
    assert verdicts.of(trips.ws.state, "trip_delay", 1) == measured
    assert [version.version for version in versions.versions(trips.ws.state, "trip_delay")] == [1]


def _resumed_until_done(world: World, through: str) -> int:
    """Every process makes one step and is killed before the next; how many it took."""
    processes = 0
    while True:
        try:
            if not world.run(through, kill_at=1):
                return processes
            processes += 1
        except Killed:
            processes += 1
        world.declare()


def _champions(world: World) -> list[tuple[int | None, str, str]]:
    return [(e.version, e.action, e.partition) for e in promotions.history(world.ws.state, "trip_delay")]
