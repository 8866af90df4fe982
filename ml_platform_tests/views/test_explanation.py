"""A prediction explained: what each value added, what is usual, and what is said where that changed since."""

import math
from pathlib import Path

import polars as pl
import pytest

from ml_platform import Derived, Window
from ml_platform.errors import ScoringError
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import versions
from ml_platform.views.explanation import explain
from ml_platform_tests import scenario
from ml_platform_tests.conftest import OpenWorld
from ml_platform_tests.world import World

NAME = "trip_delay"


def _keys(trips: World) -> list[str]:
    return trips.frame(f"SELECT key FROM {NAME}.predictions ORDER BY hash(key) LIMIT 5")["key"].to_list()


def test_contributions_lead_from_the_mean_to_the_score(open_world: OpenWorld, february: Path) -> None:
    trips = open_world(february)
    explained = [explain(trips.ws, NAME, key, declared=trips.pipeline) for key in _keys(trips)]
    means = [one.mean for one in explained]
    assert means == pytest.approx([means[0]] * len(means))
    for one in explained:
        assert one.mean is not None
        margin = math.log(one.mean / (1 - one.mean)) + sum(effect.contribution or 0 for effect in one.effects)
        assert 1 / (1 + math.exp(-margin)) == pytest.approx(one.prediction["score"])


def test_the_typical_example_has_medians_and_most_frequent_values_of_the_train_part(
    open_world: OpenWorld, february: Path
) -> None:
    trips = open_world(february)
    typical = explain(trips.ws, NAME, _keys(trips)[0]).typical
    assert typical is not None
    version = versions.version(trips.ws.state, NAME, 1)
    train = pl.read_parquet(trips.ws.blobs.get(version.training_set)).filter(_part="train")
    assert typical.rows == train.height
    for name, value in typical.values.items():
        column = train[name].drop_nulls()
        if column.dtype.is_numeric():
            ordered = column.sort()
            expected = ordered[(len(ordered) - 1) // 2] if 2 * len(ordered) >= train.height else None
            assert value == expected, name
        else:
            counts = train[name].value_counts()
            assert value in counts.filter(pl.col("count") == counts["count"].max())[name].to_list()
    assert 0 < typical.score < 1 and typical.decided in ("true", "false")


def test_a_score_stands_among_those_of_its_partition(open_world: OpenWorld, february: Path) -> None:
    trips = open_world(february)
    scores = trips.frame(f"SELECT score FROM {NAME}.predictions WHERE _partition = '2024-02'")["score"]
    for key in _keys(trips):
        one = explain(trips.ws, NAME, key)
        assert one.standing is not None
        assert one.standing.below == pytest.approx((scores < one.prediction["score"]).mean())
        assert (one.standing.predictions, one.standing.median) == (400, pytest.approx(scores.median()))


def test_a_column_that_the_declaration_defines_anew_goes_by_its_name(open_world: OpenWorld, february: Path) -> None:
    trips = open_world(february)
    key = _keys(trips)[0]
    features = [
        *(f for f in trips.pipeline.features if not isinstance(f, Derived)),
        Derived(
            {
                name: pl.col("ordered_at").dt.minute()
                for f in trips.pipeline.features
                if isinstance(f, Derived)
                for name in f.outputs
            }
        ),
    ]
    changed: ModelPipeline = scenario.trips(features=features)
    derived = {name for f in trips.pipeline.features if isinstance(f, Derived) for name in f.outputs}
    before = {one.feature: one.words for one in explain(trips.ws, NAME, key, declared=trips.pipeline).effects}
    after = {one.feature: one.words for one in explain(trips.ws, NAME, key, declared=changed).effects}
    assert derived and all(after[name].startswith(f"{name} is ") for name in derived)
    kept = before.keys() - derived
    assert kept and {name: after[name] for name in kept} == {name: before[name] for name in kept}
    assert any(isinstance(f, Window) for f in features) and " of trips with driver " in " ".join(after.values())


def test_a_version_with_another_definition_of_a_column_does_not_score_the_stored_row(
    open_world: OpenWorld, february: Path
) -> None:
    trips = open_world(february)
    key = _keys(trips)[0]
    derived = [name for f in trips.pipeline.features if isinstance(f, Derived) for name in f.outputs]
    changed = {name: pl.col("ordered_at").dt.minute() for name in derived}
    others = [f for f in trips.pipeline.features if not isinstance(f, Derived)]
    trips.declare(scenario.trips(features=[*others, Derived(changed)]))
    trips.land_trips("2024-03", "2024-04")
    trips.run("2024-03")
    newest = versions.versions(trips.ws.state, NAME)[-1].version
    assert newest == 3
    with pytest.raises(ScoringError, match=rf"trip_delay@3 cannot score '{key}'.*defines {derived[0]}"):
        explain(trips.ws, NAME, key, version=newest)
    assert explain(trips.ws, NAME, key, version=2).version == "trip_delay@2"


def test_a_feature_row_that_was_computed_again_is_said(open_world: OpenWorld, february: Path) -> None:
    trips = open_world(february)
    key = _keys(trips)[0]
    assert "computed again" not in explain(trips.ws, NAME, key).basis
    with trips.ws.lake.connection.cursor() as cursor:
        cursor.execute("USE lake")
        cursor.execute(f"UPDATE {NAME}.predictions SET score = 0.125 WHERE key = ?", [key])
    one = explain(trips.ws, NAME, key)
    assert one.prediction["score"] == 0.125 and "was computed again since: it now gives 0." in one.basis
