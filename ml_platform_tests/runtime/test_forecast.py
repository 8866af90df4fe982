"""What a plan says, and what the run then does: the one never contradicts the other (S32)."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml_platform import LightGBM
from ml_platform.retraining.policy import ManualRequest
from ml_platform.runtime.forecast import Forecast, forecast
from ml_platform.runtime.planner import Work
from ml_platform.runtime.recorded_durations import recorded_durations
from ml_platform.runtime.settled import outdated_training
from ml_platform.state import ledger
from ml_platform.steps.all_steps import STEPS, planner
from ml_platform.steps.decision import request
from ml_platform_tests import scenario
from ml_platform_tests.conftest import OpenWorld
from ml_platform_tests.examples import tries
from ml_platform_tests.runtime.test_standing import DAYS, day, declared, land_day, land_places
from ml_platform_tests.world import World, world


@pytest.fixture(scope="module")
def lake_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """For a kind of label a lake of a few days that was run."""

    @cache
    def build(label: str) -> Path:
        folder = tmp_path_factory.mktemp(label) / "data"
        with closing(world(folder, declared(label))) as shop:
            land_places(shop, 2)
            for number in range(DAYS + 1):
                land_day(shop, number)
            shop.run()
            planner(shop.ws, shop.pipeline).keep_settled()
        return folder

    return build


@pytest.fixture
def open_shop(lake_of: Callable[[str], Path], tmp_path: Path) -> Iterator[Callable[[str], World]]:
    worlds: list[World] = []

    def open_(label: str) -> World:
        for one in worlds:
            one.close()
        folder = tmp_path / f"shop{len(worlds)}"
        shutil.copytree(lake_of(label), folder)
        worlds.append(world(folder, declared(label)))
        return worlds[-1]

    yield open_
    for one in worlds[-1:]:
        one.close()


def planned(shop: World, through: str | None = None, only: str | None = None) -> Forecast:
    return forecast(planner(shop.ws, shop.pipeline), through, only)


def run(shop: World, through: str | None = None, only: str | None = None) -> list[Work]:
    launched: list[Work] = []
    shop.run(through, only=only, launched=launched)
    return launched


def check_agreement(plan: Forecast, launched: list[Work], shop: World) -> None:
    """The run makes all that the plan is sure of, and nothing that the plan does not name."""
    assert plan.has_work == bool(launched)

    def made(work: Work) -> set[tuple[str, str]]:
        return {("/".join(key), work.partition) for key in work.only or []}

    will = {(one.asset, run.partition) for run in plan.runs for one in run.assets if one.certainty == "will"}
    named = {(one.asset, run.partition) for run in plan.runs for one in run.assets}
    everything = set[tuple[str, str]]().union(*map(made, launched))
    assert will <= everything, will - everything
    for work in launched:
        if not any(later.covers(work.job, work.partition) for later in plan.later):
            assert made(work) <= named, (work, plan)


def lose_features(shop: World) -> None:
    shop.forget_records("shop/features")


CHANGES: dict[str, Callable[[World], None]] = {
    "a new day": lambda shop: land_day(shop, DAYS + 1),
    "a correction": lambda shop: land_day(shop, 1, extra=2.0),
    "a late correction": lambda shop: land_day(shop, 2, extra=1.0, known_later=timedelta(days=1)),
    "a new size": lambda shop: land_places(shop, 5),
    "lost records": lose_features,
    "another trainer": lambda shop: shop.declare(replace(shop.pipeline, trainer=LightGBM(rounds=3))),
    "nothing": lambda shop: None,
}


@pytest.mark.slow
@settings(max_examples=tries(40), deadline=None, suppress_health_check=list(HealthCheck))
@given(
    label=st.sampled_from(["own", "late"]),
    changes=st.lists(st.sampled_from(sorted(CHANGES)), min_size=1, max_size=3),
    through=st.sampled_from([None, day(1), day(3)]),
)
def test_a_run_does_what_its_plan_is_sure_of_and_nothing_that_the_plan_does_not_name(
    open_shop: Callable[[str], World], label: str, changes: list[str], through: str | None
) -> None:
    shop = open_shop(label)
    for change in changes:
        CHANGES[change](shop)
        before = ledger.newest_number(shop.ws.state)
        plan = planned(shop, through)
        assert ledger.newest_number(shop.ws.state) == before, "a plan has no effect"
        check_agreement(plan, run(shop, through), shop)
    shop.run()
    assert not planned(shop).has_work


def test_each_asset_has_its_reason_as_data_and_in_words(open_shop: Callable[[str], World]) -> None:
    shop = open_shop("own")
    assert not planned(shop).has_work
    land_day(shop, DAYS + 1)
    plan = planned(shop)
    raw = next(one for run in plan.runs for one in run.assets if one.asset == "raw/orders")
    assert (raw.certainty, raw.reason.kind, raw.reason.about) == ("will", "new_data", (f"orders/{day(DAYS + 1)}.csv",))
    assert raw.reason.text == "new data: 1 new file"
    assert [later.kind for later in plan.later] == ["after_ingestion"]
    check_agreement(plan, run(shop), shop)
    lose_features(shop)
    features = next(one for run in planned(shop).runs for one in run.assets if one.asset == "shop/features")
    assert (features.certainty, features.reason.kind) == ("will", "never_made")


def test_an_estimate_is_made_of_recorded_durations_and_names_what_has_none(
    open_shop: Callable[[str], World], tmp_path: Path
) -> None:
    shop = open_shop("own")
    assert {name.partition("/")[0] for name in recorded_durations(shop.ws.state, shop.pipeline)} == LAYERS
    land_day(shop, DAYS + 1)
    assert planned(shop).seconds > 0 and planned(shop).not_estimated == ("raw/orders",), "the first output of the run"
    with closing(world(tmp_path / "new", declared("own"))) as new:
        land_day(new, 0)
        plan = planned(new)
        assert plan.has_work and plan.seconds == 0 and "raw/orders" in plan.not_estimated


@pytest.mark.slow
def test_where_candidates_are_trained_and_judged_a_run_does_what_its_plan_says_too(
    open_world: OpenWorld, january: Path
) -> None:
    trips = open_world(january)
    trips.run("2024-01")
    plans = []
    for _ in range(3):  # scores, decides and trains; then nothing; then a month more
        if not planned(trips).has_work:
            trips.land_trips("2024-04")
        plans.append(planned(trips))
        check_agreement(plans[-1], run(trips), trips)
    assert any(later.kind in ("after_decision", "after_ingestion") for plan in plans for later in plan.later)
    assert not planned(trips).has_work
    trips.declare(scenario.trips(trainer=LightGBM(num_leaves=5, rounds=10, min_data_in_leaf=10)))
    asked = ManualRequest("ada", "a test", outdated_training(trips.ws, trips.pipeline, STEPS, "2024-03"))
    assert request(trips.ws, trips.pipeline, "2024-03", asked)[1]
    plan = planned(trips)
    trained = next(run for run in plan.runs if run.job == "train")
    assert trained.certainty == "will" and trained.assets[0].reason.kind == "decision", trained
    assert trained.assets[0].reason.text.startswith("manual: ")
    check_agreement(plan, run(trips), trips)


LAYERS = {"raw", "validated", "shop"}
