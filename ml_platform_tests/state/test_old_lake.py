"""A lake that the last code without a state database left opens as it is, and nothing in it is made again."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import promotions, versions
from ml_platform.steps.all_steps import planner
from ml_platform.views.decisions import history
from ml_platform_tests.state.old_lake import expected, unpack
from ml_platform_tests.state.old_lake.declared import PIPELINES, TRIP_DELAY
from ml_platform_tests.state.old_lake.digest import digest
from ml_platform_tests.world import World

SETTLED = ("predictions", "drift", "decision", "training_set", "candidate", "verdicts", "champion")
OF_EACH_PIPELINE = pytest.mark.parametrize("pipeline", PIPELINES, ids=lambda pipeline: pipeline.name)


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """The old lake, opened by today's code. The tests only read it."""
    settings = unpack(tmp_path_factory.mktemp("old") / "data")
    with closing(World(settings, PIPELINES)) as opened:
        yield opened


def test_nothing_settled_of_an_old_lake_is_to_be_made_again(old: World) -> None:
    asked = {asset for work in planner(old.ws, TRIP_DELAY).work() for asset in map("/".join, work.only or [])}
    assert asked.isdisjoint(f"trip_delay/{step}" for step in SETTLED)


@pytest.mark.slow  # the first test says so of the plan, and those below of every record and row
def test_running_an_old_lake_leaves_its_settled_history_as_it_was_and_then_nothing_is_to_be_done(
    tmp_path: Path,
) -> None:
    with closing(World(unpack(tmp_path / "data"), PIPELINES)) as world:
        settled = {
            (asset, partition): (record.content_key, record.output)
            for (asset, partition), record in world.records().items()
            if asset in {f"trip_delay/{step}" for step in SETTLED}
        }
        champion, trained = _champion(world), len(versions.versions(world.ws.state, TRIP_DELAY.name))
        world.run(pipeline=TRIP_DELAY)
        now = world.records()
        assert {key: (now[key].content_key, now[key].output) for key in settled} == settled
        assert (_champion(world), len(versions.versions(world.ws.state, TRIP_DELAY.name))) == (champion, trained)
        assert world.planned(pipeline=TRIP_DELAY) == []


def _champion(world: World) -> int | None:
    return promotions.champion_at(world.ws.state, TRIP_DELAY.name)


def test_the_record_of_an_old_lake_stands(old: World) -> None:
    stands = [
        {"asset": m.asset, "partition": m.partition, "content_key": m.content_key, "output": m.output, "rows": m.rows}
        for _, m in sorted(old.records().items())
    ]
    assert stands == expected()["materializations"]


@OF_EACH_PIPELINE
def test_decisions_versions_and_the_champion_of_an_old_lake_stand(old: World, pipeline: ModelPipeline) -> None:
    recorded, state = expected()["pipelines"][pipeline.name], old.ws.state
    decisions = [(row["partition"], row["reason"], row["counts"]) for row in history(old.ws, pipeline.name)]
    assert decisions == [(row["partition"], row["reason"], row["counts"]) for row in recorded["decisions"]]
    numbered = [(v.version, v.content_key, v.training_set, v.bundle) for v in versions.versions(state, pipeline.name)]
    assert numbered == [
        tuple(row[name] for name in ("version", "content_key", "training_set", "bundle"))
        for row in recorded["versions"]
    ]
    assert promotions.champion_at(state, pipeline.name) == recorded["champion"]


@OF_EACH_PIPELINE
def test_the_predictions_of_an_old_lake_are_the_same_rows(old: World, pipeline: ModelPipeline) -> None:
    for partition, recorded in expected()["pipelines"][pipeline.name]["tables"]["predictions"].items():
        rows = old.frame(f"FROM {pipeline.name}.predictions WHERE _partition = '{partition}'").drop("_partition")
        assert (rows.height, digest(rows)) == (recorded["rows"], recorded["digest"])
