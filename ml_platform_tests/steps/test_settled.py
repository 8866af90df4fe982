"""What settled partitions predicted, decided and trained stands, until somebody recomputes it (S6)."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ml_platform import AtLeast, Derived, Drift, LightGBM, ModelPipeline, Retrain
from ml_platform.retraining.policy import ManualRequest
from ml_platform.runtime.settled import outdated_training
from ml_platform.state import promotions, verdicts, versions
from ml_platform.steps import champion, decision, drift, predictions, report
from ml_platform.steps import verdicts as verdicts_step
from ml_platform.steps.all_steps import STEPS, planner
from ml_platform.steps.decision import request as request_training
from ml_platform.views.decisions import history
from ml_platform_tests import scenario
from ml_platform_tests.conftest import OpenWorld
from ml_platform_tests.world import Killed, World

NAME, JANUARY, FEBRUARY = "trip_delay", "2024-01", "2024-02"
TRAINING = [f"{NAME}/{step}" for step in ("training_set", "candidate", "verdicts", "champion")]
FAR = Derived(far=pl.col("km") > 12)


def _farther() -> ModelPipeline:
    return scenario.trips(features=[*scenario.trips().features, FAR])


def _made(steps: list[tuple[str, str, str]]) -> list[tuple[str, str]]:
    return [(asset, partition) for asset, partition, status in steps if status == "made"]


def _past(trips: World) -> list[Any]:
    """Everything that must not change."""
    scores = trips.frame(f"FROM {NAME}.predictions ORDER BY ALL").to_dicts()
    decisions = history(trips.ws, trips.pipeline.name)
    return [scores, decisions, versions.versions(trips.ws.state, NAME), promotions.history(trips.ws.state, NAME)]


def _left(trips: World) -> list[str]:
    return planner(trips.ws, trips.pipeline).outdated()


def _retrained(trips: World, why: str) -> bool:
    """What `ml-platform retrain` asks for; whether that is new."""
    request = ManualRequest("ada", why, outdated_training(trips.ws, trips.pipeline, STEPS, FEBRUARY))
    return request_training(trips.ws, trips.pipeline, FEBRUARY, request)[1]


@pytest.mark.parametrize(
    "changed",
    [
        {"trainer": LightGBM(num_leaves=5, rounds=9)},
        {"gates": [*scenario.trips().gates, AtLeast("roc_auc", 0.55)]},
        {"retrain": Retrain(every=3, min_examples=300)},
        {"drift": Drift(weighted=0.01, report_rows=0)},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_another_declaration_changes_nothing_of_the_past_and_says_what_is_left(
    open_world: OpenWorld, february: Path, changed: dict[str, Any]
) -> None:
    trips = open_world(february, scenario.trips(**changed))
    before = _past(trips)
    assert trips.run() == []
    assert _past(trips) == before
    assert _left(trips) == [JANUARY, FEBRUARY]


def test_newer_code_of_the_platform_changes_nothing_of_the_past(
    open_world: OpenWorld, february: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trips = open_world(february)
    assert _left(trips) == []
    for module in (predictions, drift, report, decision, verdicts_step, champion):
        monkeypatch.setattr(module, "CODE_VERSION", 99)
    assert trips.run() == []
    assert _left(trips) == [JANUARY, FEBRUARY]


def test_another_feature_is_computed_for_the_past_and_trained_on_when_somebody_asks(
    open_world: OpenWorld, february: Path
) -> None:
    trips = open_world(february, _farther())
    before = _past(trips)
    assert _made(trips.run()) == [(f"{NAME}/features", JANUARY), (f"{NAME}/features", FEBRUARY)]
    assert _past(trips) == before
    assert _retrained(trips, "far trips")
    assert _made(trips.run()) == [(asset, FEBRUARY) for asset in TRAINING]
    assert promotions.champion_at(trips.ws.state, NAME) == 3
    beaten = next(v for v in verdicts.of(trips.ws.state, NAME, 3) if v.gate.startswith("roc_auc no worse"))
    assert beaten.passed and f"{NAME}@2" in beaten.detail, "the one that it replaces"
    assert "far" in trips.pipeline.model_columns and trips.run() == []
    assert not planner(trips.ws, trips.pipeline).unlearnt(), "February trained on it"
    assert _left(trips) == [JANUARY, FEBRUARY], "and was scored without it"
    assert not _retrained(trips, "far trips"), "asking twice is asking once"
    # Another change, and another request in the same words.
    trips.declare(scenario.trips(features=[*scenario.trips().features, FAR], trainer=LightGBM(rounds=9)))
    assert trips.run() == []
    assert _retrained(trips, "far trips")
    assert _made(trips.run())[-1] == (f"{NAME}/champion", FEBRUARY)
    assert [row["outcome"] for row in history(trips.ws, trips.pipeline.name)] == [
        "manual",
        "manual",
        *["triggered"] * 2,
    ]
    assert len(versions.versions(trips.ws.state, NAME)) == 4


@pytest.mark.parametrize("steps", [1, 2])
def test_a_training_that_somebody_asked_for_goes_on_after_it_was_killed(
    open_world: OpenWorld, february: Path, steps: int
) -> None:
    trips = open_world(february, scenario.trips(trainer=LightGBM(rounds=9)))
    assert _retrained(trips, "fewer rounds")
    with pytest.raises(Killed):
        trips.run(kill_at=steps)
    trips.declare()
    trips.run()
    assert (promotions.champion_at(trips.ws.state, NAME), _left(trips)) == (3, [JANUARY])


def test_a_past_that_is_recomputed_goes_on_after_it_was_killed_and_ends_the_same(
    open_world: OpenWorld, january: Path
) -> None:
    whole, killed = open_world(january, _farther()), open_world(january, _farther())
    whole.run(JANUARY, recompute=True)
    for steps in (3, 4):  # after the drift, then after the training set
        with pytest.raises(Killed):
            killed.run(JANUARY, recompute=True, kill_at=steps)
        killed.declare()
    killed.run(JANUARY, recompute=True)
    assert killed.keys() == whole.keys()
    assert _left(killed) == []


def test_one_partition_can_be_recomputed(open_world: OpenWorld, february: Path) -> None:
    trips = open_world(february, scenario.trips(trainer=LightGBM(rounds=9)))
    assert _made(trips.run(only=FEBRUARY, recompute=True))[0] == (f"{NAME}/candidate", FEBRUARY)
    assert _left(trips) == [JANUARY]


def test_labels_that_come_late_are_in_the_performance_and_change_nothing_else(
    open_world: OpenWorld, february: Path
) -> None:
    trips = open_world(february)
    before = _past(trips)
    worth = trips.display(f"{NAME}/performance", FEBRUARY)["roc_auc"]
    later = scenario.trip_rows(FEBRUARY).with_columns(late=pl.col("late") + pl.col("km"))
    trips.land("trips", f"trips_{FEBRUARY}.csv", later, datetime(2024, 5, 1, tzinfo=UTC))
    made = _made(trips.run())
    assert [asset for asset, partition in made if partition == FEBRUARY] == [
        "validated/trips",
        f"{NAME}/features",
        f"{NAME}/performance",
        f"{NAME}/report",
    ]
    assert _past(trips) == before
    assert trips.display(f"{NAME}/performance", FEBRUARY)["roc_auc"] != worth
    assert trips.run() == []


def test_a_pipeline_without_partitions_decides_about_each_change(open_world: OpenWorld, trained_churn: Path) -> None:
    churn = open_world(trained_churn, scenario.churn(trainer=LightGBM(num_leaves=5, rounds=7)))
    (work,) = churn.planned()
    assert ["churn", "candidate"] in (work.only or [])
    assert _left(churn) == []
