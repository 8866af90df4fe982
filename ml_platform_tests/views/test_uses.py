"""Which models read a table, a column or a feature: declared, on record, and what a change of the declaration does."""

from pathlib import Path

import polars as pl
import pytest

from ml_platform import Derived
from ml_platform.errors import NotFoundError
from ml_platform.features.definition import FeatureDefinition
from ml_platform.runtime.questions import answer
from ml_platform.state import versions
from ml_platform.state.publishing import publish
from ml_platform.views.feature_sources import all_uses, features_behind
from ml_platform.views.uses import PipelineUse, Target, changed_uses, target_of, uses_of
from ml_platform_tests import scenario
from ml_platform_tests.conftest import OpenWorld
from ml_platform_tests.world import World

NAME = "trip_delay"


def _uses(world: World, text: str = "", *, feature: str = "") -> PipelineUse:
    declared = {one.name: one for one in world.pipelines}
    about = Target(feature=feature) if feature else target_of(declared, text)
    (found,) = uses_of(world.ws, declared, about)
    return found


def test_a_column_is_read_by_the_declaration_and_by_versions_for_its_features(
    open_world: OpenWorld, february: Path
) -> None:
    town = open_world(february)
    jam = _uses(town, "traffic.jam")
    assert [(one.role, one.version) for one in jam.models] == [("declared", None), ("champion", 2), ("version", 1)]
    assert {one.features for one in jam.models} == {("traffic__jam",)}
    champion = jam.models[1]
    assert champion.importance is not None and 0 < champion.importance < 1 and jam.change == "same"
    late = _uses(town, "trips.late")
    assert {use.use for use in late.models[0].uses} == {"label", "value"} == {use.use for use in late.models[1].uses}
    assert f"{NAME}/training_set" in late.downstream and "validated/trips" in late.downstream
    assert {use.column for use in _uses(town, "drivers").models[0].uses} == {"driver", "years"}


def test_a_feature_is_read_with_what_it_is_made_of(open_world: OpenWorld, february: Path) -> None:
    used = _uses(open_world(february), feature="traffic__jam")
    assert {(use.table, use.column) for use in used.models[0].uses} >= {("traffic", "jam")}
    assert all(one.features == ("traffic__jam",) for one in used.models)


def test_a_changed_declaration_says_what_it_reads_anew_and_what_no_longer(
    open_world: OpenWorld, february: Path
) -> None:
    before = scenario.trips()
    kept = [one for one in before.features if "traffic__jam" not in one.outputs]
    changed = scenario.trips(features=[*kept, Derived(far=pl.col("km") > 10)])
    town = open_world(february, changed)
    jam, km = _uses(town, "traffic.jam"), _uses(town, "trips.km")
    assert jam.change == "dropped" and [one.role for one in jam.models] == ["champion", "version"]
    assert "feature traffic__jam" in jam.dropped and jam.downstream == ()
    assert km.change == "changed" and km.added == ("feature far",) and km.dropped == ()
    (all_changes,) = changed_uses(town.ws, {NAME: changed})
    assert "feature far" in all_changes.added and "traffic.jam (value)" in all_changes.dropped
    assert changed_uses(town.ws, {NAME: before}) == []


def test_a_pipeline_that_is_gone_is_told_by_its_records(open_world: OpenWorld, february: Path) -> None:
    town = open_world(february)
    (found,) = uses_of(town.ws, {}, Target("traffic", "jam"))
    assert found.change == "not declared" and [one.role for one in found.models] == ["champion", "version"]


def test_a_version_without_its_bundle_is_not_passed_over(open_world: OpenWorld, february: Path) -> None:
    town = open_world(february)
    town.ws.blobs.path(versions.version(town.ws.state, NAME, 1).bundle).unlink()
    (lost,) = [one for one in _uses(town, "traffic.jam").models if one.version == 1]
    assert "is not in" in lost.problem and lost.uses == ()


def test_what_nobody_reads_is_refused_with_what_there_is(open_world: OpenWorld, february: Path) -> None:
    town = open_world(february)
    for about, known in ((Target("trips", "jan"), "km"), (Target("trip"), "trips"), (Target(feature="hou"), "hour")):
        with pytest.raises(NotFoundError, match=known):
            uses_of(town.ws, {NAME: town.pipeline}, about)


def test_the_lake_answers_in_sql_which_version_reads_which_column(open_world: OpenWorld, february: Path) -> None:
    town = open_world(february)
    publish(town.ws)
    query = """SELECT version, "use", features FROM registry.model_reads
        WHERE "table" = 'traffic' AND "column" = 'jam' ORDER BY version"""
    rows = answer(town.settings, query, limit=None).frame.rows()
    assert rows == [(1, "value", ["traffic__jam"]), (2, "value", ["traffic__jam"])]
    query = f"""SELECT "table", "column", "use" FROM registry.model_reads
        WHERE pipeline = '{NAME}' AND version = 2 ORDER BY ALL"""
    everything = answer(town.settings, query, limit=None).frame.rows()
    assert everything == sorted({(use.table, use.column, use.use) for use in all_uses(town.pipeline)})


def test_a_join_key_reaches_every_feature_behind_it() -> None:
    definition = FeatureDefinition.of(scenario.trips())
    reached = features_behind(definition, "driver")
    assert {"drivers__years", "trips__late_mean_7d_by_driver"} <= set(reached) and "traffic__jam" not in reached
