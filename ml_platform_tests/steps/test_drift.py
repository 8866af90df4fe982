"""The drift step in a town: what the champion met, against what it learnt from (S21, S29)."""

import os
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from scipy.stats import wasserstein_distance

from ml_platform import Derived, Drift, Retrain
from ml_platform.lake.blobs import file_hash
from ml_platform.monitoring.calendar import Slice
from ml_platform.runtime import retention
from ml_platform.state import ledger
from ml_platform.state.results import DriftResult
from ml_platform.steps.drift_sides import slices
from ml_platform_tests import scenario
from ml_platform_tests.conftest import OpenWorld
from ml_platform_tests.ingestion_sandbox import IngestionSandbox
from ml_platform_tests.world import World, at_work_for_long

NAME = "trip_delay"
FEBRUARY = "2024-02"


def _drift(world: World, partition: str) -> dict[str, dict[str, Any]]:
    rows = world.frame(f"FROM {world.pipeline.name}.drift WHERE _partition = '{partition}'")
    return {row["feature"] or row["kind"]: row for row in rows.to_dicts()}


def _checks(world: World, partition: str) -> dict[str, dict[str, Any]]:
    record = world.records()[f"{world.pipeline.name}/drift", partition]
    return {check["name"]: dict(check) for check in ledger.details(world.ws.state, record.id).checks}


def test_every_column_the_score_and_the_weighted_figure_are_rows(open_world: OpenWorld, february: Path) -> None:
    trips = open_world(february)
    rows = _drift(trips, FEBRUARY)
    assert set(rows) == {*trips.pipeline.model_columns, "score", "weighted"}
    assert {row["version"] for row in rows.values()} == {1}
    assert {rows[name]["kind"] for name in ("km", "zone", "score")} == {"number", "level", "score"}
    assert sum(row["importance"] or 0 for row in rows.values()) == pytest.approx(1)
    features = [rows[name] for name in trips.pipeline.model_columns]
    assert rows["weighted"]["psi"] == pytest.approx(sum(row["importance"] * min(row["psi"], 1) for row in features))
    assert (rows["km"]["rows"], rows["score"]["rows"]) == (400, 400)
    parts = trips.display(f"{NAME}/training_set", "2024-01")
    assert (rows["km"]["reference_rows"], rows["score"]["reference_rows"]) == (parts["train"], parts["holdout"])


def test_the_reference_is_the_train_part_of_the_champion_S29(open_world: OpenWorld, february: Path) -> None:
    trips = open_world(february)
    digest = trips.keys()[f"{NAME}/training_set", "2024-01"][1]
    train = pl.read_parquet(trips.ws.blobs.path(digest)).filter(pl.col("_part") == "train")
    now = trips.frame(f"SELECT km FROM {NAME}.features WHERE _partition = '{FEBRUARY}'")["km"]
    expected = wasserstein_distance(train["km"], now) / float(train["km"].to_numpy().std())
    assert _drift(trips, FEBRUARY)["km"]["distance"] == pytest.approx(expected)


def test_the_step_tells_figures_a_picture_and_sentences(open_world: OpenWorld, february: Path) -> None:
    trips = open_world(february)
    told, checks = trips.display(f"{NAME}/drift", FEBRUARY), _checks(trips, FEBRUARY)
    assert told["champion"] == f"{NAME}@1"
    assert isinstance(told["weighted drift"], float) and isinstance(told["score psi"], float)
    picture = trips.ws.blobs.get(told["drift by feature"]["picture"])
    assert b"<svg" in picture.read_bytes()
    order = [row["importance × psi"] for row in told["most drifted"]]
    assert order == sorted(order, reverse=True) and order[0] > 0
    assert list(checks) == ["weighted_drift", "score_drift", "important_columns", "null_share", "unseen_categories"]
    assert {check["severity"] for check in checks.values()} == {"warn"}
    assert checks["weighted_drift"]["value"] == told["weighted drift"]
    assert checks["weighted_drift"]["threshold"] == 0.25
    assert "of the importance" in checks["weighted_drift"]["description"]


def test_the_picture_is_kept_by_upkeep(open_world: OpenWorld, february: Path) -> None:
    trips = open_world(february)
    picture = trips.ws.blobs.path(trips.display(f"{NAME}/drift", FEBRUARY)["drift by feature"]["picture"])
    stray = trips.ws.blobs.path(trips.ws.blobs.put_bytes(b"of nobody"))
    for path in (picture, stray):
        os.utime(path, (0, 0))
    at_work_for_long(trips)
    retention.maintain(trips.ws, keep_days=30)
    assert picture.exists() and file_hash(picture) == picture.name
    assert not stray.exists()


def test_before_the_first_champion_there_is_a_row_that_says_so(open_world: OpenWorld, january: Path) -> None:
    trips = open_world(january)
    assert {name: row["status"] for name, row in _drift(trips, "2024-01").items()} == {"weighted": "no champion"}
    assert _drift(trips, "2024-01")["weighted"]["psi"] is None
    assert trips.display(f"{NAME}/drift", "2024-01") == {"champion": "none yet"}
    checks = _checks(trips, "2024-01")
    assert all(check["passed"] for check in checks.values())
    assert checks["score_drift"]["description"].startswith("No champion has scored this partition")


def test_a_month_that_differs_fails_its_checks_and_stops_nothing(open_world: OpenWorld, january: Path) -> None:
    trips = open_world(january)
    moved = scenario.trip_rows(FEBRUARY).with_columns(pl.col("km") * 3 + 40, zone=pl.lit("airport"))
    trips.land("trips", f"trips_{FEBRUARY}.csv", moved, scenario.MONTHS.window(FEBRUARY)[1])
    trips.run(FEBRUARY)
    checks, rows = _checks(trips, FEBRUARY), _drift(trips, FEBRUARY)
    assert [name for name, check in checks.items() if not check["passed"]] == [
        "weighted_drift",
        "score_drift",
        "important_columns",
        "null_share",
        "unseen_categories",
    ]
    assert "km (PSI" in checks["weighted_drift"]["description"]
    assert "traffic__jam from 0" in checks["null_share"]["description"]  # no traffic is known at the airport
    assert (rows["zone"]["unseen"], rows["zone"]["unseen_share"]) == (1, 1.0)
    assert rows["traffic__jam"]["status"] == "all null"
    assert trips.display(f"{NAME}/decision", FEBRUARY)["outcome"] == "triggered"


def test_a_feature_that_the_champion_does_not_know_is_new(open_world: OpenWorld, february: Path) -> None:
    features = [*scenario.trips().features, Derived(fare=pl.col("km") * 2)]
    trips = open_world(february, scenario.trips(features=features))
    for step in ("features", "predictions", "drift"):  # as somebody might from the UI, before a training
        trips.step(f"{NAME}/{step}", FEBRUARY)
    assert trips.display(f"{NAME}/drift", FEBRUARY)["champion"] == f"{NAME}@1"
    rows = _drift(trips, FEBRUARY)
    assert (rows["fare"]["status"], rows["fare"]["importance"], rows["km"]["status"]) == ("new", 0.0, "ok")
    assert trips.display(f"{NAME}/drift", FEBRUARY)["not compared"] == [{"column": "fare", "status": "new"}]


def test_the_typed_result_holds_what_broke_a_rule_of_its_own(open_world: OpenWorld, january: Path) -> None:
    trips = open_world(january)
    moved = scenario.trip_rows(FEBRUARY).with_columns(zone=pl.lit("airport"))
    trips.land("trips", f"trips_{FEBRUARY}.csv", moved, scenario.MONTHS.window(FEBRUARY)[1])
    trips.run(FEBRUARY)
    result = trips.records()[f"{NAME}/drift", FEBRUARY].result_as(DriftResult)
    assert (result.champion, result.rows) == (1, 400)
    assert result.weighted == _drift(trips, FEBRUARY)["weighted"]["psi"]
    assert result.unseen == {"zone": 1.0}
    assert set(result.nulls) == {"traffic__jam"}


def test_an_important_column_that_moved_triggers_a_training_where_drift_is_watched(
    open_world: OpenWorld, january: Path
) -> None:
    watchful = scenario.trips(
        retrain=Retrain(every=None, on_drift=0.99, min_examples=200), drift=Drift(important=0.3, report_rows=0)
    )
    trips = open_world(january, watchful)
    moved = scenario.trip_rows(FEBRUARY).with_columns(pl.col("km") * 1.5 + 20)
    trips.land("trips", f"trips_{FEBRUARY}.csv", moved, scenario.MONTHS.window(FEBRUARY)[1])
    trips.run(FEBRUARY)
    decision = trips.display(f"{NAME}/decision", FEBRUARY)
    assert decision["outcome"] == "triggered"
    assert "An important column drifted: km (PSI" in decision["reason"]


def test_a_calendar_column_is_named_and_left_out(open_world: OpenWorld, january: Path) -> None:
    day = Derived(day=pl.col("ordered_at").dt.ordinal_day())
    trips = open_world(january, scenario.trips(features=[*scenario.trips().features, day]))
    trips.run("2024-01", recompute=True)
    trips.run(FEBRUARY)
    row = _drift(trips, FEBRUARY)["day"]
    assert (row["status"], row["psi"] > 5) == ("calendar", True)
    assert "day" in _checks(trips, FEBRUARY)["weighted_drift"]["description"]
    result = trips.records()[f"{NAME}/drift", FEBRUARY].result_as(DriftResult)
    assert result.calendar == ("day",) and "day" not in result.moved


def test_few_rows_are_not_judged(open_world: OpenWorld, february: Path) -> None:
    trips = open_world(february, scenario.trips(drift=Drift(min_rows=401, report_rows=0)))
    assert f"{NAME}/drift" in {asset for asset, _, status in trips.run(FEBRUARY, recompute=True) if status == "made"}
    checks = _checks(trips, FEBRUARY)
    assert {check["value"] for check in checks.values()} == {None}
    assert checks["weighted_drift"]["description"] == (
        "400 rows are too few to tell drift from chance; 401 are needed."
    )


def test_another_threshold_measures_again_and_another_seed_of_the_report_does_not(
    open_world: OpenWorld, february: Path
) -> None:
    trips = open_world(february, scenario.trips(drift=Drift(seed=7, report_rows=0)))
    assert f"{NAME}/drift" not in {
        asset for asset, _, status in trips.run(FEBRUARY, recompute=True) if status == "made"
    }
    trips.declare(scenario.trips(drift=Drift(weighted=0.001, report_rows=0)))
    made = {asset for asset, _, status in trips.run(FEBRUARY, recompute=True) if status == "made"}
    assert made == {f"{NAME}/drift", f"{NAME}/report"}
    assert not _checks(trips, FEBRUARY)["weighted_drift"]["passed"]


def test_without_partitions_what_was_trained_on_is_left_out(open_world: OpenWorld, trained_churn: Path) -> None:
    churn = open_world(trained_churn, scenario.churn())
    rows = _drift(churn, "all")
    parts = churn.display("churn/training_set", "all")
    assert (rows["spending"]["rows"], rows["spending"]["reference_rows"]) == (parts["holdout"], parts["train"])
    # What is scored is the holdout, and that is the scores' reference.
    assert rows["score"]["psi"] == 0 and rows["score"]["rows"] == parts["holdout"]
    assert churn.run() == []


def test_spans_of_time_do_not_mind_what_columns_are_called(sandbox: IngestionSandbox) -> None:
    names = ["first", "last", "slice", "span", "r"]
    listed = ", ".join(f'i::DOUBLE AS "{name}"' for name in names)
    relation = f"(SELECT TIMESTAMPTZ '2024-01-01 00:00:00Z' + to_seconds(i) AS at, {listed} FROM range(128) t(i))"
    assert slices(sandbox.lake, relation, "at", names) == {
        name: [Slice(2.0 * n, 2.0 * n + 1) for n in range(64)] for name in names
    }
