"""Bike rentals by the hour: lags that were known, a leak that is refused, and decay that retraining mends."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from ml_platform import AtLeast, Drift, Monthly, Retrain
from ml_platform.demo.capital_bikes import deliveries
from ml_platform.demo.example import land_missing
from ml_platform.pipelines.bike_rentals import bike_rentals
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform_tests.steps.world import World, world

NO_REPORT = Drift(report_rows=0)
EARLY = Monthly(since="2011-01", until="2011-02")


def ran(folder: Path, hours: pl.DataFrame, *declared: ModelPipeline) -> World:
    """The months of the declarations, landed and run."""
    one = world(folder, *declared)
    months = declared[0].partitions
    assert months is not None
    land_missing(one.ws.lake, deliveries(hours, months, months.keys()[-1]))
    for pipeline in declared:
        one.run(pipeline=pipeline)
    return one


@pytest.fixture(scope="module")
def winter(hours: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """January 2011, trained once when it is over."""
    declared = replace(
        bike_rentals, partitions=EARLY, drift=NO_REPORT, gates=[AtLeast("r2", 0.3)], retrain=Retrain(min_examples=500)
    )
    with closing(ran(tmp_path_factory.mktemp("bikes") / "data", hours, declared)) as one:
        yield one


def test_a_month_becomes_a_champion_and_a_second_run_makes_nothing(winter: World) -> None:
    champion = winter.told("bike_rentals/champion", "2011-01")
    assert champion["outcome"] == "promoted", champion["reason"]
    assert winter.frame("SELECT count(*) AS n FROM quarantine.rentals")["n"].item() == 0
    assert winter.run() == []


def test_lags_and_windows_are_of_hours_that_were_over(winter: World) -> None:
    features = winter.frame(
        "SELECT hour, rentals_1d_ago__cnt AS day_ago, rentals__cnt_mean_3h AS mean FROM bike_rentals.features "
        "WHERE _partition = '2011-01' ORDER BY hour"
    )
    counts = dict(winter.frame("SELECT hour, cnt FROM validated.rentals").iter_rows())
    for hour, day_ago, mean in features.tail(500).gather_every(29).iter_rows():
        assert day_ago == counts.get(hour - timedelta(days=1), counts.get(hour - timedelta(days=1, hours=1)))
        # The hour that has just ended is counted at the very moment of the prediction: not before it (S4).
        over = [counts[at] for back in (2, 3, 4) if (at := hour - timedelta(hours=back)) in counts]
        assert mean == (pytest.approx(sum(over) / len(over)) if over else None)


def test_guests_and_members_among_the_inputs_are_refused_by_the_leakage_gate(
    hours: pl.DataFrame, tmp_path: Path
) -> None:
    inputs = (*bike_rentals.examples.inputs, "casual", "registered")
    leaking = replace(
        bike_rentals,
        examples=replace(bike_rentals.examples, inputs=inputs),
        partitions=EARLY,
        drift=NO_REPORT,
        gates=(),
        retrain=Retrain(min_examples=500),
    )
    with closing(ran(tmp_path / "data", hours, leaking)) as one:
        champion = one.told("bike_rentals/champion", "2011-01")
        assert champion["outcome"] == "kept"
        assert "registered alone has r2 0.9" in champion["reason"]
