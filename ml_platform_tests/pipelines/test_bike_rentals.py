"""Bike rentals by the hour: lags that were known, a leak that is refused, and decay that retraining mends."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ml_platform import AtLeast, Drift, Monthly, Provenance, Retrain
from ml_platform.demo.capital_bikes import deliveries
from ml_platform.demo.example import land_missing
from ml_platform.pipelines.bike_rentals import bike_rentals, clean_rentals
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform_tests.pipelines.holdout_scorecard import holdout_scorecard
from ml_platform_tests.world import World, world

NO_REPORT = Drift(report_rows=0)
EARLY = Monthly(since="2011-01", until="2011-02")


def ran(folder: Path, hours: pl.DataFrame, *declared: ModelPipeline) -> World:
    """The months of the declarations, landed and run."""
    one = world(folder, *declared, pictures=True)
    months = declared[0].partitions
    assert months is not None
    land_missing(one.ws.settings, deliveries(hours, months, months.keys()[-1]))
    for pipeline in declared:
        one.run(pipeline=pipeline)
    return one


@pytest.fixture(scope="module")
def winter(hours: pl.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """January 2011, trained once when it is over."""
    counted = next(gate for gate in bike_rentals.gates if isinstance(gate, Provenance))
    declared = replace(
        bike_rentals,
        partitions=EARLY,
        drift=NO_REPORT,
        gates=[AtLeast("r2", 0.3), counted],
        retrain=Retrain(min_examples=500),
    )
    with closing(ran(tmp_path_factory.mktemp("bikes") / "data", hours, declared)) as one:
        yield one


def test_a_month_becomes_a_champion_and_a_second_run_makes_nothing(winter: World) -> None:
    champion = winter.display("bike_rentals/champion", "2011-01")
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
        champion = one.display("bike_rentals/champion", "2011-01")
        assert champion["outcome"] == "kept"
        assert "registered alone has r2 0.9" in champion["reason"]


def with_lags(hours: pl.DataFrame) -> pl.DataFrame:
    """The contract's columns and, written down from the rules, what the declared lags and windows give."""
    rows = bike_rentals.table("rentals").contract.validate(clean_rentals(hours), cast=True).sort("hour")
    for offset, name in ((timedelta(days=1), "1d"), (timedelta(days=7), "7d")):
        then = rows.select(hour="hour", **{f"rentals_{name}_ago__cnt": "cnt"})
        rows = (
            rows.with_columns(then=pl.col("hour") - offset)
            .join_asof(then.rename({"hour": "then"}).sort("then"), on="then", tolerance="1h")
            .drop("then")
        )
    at, known = (rows[name].dt.epoch("s").to_numpy() for name in ("hour", "counted_at"))
    total = np.append(0, np.cumsum(rows["cnt"].to_numpy()))
    for name, days in (("3h", 1 / 8), ("1d", 1), ("7d", 7), ("28d", 28)):
        first, last = np.searchsorted(known, at - days * 86_400), np.searchsorted(known, at)
        mean = (total[last] - total[first]) / np.maximum(last - first, 1)
        rows = rows.with_columns(
            pl.Series(f"rentals__cnt_mean_{name}", np.where(last > first, mean, np.nan)).fill_nan(None)
        )
    return rows


def test_the_year_after_a_model_decays_and_training_it_again_mends_it(hours: pl.DataFrame, tmp_path: Path) -> None:
    rows = with_lags(hours)
    month = rows["hour"].dt.strftime("%Y-%m")
    september = month == "2012-09"
    old, new = (
        holdout_scorecard(
            bike_rentals,
            rows.filter((month < until) | september),
            september.filter((month < until) | september),
            tmp_path,
        )
        for until in ("2012-01", "2012-09")
    )
    assert old["r2"] < 0.75 and new["r2"] > 0.88
    assert old["mae"] > 1.5 * new["mae"]
