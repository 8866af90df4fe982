"""What comes after what: a change that is taken back, a training forced after a correction, months out of order."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from ml_platform import LightGBM, Retrain, Split
from ml_platform.retraining.policy import ManualRequest
from ml_platform.runtime.settled import outdated_training
from ml_platform.state import promotions, versions
from ml_platform.steps.all_steps import STEPS, planner
from ml_platform.steps.decision import request as request_training
from ml_platform.views.decisions import history
from ml_platform_tests import scenario
from ml_platform_tests.conftest import OpenWorld
from ml_platform_tests.world import World

NAME, FEBRUARY = "trip_delay", "2024-02"
TRAINING = [f"{NAME}/{step}" for step in ("training_set", "candidate", "verdicts", "champion")]
FEWER = LightGBM(rounds=9)


def _scores(trips: World) -> pl.DataFrame:
    return trips.frame(f"SELECT _partition, version, key, score FROM {NAME}.predictions ORDER BY ALL")


def _scored(trips: World) -> dict[str, int]:
    """The version that scored each partition."""
    return dict(trips.frame(f"SELECT DISTINCT _partition, version FROM {NAME}.predictions").rows())


def _made(trips: World, through: str | None = None) -> list[str]:
    return [asset for asset, _, status in trips.run(through) if status == "made"]


def test_a_change_that_is_taken_back_brings_its_champions_back_when_the_past_is_recomputed(
    open_world: OpenWorld, february: Path
) -> None:
    trips = open_world(february, scenario.trips(trainer=FEWER))
    trips.run(recompute=True)
    assert (promotions.champion_at(trips.ws.state, NAME), _scored(trips)) == (4, {FEBRUARY: 3})
    trips.declare(scenario.trips())
    trips.run(recompute=True)
    assert (promotions.champion_at(trips.ws.state, NAME), _scored(trips)) == (2, {FEBRUARY: 1})
    assert trips.run(recompute=True) == []
    assert len(versions.versions(trips.ws.state, NAME)) == 4


def test_a_change_that_is_taken_back_brings_the_champion_back_when_somebody_asks(
    open_world: OpenWorld, february: Path
) -> None:
    trips = open_world(february)
    for trainer, champion in ((FEWER, 3), (scenario.trips().trainer, 2), (FEWER, 3)):
        trips.declare(scenario.trips(trainer=trainer))
        request = ManualRequest("ada", "rounds", outdated_training(trips.ws, trips.pipeline, STEPS, FEBRUARY))
        request_training(trips.ws, trips.pipeline, FEBRUARY, request)
        assert _made(trips) == TRAINING[1:]
        assert trips.display(f"{NAME}/champion", FEBRUARY)["champion"] == f"{NAME}@{champion}"
        assert promotions.champion_at(trips.ws.state, NAME) == champion
        assert trips.run() == [] and not planner(trips.ws, trips.pipeline).unlearnt()


def test_a_training_that_is_forced_where_it_was_held_back_leaves_what_was_predicted(
    open_world: OpenWorld, january: Path
) -> None:
    trips = open_world(january, scenario.trips(retrain=Retrain(every=None, min_examples=200)))
    trips.run(FEBRUARY)
    before = _scores(trips)
    corrected = scenario.trip_rows(FEBRUARY).with_columns(km=pl.col("km") * 2)
    trips.land("trips", f"trips_{FEBRUARY}.csv", corrected, datetime(2024, 2, 1, tzinfo=UTC))
    trips.run(FEBRUARY)
    request_training(trips.ws, trips.pipeline, FEBRUARY, ManualRequest("ada", "a new bridge"))
    assert _made(trips, FEBRUARY) == TRAINING
    assert _scores(trips).equals(before)
    assert promotions.champion_at(trips.ws.state, NAME) == 2


def test_a_month_that_came_before_its_turn_is_scored_once_the_one_before_it_has_a_champion(
    open_world: OpenWorld,
) -> None:
    trips = open_world(None, scenario.trips(retrain=Retrain(min_examples=500)))
    trips.land_trips("2024-01", FEBRUARY, "2024-03")
    trips.run(only=FEBRUARY)
    assert trips.display(f"{NAME}/decision", FEBRUARY)["outcome"] == "skipped", "without January there are too few"
    trips.declare(scenario.trips())
    trips.run(FEBRUARY)
    assert _scored(trips) == {FEBRUARY: 1}
    assert promotions.champion_at(trips.ws.state, NAME) == 2
    trips.declare(scenario.trips(trainer=FEWER))
    assert trips.run(FEBRUARY) == [], "now it is settled"


def test_a_month_without_examples_is_settled_until_some_come(open_world: OpenWorld) -> None:
    fields: dict[str, Any] = {
        "split": Split(validation="10d", holdout="40d"),
        "retrain": Retrain(every=2, min_examples=100),
    }
    trips = open_world(None, scenario.trips(**fields))
    trips.land_trips("2024-01", FEBRUARY, "2024-03", "2024-05")
    april = scenario.trip_rows("2024-04")
    trips.land("trips", "trips_2024-04.csv", april.head(0), datetime(2024, 5, 1, tzinfo=UTC))
    trips.run("2024-04")
    assert trips.display(f"{NAME}/decision", "2024-04")["outcome"] == "triggered"
    taken = history(trips.ws, trips.pipeline.name)
    # The empty month blocks the candidate (S37), which is therefore not settled and follows its declaration.
    assert trips.display(f"{NAME}/champion", "2024-04")["outcome"] == "blocked"
    trips.declare(scenario.trips(**{**fields, "trainer": FEWER}))
    assert {asset for asset, _, _ in trips.run("2024-04")} == {
        f"{NAME}/{step}" for step in ("candidate", "verdicts", "champion")
    }
    trips.declare(scenario.trips(**{**fields, "trainer": FEWER, "retrain": Retrain(every=1, min_examples=100)}))
    assert trips.run("2024-04") == []
    assert history(trips.ws, trips.pipeline.name) == taken
    trips.land("trips", "trips_2024-04.csv", april, datetime(2024, 5, 1, tzinfo=UTC))
    trips.run("2024-04")
    assert _scored(trips)["2024-04"] == 1
    assert trips.run("2024-04") == []
