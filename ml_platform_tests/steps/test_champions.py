"""Who serves when: decisions, verdicts, promotions and rollbacks month by month (S20 to S26, S33)."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from ml_platform import AtLeast, NoWorseThanChampion, Retrain
from ml_platform.errors import OrderError
from ml_platform.spec.gates import Gate
from ml_platform.state import promotions, verdicts, versions
from ml_platform.views.status import months
from ml_platform_tests import scenario
from ml_platform_tests.conftest import OpenWorld
from ml_platform_tests.world import World

NAME = "trip_delay"
TABLES = ["validated/trips", "validated/traffic"]
DATA = ["features", "predictions", "performance", "drift", "report", "decision"]
UNREACHED = AtLeast("roc_auc", 0.999)


def _steps(trips: World, month: str, steps: Sequence[str]) -> None:
    for step in steps:
        trips.step(step if "/" in step else f"{NAME}/{step}", month)


def _with_gates(*gates: Gate) -> list[Gate]:
    return [*scenario.trips().gates, *gates]


def _scored_by(trips: World, month: str) -> list[int]:
    found = trips.frame(f"SELECT DISTINCT version FROM {NAME}.predictions WHERE _partition = '{month}' ORDER BY 1")
    return found["version"].to_list()


def test_the_champion_at_the_start_of_a_month_scores_it_S21(open_world: OpenWorld, february: Path) -> None:
    trips = open_world(february)
    assert _scored_by(trips, "2024-01") == [], "there was none yet"
    assert _scored_by(trips, "2024-02") == [1], "the champion of the end of February is another"
    assert promotions.champion_at(trips.ws.state, NAME) == 2
    scored = trips.frame(f"SELECT key FROM {NAME}.predictions WHERE _partition = '2024-02' ORDER BY \"at\"")
    assert scored["key"].to_list() == [str(trip) for trip in scenario.trip_rows("2024-02")["trip"]]
    assert trips.display(f"{NAME}/performance", "2024-02")["champion"] == f"{NAME}@1"


def test_a_challenger_is_compared_with_the_champion_before_it_S25(open_world: OpenWorld, february: Path) -> None:
    trips = open_world(february)
    key = NoWorseThanChampion("roc_auc", tolerance=0.2).key
    first, second = (next(v for v in verdicts.of(trips.ws.state, NAME, n) if v.gate_key == key) for n in (1, 2))
    assert (first.passed, first.value) == (True, None)
    assert "no champion yet" in first.detail
    assert second.passed and second.low is not None and second.low > -0.2
    assert f"{NAME}@1" in second.detail


def test_a_champion_of_other_features_is_compared_under_its_own_S25(open_world: OpenWorld, january: Path) -> None:
    fewer = scenario.trips(features=scenario.trips().features[:2])
    trips = open_world(january, fewer)
    _steps(trips, "2024-02", [*TABLES, *DATA, "training_set", "candidate", "verdicts"])
    key = NoWorseThanChampion("roc_auc", tolerance=0.2).key
    found = next(v for v in verdicts.of(trips.ws.state, NAME, 2) if v.gate_key == key)
    assert found.value is not None and f"{NAME}@1" in found.detail
    assert found.rows == len(_holdout(trips, 2))


def _holdout(trips: World, number: int) -> pl.DataFrame:
    stored = versions.version(trips.ws.state, NAME, number).training_set
    return pl.read_parquet(trips.ws.blobs.get(stored)).filter(pl.col("_part") == "holdout")


def test_a_candidate_that_fails_a_gate_is_kept_out_and_the_old_champion_goes_on(
    open_world: OpenWorld, january: Path
) -> None:
    trips = open_world(january, scenario.trips(gates=_with_gates(UNREACHED)))
    trips.land_trips("2024-04")
    trips.run("2024-02")
    told = trips.display(f"{NAME}/champion", "2024-02")
    assert (told["outcome"], told["candidate"], told["champion"]) == ("kept", f"{NAME}@2", f"{NAME}@1")
    assert "roc_auc at least 0.999" in told["reason"]
    last = promotions.history(trips.ws.state, NAME)[-1]
    assert (last.action, last.partition, last.version) == ("kept", "2024-02", 1)
    _steps(trips, "2024-03", [*TABLES, "features", "predictions"])
    assert _scored_by(trips, "2024-03") == [1]


def test_a_candidate_without_a_verdict_is_not_promoted_S26(open_world: OpenWorld, january: Path) -> None:
    trips = open_world(january)
    _steps(trips, "2024-02", [*TABLES, *DATA, "training_set", "candidate", "champion"])
    told = trips.display(f"{NAME}/champion", "2024-02")
    assert told["outcome"] == "kept"
    assert told["reason"].count("there is no verdict on") == len(scenario.trips().all_gates)
    assert promotions.champion_at(trips.ws.state, NAME) == 1
    # Once it is judged, it is promoted: the verdicts are part of the key.
    assert [asset for asset, _, status in trips.run("2024-02") if status == "made"] == [
        f"{NAME}/verdicts",
        f"{NAME}/champion",
    ]
    assert promotions.champion_at(trips.ws.state, NAME) == 2


def test_what_was_rolled_back_is_not_promoted_again_by_itself_S26(open_world: OpenWorld, february: Path) -> None:
    trips = open_world(february)
    promotions.rollback(trips.ws.state, NAME, why="complaints", actor="ada")
    assert promotions.champion_at(trips.ws.state, NAME) == 1
    assert trips.run() == [], "a rerun after a rollback launches nothing"
    assert _scored_by(trips, "2024-02") == [1]
    # Another gate judges February's candidate again. It passes, and still stays out.
    trips.declare(scenario.trips(gates=_with_gates(AtLeast("average_precision", 0.2))))
    trips.run(recompute=True)
    told = trips.display(f"{NAME}/champion", "2024-02")
    assert told["outcome"] == "kept" and "rolled back by ada (complaints)" in told["reason"]
    assert promotions.champion_at(trips.ws.state, NAME) == 1
    _steps(trips, "2024-03", [*TABLES, "features", "predictions"])
    assert _scored_by(trips, "2024-03") == [1]


def test_a_month_that_is_held_back_trains_nothing_and_says_so_S21(open_world: OpenWorld, january: Path) -> None:
    trips = open_world(january, scenario.trips(retrain=Retrain(every=2, min_examples=200)))
    trips.run("2024-02")
    assert trips.display(f"{NAME}/decision", "2024-01")["outcome"] == "triggered"
    why = "Trained 1 partition ago; due every 2."
    told = trips.display(f"{NAME}/decision", "2024-02")
    assert (told["outcome"], told["reason"]) == ("skipped", why)
    assert (f"{NAME}/training_set", "2024-02", "made") not in trips.steps_run, "no train job is launched for it"
    assert [v.version for v in versions.versions(trips.ws.state, NAME)] == [1]
    row = months(trips.ws, trips.pipeline)[1]
    assert (row["outcome"], row["champion"]) == ("skipped", f"{NAME}@1")
    # It is in the log, so what a person decides afterwards counts from the end of February.
    last = promotions.history(trips.ws.state, NAME)[-1]
    assert (last.action, last.version, last.reason) == ("kept", 1, f"skipped: {why}")
    assert last.effective_at == datetime(2024, 3, 1, tzinfo=UTC)
    assert trips.run("2024-02") == []


def test_too_few_labels_hold_a_month_back_and_the_next_one_has_enough_S20(open_world: OpenWorld, january: Path) -> None:
    trips = open_world(january, scenario.trips(retrain=Retrain(min_examples=500)))
    trips.run("2024-02", recompute=True)
    first, second = (trips.display(f"{NAME}/decision", month) for month in ("2024-01", "2024-02"))
    assert first["outcome"] == "skipped" and "500 are needed" in first["reason"]
    assert second["outcome"] == "triggered" and second["labelled"] > 500


def test_a_label_of_one_class_holds_the_month_back_and_scoring_goes_on_S18(
    open_world: OpenWorld, january: Path
) -> None:
    examples = scenario.trips().examples
    never = scenario.trips(
        examples=type(examples)(
            "trips",
            key="trip",
            at="ordered_at",
            inputs=examples.inputs,
            exclude=examples.exclude,
            label=pl.col("late") > 5_000,
        )
    )
    trips = open_world(january, never)
    trips.run("2024-02", recompute=True)
    why = "the labels are all the same in train (always False), holdout (always False)."
    for month in ("2024-01", "2024-02"):
        told = trips.display(f"{NAME}/decision", month)
        assert (told["outcome"], told["reason"]) == ("skipped", why)
    assert _scored_by(trips, "2024-02") == [1]
    assert trips.run("2024-02") == []


def test_a_month_of_one_class_keeps_the_champion_and_the_next_one_trains_again_S18(
    open_world: OpenWorld, january: Path
) -> None:
    trips = open_world(january)
    punctual = scenario.trip_rows("2024-02").with_columns(pl.col("late").clip(upper_bound=5.0))
    trips.land("trips", "trips_2024-02.csv", punctual, datetime(2024, 3, 1, tzinfo=UTC))
    trips.land_trips("2024-04")
    trips.run("2024-03")
    told = trips.display(f"{NAME}/decision", "2024-02")
    assert told["outcome"] == "skipped" and "the same in holdout (always False)" in told["reason"]
    assert months(trips.ws, trips.pipeline)[1]["champion"] == f"{NAME}@1"
    undefined = trips.frame(
        f"SELECT value, rows FROM {NAME}.performance WHERE _partition = '2024-02' AND metric = 'roc_auc' "
        "AND sliced_by = ''"
    )
    assert undefined.rows()[0][0] is None and undefined.rows()[0][1] > 300
    assert trips.display(f"{NAME}/decision", "2024-03")["outcome"] == "triggered"
    assert _scored_by(trips, "2024-03") == [1]


def test_a_month_is_decided_only_after_the_one_before_it_S33(open_world: OpenWorld, january: Path) -> None:
    trips = open_world(january)
    trips.land_trips("2024-04")
    with pytest.raises(OrderError, match="champion for 2024-03 follows 2024-02, which is undecided"):
        trips.run(only="2024-03")
    assert [asset for asset, _, _ in trips.steps_run][-1] == f"{NAME}/verdicts"
    with pytest.raises(OrderError, match=r"no complete data for 2024-05.*2024-01 to 2024-03"):
        trips.run(only="2024-05")


def test_a_single_month_has_the_features_it_has_after_those_before_it_S9(open_world: OpenWorld, february: Path) -> None:
    single, inorder = open_world(None), open_world(february)
    single.land_trips("2024-01", "2024-02", "2024-03")
    with pytest.raises(OrderError, match="follows 2024-01, which is undecided"):
        single.run(only="2024-02")
    features = (f"{NAME}/features", "2024-02")
    assert single.keys()[features] == inorder.keys()[features]
    assert not [asset for asset, month, _ in single.steps_run if month == "2024-01" and asset.startswith(NAME)]


def test_a_step_without_the_one_before_it_says_which_to_make(open_world: OpenWorld, january: Path) -> None:
    trips = open_world(january)
    with pytest.raises(OrderError, match=r"no decision for 2024-02.*Materialize trip_delay/decision for 2024-02"):
        trips.step(f"{NAME}/training_set", "2024-02")
    with pytest.raises(OrderError, match="candidate was not made for 2024-02"):
        trips.step(f"{NAME}/verdicts", "2024-02")
