"""A lake that the last code without a state database left opens as it is, and nothing in it is made again."""

from collections.abc import Iterator
from contextlib import closing
from importlib.metadata import version

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
# Drift has rules of its own for single columns since, and candidates are judged by one gate more. A pipeline without
# partitions settles nothing.
JUDGED_ANEW = {
    "trip_delay": set[str](),
    "churn": {f"churn/{step}" for step in ("drift", "report", "decision", "verdicts", "champion")},
}
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


@OF_EACH_PIPELINE
def test_only_what_is_judged_otherwise_today_is_to_be_made_again_while_the_libraries_are_those_of_then(
    old: World, pipeline: ModelPipeline
) -> None:
    libraries, recorded = expected()["libraries"], expected()["pipelines"][pipeline.name]
    if {name: version(name) for name in libraries} == libraries:  # they are part of what is not settled
        asked = {asset for work in planner(old.ws, pipeline).work() for asset in map("/".join, work.only or [])}
        screened = {f"{layer}/{table.name}" for layer in ("validated", "quarantine") for table in pipeline.tables}
        assert asked - screened == JUDGED_ANEW[pipeline.name]  # the rules of screening changed since, too
        assert set(recorded["outdated"]) <= set(planner(old.ws, pipeline).outdated())


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
