"""From what training stored to a judged champion: the way a candidate takes in a run."""

from dataclasses import replace
from datetime import datetime

import polars as pl
import pytest

from ml_platform.errors import PromotionRefused
from ml_platform.evaluation.gates.measuring import evaluate, judge
from ml_platform.evaluation.stored import bounds, stored_candidate, stored_champion
from ml_platform.lake.blobs import Blobs
from ml_platform.settings import Settings
from ml_platform.spec.gates import AtLeast, AtMost, Latency, NoWorseThanBaseline, NoWorseThanChampion, OverfitGap, Size
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.spec.training import LightGBM, Split
from ml_platform.state import versions
from ml_platform.state.promotions import champion_at, promote
from ml_platform.state.stores import Stores
from ml_platform.state.versions import Training, Version
from ml_platform.steps.provenance import origins_of
from ml_platform.training import fitting, training_set
from ml_platform.training.training_set import TrainingSet
from ml_platform.validation.provenance import movements
from ml_platform_tests.evaluation.candidates import Outcome
from ml_platform_tests.scenario import labelled_trips
from ml_platform_tests.scenario.labelled_trips import MONTHS, D


def trained(stores: Stores, settings: Settings, pipeline: ModelPipeline) -> tuple[TrainingSet, Version]:
    blobs = Blobs(settings)
    labelled_trips.fill(stores.lake, pipeline, labelled_trips.rows())
    stored = training_set.build(
        stores.lake, blobs, pipeline, label_rows=labelled_trips.with_path("trips"), decided_at=D, partitions_upto=MONTHS
    )
    fitted = fitting.make(blobs, pipeline, stored, "{}", threads=1)
    return stored, versions.register(
        stores.state,
        Training(
            pipeline=pipeline.name,
            content_key=fitted.digest,
            partition="2013-02",
            training_set=stored.digest,
            bundle=fitted.digest,
            bounds=bounds(stored, pipeline.split),
            decided_at=D,
            parameters=fitted.record["parameters"],
            metrics={},
            environment=fitted.record["environment"],
            code_version=str(fitted.record["code_version"]),
            durations=fitted.record["durations"],
            run_id="r1",
        ),
    )


def test_a_trained_version_passes_its_gates_and_becomes_the_champion(stores: Stores, settings: Settings) -> None:
    gates = (
        AtLeast("roc_auc", 0.7),
        AtLeast("roc_auc", 0.6, by="city", min_rows=50),
        OverfitGap("roc_auc", 0.3),
        NoWorseThanChampion("roc_auc", 0.01),
        Latency(p99_ms=100),
        Size(mb=5),
    )
    pipeline = labelled_trips.pipeline(gates=gates)
    stored, version = trained(stores, settings, pipeline)
    given = stored_candidate(Blobs(settings), pipeline, stored, version.bundle, version.version, threads=1)
    blind = evaluate(stores.state, "r1", pipeline.gates, given)
    assert [v.gate for v in blind if v.passed is False] == []
    with pytest.raises(PromotionRefused, match="no verdict on “training again gives the same bytes”"):
        promote(
            stores.state,
            pipeline.name,
            1,
            pipeline.required_gates,
            partition="2013-02",
            effective_at=D,
            reason="gates passed",
            actor="platform",
        )
    given = stored_candidate(
        Blobs(settings),
        pipeline,
        stored,
        version.bundle,
        version.version,
        threads=1,
        parity=lambda n: Outcome(compared=n),
    )
    raw = labelled_trips.rows().with_row_index("_row").with_columns(pl.col("_row").cast(pl.Int64))
    seen = movements(pipeline.table("trips"), [("trips/a.csv", raw)], {})
    given = replace(given, provenance=lambda: origins_of(pipeline, seen, {}))
    verdicts = evaluate(stores.state, "r1", pipeline.all_gates, given)
    assert [v.gate for v in verdicts if v.passed is False] == [] and {v.snapshot for v in verdicts} == {stored.digest}
    promote(
        stores.state,
        pipeline.name,
        1,
        pipeline.required_gates,
        partition="2013-02",
        effective_at=D,
        reason="gates passed",
        actor="platform",
    )
    assert champion_at(stores.state, pipeline.name) == 1


@pytest.mark.parametrize(
    ("task", "gate"), [("multiclass", AtLeast("macro_f1", 0.4)), ("regression", AtMost("rmse", 6.0))]
)
def test_other_tasks_are_judged_the_same_way(
    stores: Stores, settings: Settings, task: str, gate: AtLeast | AtMost
) -> None:
    pipeline = labelled_trips.pipeline(task)
    stored, version = trained(stores, settings, pipeline)
    given = stored_candidate(Blobs(settings), pipeline, stored, version.bundle, 1, threads=1)
    metric = gate.metric
    comparisons = NoWorseThanChampion(metric), NoWorseThanBaseline(metric, tolerance=0.5), OverfitGap(metric, 50.0)
    for asked in (gate, *comparisons):
        assert [v.passed for v in judge(asked, given)] == [True], asked


def test_a_new_training_is_compared_with_the_champion_on_the_holdout_of_both(
    stores: Stores, settings: Settings
) -> None:
    weak = labelled_trips.pipeline(trainer=LightGBM(num_leaves=2, rounds=1))
    stored, first = trained(stores, settings, weak)
    strong = labelled_trips.pipeline()
    _, second = trained(stores, settings, strong)
    champion = stored_champion(Blobs(settings), first, threads=1)
    given = stored_candidate(Blobs(settings), strong, stored, second.bundle, 2, champion=champion, threads=1)
    assert champion.cut_off is not None and given.holdout_start is not None and given.holdout_start > champion.cut_off
    assert champion.cut_off == datetime.fromisoformat(stored.bounds["validation"][1])
    verdict = judge(NoWorseThanChampion("roc_auc"), given)[0]
    assert verdict.passed is True and verdict.value is not None and verdict.value > 0.02
    assert "trips_late@1" in verdict.detail


def test_shares_of_hashed_keys_have_no_cut_off_but_a_split_in_common(stores: Stores, settings: Settings) -> None:
    pipeline = labelled_trips.pipeline(split=Split(validation=0.2, holdout=0.3))
    stored, version = trained(stores, settings, pipeline)
    champion = stored_champion(Blobs(settings), version, threads=1)
    given = stored_candidate(Blobs(settings), pipeline, stored, version.bundle, 1, champion=champion, threads=1)
    assert champion.cut_off is None and given.cut_off is None and given.split == champion.split
    assert judge(NoWorseThanChampion("roc_auc", tolerance=0.01), given)[0].passed is True
