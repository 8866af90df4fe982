"""A pipeline without partitions: snapshots of customers, trained on what is settled, scoring the rest."""

import json
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from ml_platform import AtLeast
from ml_platform.state import promotions, versions
from ml_platform.views.decisions import history
from ml_platform_tests import scenario
from ml_platform_tests.conftest import OpenWorld
from ml_platform_tests.world import World

APRIL = datetime(2024, 4, 1, tzinfo=UTC)


def _predictions(churn: World, version: int) -> pl.DataFrame:
    return churn.frame(f"SELECT * EXCLUDE (run_id) FROM churn.predictions WHERE version = {version} ORDER BY key")


def test_sixty_customers_become_a_champion_that_scores_those_it_was_not_trained_on(
    open_world: OpenWorld, trained_churn: Path
) -> None:
    churn = open_world(trained_churn, scenario.churn())
    told = churn.display("churn/champion", "all")
    assert told["outcome"] == "promoted"
    assert told["candidate"] == told["champion"] == "churn@1"
    training = churn.display("churn/training_set", "all")
    scored = _predictions(churn, 1)
    assert training["train"] + training["validation"] + training["holdout"] == 60
    assert scored.height == training["holdout"]
    assert set(json.loads(scored["key"][0])) == {"customer", "taken_at"}
    assert churn.display("churn/performance", "all")["labelled"] == training["holdout"]
    assert churn.run() == []


def test_empty_landing_folders_are_no_work(open_world: OpenWorld, tmp_path: Path) -> None:
    assert open_world(tmp_path, scenario.churn()).run() == []


def test_features_count_what_was_known_at_the_snapshot(open_world: OpenWorld, trained_churn: Path) -> None:
    churn = open_world(trained_churn, scenario.churn())
    logins = scenario.login_rows().filter(pl.col("logged_at") < scenario.SNAPSHOT)
    counted = logins.group_by("customer").agg(pl.len().cast(pl.Int64).alias("expected"))
    found = churn.frame("SELECT customer, logins__rows_count_28d_by_customer AS n FROM churn.features")
    both = found.join(counted, on="customer", how="left").with_columns(pl.col("expected").fill_null(0))
    assert found.height == 60 and both.filter(pl.col("n") != pl.col("expected")).is_empty()
    prices = churn.frame("SELECT plan, plans__price AS price, plans__status AS status FROM churn.features")
    assert set(prices.unique().rows()) == {("basic", 10.0, "ok"), ("family", 25.0, "ok"), ("pro", None, "unknown")}


def test_a_second_snapshot_gives_a_new_version_and_earlier_predictions_stay_S6(
    open_world: OpenWorld, trained_churn: Path
) -> None:
    churn = open_world(trained_churn, scenario.churn())
    before = _predictions(churn, 1)
    churn.land_churn(APRIL)
    churn.run()
    assert [v.version for v in versions.versions(churn.ws.state, "churn")] == [1, 2]
    assert promotions.champion_at(churn.ws.state, "churn") == 2
    assert _predictions(churn, 1).filter(pl.col("key").is_in(before["key"].implode())).equals(before)
    assert _predictions(churn, 2).height == churn.display("churn/training_set", "all")["holdout"]
    assert churn.run() == []
    reasons = [(row["outcome"], row["reason"]) for row in history(churn.ws, "churn")]
    whenever = "A pipeline without partitions is trained whenever its data or its declaration change."
    assert reasons == [("triggered", f"{count} labels are known. {whenever}") for count in (120, 60)]
    # Back to the first: it scores what waits, the second's predictions stay, and nothing is trained.
    promotions.rollback(churn.ws.state, "churn", why="complaints", actor="ada")
    second = _predictions(churn, 2)
    again = ("predictions", "performance", "drift", "report", "decision")
    assert {asset for asset, _, _ in churn.run()} <= {f"churn/{step}" for step in again}
    assert churn.run() == []
    assert _predictions(churn, 2).equals(second)
    assert promotions.champion_at(churn.ws.state, "churn") == 1


def test_customers_whose_end_is_not_known_yet_are_scored_and_not_trained_on_S17(
    open_world: OpenWorld, trained_churn: Path
) -> None:
    churn = open_world(trained_churn, scenario.churn())
    digest = churn.keys()["churn/training_set", "all"][1]
    churn.land_churn(APRIL, settled=False)
    churn.run()
    training = churn.display("churn/training_set", "all")
    assert (training["immature"], churn.keys()["churn/training_set", "all"][1]) == (60, digest)
    assert [v.version for v in versions.versions(churn.ws.state, "churn")] == [1]
    assert _predictions(churn, 1).height == training["holdout"] + 60
    assert churn.display("churn/performance", "all")["unlabelled"] == 60


def test_a_candidate_that_fails_is_kept_out_and_nothing_is_scored_without_a_champion(open_world: OpenWorld) -> None:
    churn = open_world(None, scenario.churn(gates=[AtLeast("roc_auc", 0.9999, min_rows=5)]))
    churn.land_churn()
    churn.run()
    told = churn.display("churn/champion", "all")
    assert (told["outcome"], told["champion"]) == ("kept", "none")
    assert churn.frame("SELECT count(*) FROM churn.predictions").item() == 0
    assert churn.display("churn/predictions", "all") == {"champion": "none yet"}
    assert churn.run() == []


@pytest.mark.parametrize("needed", [61])
def test_too_few_customers_hold_the_training_back(open_world: OpenWorld, trained_churn: Path, needed: int) -> None:
    from ml_platform import Retrain

    churn = open_world(trained_churn, scenario.churn(retrain=Retrain(min_examples=needed)))
    churn.run()
    assert churn.display("churn/decision", "all")["reason"] == "60 labels are known and 61 are needed."
    assert churn.display("churn/decision", "all")["outcome"] == "skipped"
    assert promotions.champion_at(churn.ws.state, "churn") == 1
    assert churn.run() == []
