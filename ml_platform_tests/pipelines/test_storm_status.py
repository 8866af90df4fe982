"""Kinds of storms: whole storms are held out, because positions of one storm are near-duplicates of each other."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ml_platform import Drift, Latency, LightGBM
from ml_platform.demo.example import Delivery, land_missing
from ml_platform.pipelines.storm_status import CLASSES, clean_tracks, storm_status, tracks
from ml_platform.state import verdicts
from ml_platform.state.versions import version
from ml_platform_tests.pipelines.holdout_scorecard import holdout_scorecard
from ml_platform_tests.scenario import SNAPSHOT
from ml_platform_tests.world import World, world

BY_HEART = LightGBM(num_leaves=31, learning_rate=0.1, rounds=100)


def test_a_shuffled_split_flatters_and_the_more_the_more_is_learnt_by_heart(
    storms: pl.DataFrame, tmp_path: Path
) -> None:
    rows = tracks.contract.validate(clean_tracks(storms), cast=True)
    random = np.random.default_rng(0)
    names = rows["storm"].unique(maintain_order=True)
    by_storm = rows["storm"].is_in(names.filter(pl.Series(random.random(len(names)) < 0.25)).implode())
    shuffled = pl.Series(random.random(rows.height) < 0.25)
    loss = {
        (trainer.num_leaves, how): holdout_scorecard(replace(storm_status, trainer=trainer), rows, held_out, tmp_path)
        for trainer in (storm_status.trainer, BY_HEART)
        for how, held_out in (("shuffled", shuffled), ("storms", by_storm))
    }
    losses = {case: found["log_loss"] or 0 for case, found in loss.items()}
    modest, eager = storm_status.trainer.num_leaves, BY_HEART.num_leaves
    assert losses[modest, "shuffled"] < losses[modest, "storms"] - 0.03
    assert losses[eager, "shuffled"] < losses[modest, "shuffled"], "by the shuffled split one would choose it"
    assert losses[eager, "storms"] > losses[modest, "storms"], "on storms that it has not seen it is the worse one"
    scores = {case: found["macro_f1"] or 0 for case, found in loss.items()}
    assert scores[eager, "shuffled"] > scores[eager, "storms"] + 0.08


@pytest.fixture(scope="module")
def judged_storms(storms: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    names = storms.select("name", "year").unique(maintain_order=True).gather_every(2)
    half = storms.join(names, on=["name", "year"], how="semi", maintain_order="left")
    gates = [gate for gate in storm_status.gates if not isinstance(gate, Latency)]  # machines of tests are busy
    declared = replace(storm_status, drift=Drift(report_rows=0), gates=gates)
    with closing(world(tmp_path_factory.mktemp("storms") / "data", declared, pictures=True)) as one:
        land_missing(one.ws.settings, [Delivery(tracks, "storm_tracks.csv", SNAPSHOT, half)])
        one.run()
        yield one


def test_storms_become_a_champion_and_no_storm_is_on_both_sides(judged_storms: World) -> None:
    champion = judged_storms.display("storm_status/champion", "all")
    assert (champion["outcome"], champion["champion"]) == ("promoted", "storm_status@1"), champion["reason"]
    digest = version(judged_storms.ws.state, "storm_status", 1).training_set
    stored = pl.read_parquet(judged_storms.ws.blobs.path(digest), columns=["storm", "_part"])
    assert stored["_part"].n_unique() == 3
    assert stored.group_by("storm").agg(pl.col("_part").n_unique())["_part"].max() == 1
    assert judged_storms.run() == []


def test_the_recall_of_each_class_is_a_verdict_a_row_of_performance_and_a_picture(judged_storms: World) -> None:
    found = verdicts.of(judged_storms.ws.state, "storm_status", 1)
    recalls = {v.slice: v for v in found if v.metric == "recall" and v.slice}
    assert set(recalls) == {f"class={name}" for name in CLASSES}
    outcome = next(v for v in found if v.metric == "recall" and not v.slice)
    assert outcome.value == min(v.value for v in recalls.values() if v.value is not None)
    assert outcome.gate == "min_class_recall at least 0.1"
    rows = judged_storms.frame(
        "SELECT slice, value, low, high FROM storm_status.performance WHERE sliced_by = 'class' AND metric = 'recall'"
    )
    assert set(rows["slice"]) == set(CLASSES) and rows["low"].null_count() == 0
    assert "picture" in judged_storms.display("storm_status/performance", "all")["recall by class"]


@pytest.mark.slow
def test_the_wind_is_refused_because_it_defines_a_hurricane(storms: pl.DataFrame, tmp_path: Path) -> None:
    inputs = (*storm_status.examples.inputs, "wind")
    leaking = replace(
        storm_status, examples=replace(storm_status.examples, inputs=inputs), drift=Drift(report_rows=0), gates=()
    )
    with closing(world(tmp_path / "data", leaking, pictures=True)) as one:
        land_missing(one.ws.settings, [Delivery(tracks, "storm_tracks.csv", SNAPSHOT, storms)])
        one.run()
        assert one.display("storm_status/champion", "all")["outcome"] == "kept"
        assert "wind alone has roc_auc 0.99" in one.display("storm_status/champion", "all")["reason"]
