"""A rerun is a resume, and running twice changes nothing (S31, S32)."""

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from ml_platform.lake import snapshots
from ml_platform.models import bundle as bundles
from ml_platform.settings import Settings
from ml_platform.state import promotions, schema, verdicts, versions
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


def test_the_number_of_threads_changes_no_key_and_no_byte_S16(
    open_world: OpenWorld, trained_churn: Path, tmp_path: Path
) -> None:
    with_one = open_world(trained_churn, scenario.churn())
    settings = Settings(data=tmp_path / "with_two", threads=2, lock_timeout=20)
    with closing(World(settings, [scenario.churn()])) as with_two:
        with_two.land_churn()
        with_two.run()
        assert with_two.keys() == with_one.keys()
        trained = [versions.versions(one.ws.state, "churn")[-1] for one in (with_one, with_two)]
    assert trained[0].bundle == trained[1].bundle
    assert [version.environment["threads"] for version in trained] == [1, 2]


def test_a_lost_bundle_that_held_the_threads_is_stored_again_under_its_digest(
    open_world: OpenWorld, trained_churn: Path
) -> None:
    churn = open_world(trained_churn, scenario.churn())
    state, blobs = churn.ws.state, churn.ws.blobs
    [version] = versions.versions(state, "churn")
    with_threads = replace(bundles.load(blobs, version.bundle), versions=version.environment)
    assert with_threads.versions["threads"] == 1
    older = with_threads.digest
    assert older != version.bundle
    with state.writing() as connection:
        connection.execute(update(schema.versions).values(bundle=older))
        connection.execute(update(schema.records).values(output=older).where(schema.records.c.output == version.bundle))
    churn.declare()
    assert churn.step("churn/candidate", "all").status == "made"
    assert churn.ws.blobs.whole(older)
    assert [version.bundle for version in versions.versions(churn.ws.state, "churn")] == [older]


@pytest.mark.parametrize("contract", [{}, {"member": {"nullable": False, "description": "as it was worded then"}}])
def test_a_lost_bundle_is_stored_again_with_the_contract_of_its_time(
    open_world: OpenWorld, trained_churn: Path, contract: dict[str, Any]
) -> None:
    churn = open_world(trained_churn, scenario.churn())
    state, blobs = churn.ws.state, churn.ws.blobs
    [version] = versions.versions(state, "churn")
    lost = replace(bundles.load(blobs, version.bundle), contract=contract).digest
    metrics = {name: value for name, value in version.metrics.items() if name != "contract"}
    metrics |= {"contract": contract} if contract else {}  # versions that were trained before have no entry
    with state.writing() as connection:
        connection.execute(update(schema.versions).values(bundle=lost, metrics=json.dumps(metrics)))
        connection.execute(update(schema.records).values(output=lost).where(schema.records.c.output == version.bundle))
    churn.declare()
    assert churn.step("churn/candidate", "all").status == "made"
    assert bundles.load(churn.ws.blobs, lost).contract == contract
