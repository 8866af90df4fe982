"""The shipped pipelines of bikes and customers with XGBoost and with an estimator of scikit-learn."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from ml_platform import AtLeast, Drift, Monthly, Provenance, Retrain, ScikitLearn, XGBoost
from ml_platform.demo.capital_bikes import deliveries
from ml_platform.demo.example import land_missing
from ml_platform.pipelines.bike_rentals import bike_rentals
from ml_platform.spec.composed_trainers import DeclaredTrainer
from ml_platform.state import versions
from ml_platform_tests.world import world

_TREES = XGBoost(max_depth=5, learning_rate=0.1, rounds=200, early_stopping=20)
_HISTOGRAMS = ScikitLearn("sklearn.ensemble.HistGradientBoostingRegressor", max_iter=100)


@pytest.mark.slow
@pytest.mark.parametrize("trainer", [_TREES, _HISTOGRAMS], ids=lambda trainer: type(trainer).__name__)
def test_bikes_of_a_month_become_a_champion_and_a_second_run_makes_nothing(
    trainer: DeclaredTrainer, hours: pl.DataFrame, tmp_path: Path
) -> None:
    months = Monthly(since="2011-01", until="2011-02")
    counted = next(gate for gate in bike_rentals.gates if isinstance(gate, Provenance))
    declared = replace(
        bike_rentals,
        trainer=trainer,
        partitions=months,
        drift=Drift(report_rows=0),
        gates=[AtLeast("r2", 0.3), counted],
        retrain=Retrain(min_examples=500),
    )
    with closing(world(tmp_path / "data", declared)) as one:
        land_missing(one.ws.settings, deliveries(hours, months, months.keys()[-1]))
        one.run()
        champion = one.display("bike_rentals/champion", "2011-01")
        assert champion["outcome"] == "promoted", champion["reason"]
        assert versions.version(one.ws.state, "bike_rentals", 1).metrics["holdout"]["r2"] > 0.3
        assert one.run() == []
