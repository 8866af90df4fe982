"""What comes after what: a change that is taken back."""

from pathlib import Path

from ml_platform import LightGBM
from ml_platform.registry import promotions, versions
from ml_platform.retraining.policy import Forced
from ml_platform.steps import deciding
from ml_platform.steps.plan import Planner
from ml_platform.steps.settled import outdated_training
from ml_platform_tests import scenario
from ml_platform_tests.steps.conftest import Opening
from ml_platform_tests.steps.world import World

NAME, FEBRUARY = "trip_delay", "2024-02"
TRAINING = [f"{NAME}/{step}" for step in ("training_set", "candidate", "verdicts", "champion")]
FEWER = LightGBM(rounds=9)


def _scored(trips: World) -> dict[str, int]:
    """The version that scored each partition."""
    return dict(trips.frame(f"SELECT DISTINCT _partition, version FROM {NAME}.predictions").rows())


def _made(trips: World, through: str | None = None) -> list[str]:
    return [asset for asset, _, status in trips.run(through) if status == "made"]


def test_a_change_that_is_taken_back_brings_its_champions_back_when_the_past_is_recomputed(
    opened: Opening, february: Path
) -> None:
    trips = opened(february, scenario.trips(trainer=FEWER))
    trips.run(recompute=True)
    assert (promotions.champion_at(trips.ws.lake, NAME), _scored(trips)) == (4, {FEBRUARY: 3})
    trips.declare(scenario.trips())
    trips.run(recompute=True)
    assert (promotions.champion_at(trips.ws.lake, NAME), _scored(trips)) == (2, {FEBRUARY: 1})
    assert trips.run(recompute=True) == []
    assert len(versions.versions(trips.ws.lake, NAME)) == 4


def test_a_change_that_is_taken_back_brings_the_champion_back_when_somebody_asks(
    opened: Opening, february: Path
) -> None:
    trips = opened(february)
    for trainer, champion in ((FEWER, 3), (scenario.trips().trainer, 2), (FEWER, 3)):
        trips.declare(scenario.trips(trainer=trainer))
        request = Forced("ada", "rounds", outdated_training(trips.ws, trips.pipeline, FEBRUARY))
        deciding.force(trips.ws, trips.pipeline, FEBRUARY, request)
        assert _made(trips) == TRAINING[1:]
        assert trips.told(f"{NAME}/champion", FEBRUARY)["champion"] == f"{NAME}@{champion}"
        assert promotions.champion_at(trips.ws.lake, NAME) == champion
        assert trips.run() == [] and FEBRUARY not in Planner(trips.ws, trips.pipeline).left("train")
