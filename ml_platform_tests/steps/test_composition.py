"""Contracts, tables, windows and gates are values: what one pipeline declares another uses, and more may come later."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dataframely as dy
import polars as pl

from ml_platform import AtLeast, Examples, Files, Retrain, Table, Window
from ml_platform.retraining.policy import ManualRequest
from ml_platform.runtime.settled import outdated_training
from ml_platform.state import promotions, verdicts, versions
from ml_platform.steps.all_steps import STEPS
from ml_platform.steps.decision import request as request_training
from ml_platform.views.version_card import card_of
from ml_platform_tests import scenario
from ml_platform_tests.conftest import OpenWorld

BUSY = Window("trips", by="zone", of="driver", agg=["n_unique"], over=["1d"], as_="busy")
GOOD = AtLeast("roc_auc", 0.5)
NAME, FEBRUARY = "trip_delay", "2024-02"


class Works(dy.Schema):
    site = dy.Int64(primary_key=True)
    zone = dy.String()
    began_at = dy.Datetime(time_zone="UTC")


works = Table("works", Files("works/*.csv"), contract=Works, event_time="began_at")


def test_a_contract_a_window_and_a_gate_of_one_pipeline_serve_another_and_tables_are_taken_in_once(
    open_world: OpenWorld, january: Path
) -> None:
    far = scenario.trips(
        "trip_far",
        examples=Examples("trips", key="trip", at="ordered_at", inputs=["driver", "zone"], label=pl.col("km") > 8),
        features=[BUSY, *(feature for feature in scenario.trips().features if isinstance(feature, Window))],
        gates=[GOOD],
        retrain=Retrain(every=1, min_examples=200),
    )
    both = open_world(january, scenario.trips(), far)
    made = [asset for asset, _, status in both.run("2024-01", pipeline=far) if status == "made"]
    assert {asset.split("/")[0] for asset in made} == {"trip_far"}, "no table is taken in or validated again"
    shared = both.frame(
        "SELECT count(*) FROM trip_far.features a JOIN trip_delay.features b USING (trip) WHERE "
        "a.trips__late_mean_7d_by_driver IS DISTINCT FROM b.trips__late_mean_7d_by_driver"
    )
    assert shared.item() == 0, "one window, one meaning"
    assert both.frame("SELECT max(busy_n_unique_1d) FROM trip_far.features").item() > 3
    assert GOOD.metric in {v.metric for v in verdicts.of(both.ws.state, "trip_far", 1)}
    assert both.run("2024-01") == [] == both.run("2024-01", pipeline=far)


def test_a_table_and_a_feature_are_added_to_a_living_pipeline(open_world: OpenWorld, february: Path) -> None:
    # Road works are told of from 10 February on; the pipeline has served since January.
    began = datetime(2024, 2, 10, tzinfo=UTC)
    before = scenario.trips()
    window = Window("works", by="zone", over=["14d"], as_="works")
    wider = scenario.trips(tables=[*before.tables, works], features=[*before.features, window])
    trips = open_world(february, wider)
    sites = [(n, scenario.ZONES[n % 3], began + timedelta(hours=7 * n)) for n in range(60)]
    trips.land("works", "works.csv", pl.DataFrame(sites, schema=["site", "zone", "began_at"], orient="row"), began)
    past = trips.frame(f"FROM {NAME}.predictions ORDER BY ALL")

    made = [(asset, month) for asset, month, status in trips.run() if status == "made"]
    own = [(asset, month) for asset, month in made if asset.startswith(NAME)]
    assert own == [(f"{NAME}/features", "2024-01"), (f"{NAME}/features", FEBRUARY)]
    assert {asset for asset, _ in made} - {f"{NAME}/features"} == {"raw/works", "validated/works"}
    assert trips.frame(f"FROM {NAME}.predictions ORDER BY ALL").equals(past)
    since = trips.frame(f"SELECT min(ordered_at) FROM {NAME}.features WHERE works_count_14d IS NOT NULL").item()
    assert since > began, "nothing is known before"

    # The champion goes on with the features that it was trained on, and March is scored by it.
    trips.land_trips("2024-04")
    trips.step("raw/trips", "all")
    trips.step("raw/traffic", "all")
    for step in ("validated/trips", "validated/traffic", f"{NAME}/features", f"{NAME}/predictions"):
        trips.step(step, "2024-03")
    assert trips.display(f"{NAME}/predictions", "2024-03")["champion"] == f"{NAME}@2"

    request = ManualRequest("ada", "road works", outdated_training(trips.ws, wider, STEPS, FEBRUARY))
    assert request_training(trips.ws, wider, FEBRUARY, request)[1]
    trips.run(FEBRUARY)
    assert promotions.champion_at(trips.ws.state, NAME, datetime(2024, 3, 1, tzinfo=UTC)) == 3
    stored = versions.version(trips.ws.state, NAME, 3).training_set
    learnt = pl.read_parquet(trips.ws.blobs.get(stored))["works_count_14d"]
    assert 0 < learnt.null_count() < len(learnt)
    available = card_of(trips.ws, wider, 3).split("Available since")[1].split("##")[0]
    assert "2024-02-10" in next(line for line in available.splitlines() if "works_count_14d" in line)
