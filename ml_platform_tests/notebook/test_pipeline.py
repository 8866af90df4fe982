"""The data, the models and the history of one pipeline."""

from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import ml_platform
from ml_platform.errors import AmbiguousKey, NotFoundError, ScoringError
from ml_platform.notebook.pipeline import Pipeline
from ml_platform.views import decisions, status
from ml_platform_tests import scenario


def test_features_are_lazy_and_of_one_partition_or_of_all(trip_delay: Pipeline) -> None:
    assert isinstance(trip_delay.features(), pl.LazyFrame)
    assert trip_delay.features().collect().height == 800
    february = trip_delay.features("2024-02").collect()
    assert february["trip"].sort().to_list() == scenario.trip_rows("2024-02")["trip"].to_list()
    assert february["_partition"].unique().to_list() == ["2024-02"]
    assert "traffic__jam" in february.columns


def test_predictions_are_lazy_and_a_partition_without_a_champion_is_empty(trip_delay: Pipeline) -> None:
    assert isinstance(trip_delay.predictions(), pl.LazyFrame)
    assert trip_delay.predictions("2024-01").collect().is_empty()
    assert trip_delay.predictions("2024-02").collect()["version"].unique().to_list() == [1]


@pytest.mark.parametrize("table", ["features", "predictions"])
def test_a_partition_that_was_not_made_is_answered_with_those_that_were(trip_delay: Pipeline, table: str) -> None:
    problem = rf"no partition of trip_delay/{table} '2024-05'. Did you mean '2024-0[12]'\? Known: 2024-01, 2024-02"
    with pytest.raises(NotFoundError, match=problem):
        getattr(trip_delay, table)("2024-05")


def test_performance_and_drift_are_the_tables_of_the_lake(trip_delay: Pipeline) -> None:
    lake = trip_delay.workspace.lake
    for name in ("performance", "drift"):
        assert_frame_equal(getattr(trip_delay, name), lake.frame(f"FROM trip_delay.{name}"), check_row_order=False)
    measured = trip_delay.performance.filter(metric="roc_auc", sliced_by="")
    assert measured["_partition"].to_list() == ["2024-02"]


def test_versions_come_with_their_gates_and_metrics(trip_delay: Pipeline) -> None:
    versions = trip_delay.versions
    assert versions.select("version", "serves", "partition").rows() == [(2, True, "2024-02"), (1, False, "2024-01")]
    assert (versions["gates_passed"] == versions["gates"]).all()
    assert versions["holdout_roc_auc"].is_between(0.5, 1).all()


def test_a_card_is_shown_as_markdown_and_has_all_its_forms(trip_delay: Pipeline) -> None:
    card = trip_delay.card(2)
    assert card._repr_markdown_() == card.markdown and card.markdown.startswith("# trip_delay@2\n")
    assert card.html.startswith("<!DOCTYPE html>") and card.json["version"] == card.values.version == 2
    assert set(card.segments["segment"]) == {"old town", "harbour", "hill"} and set(card.gaps["column"]) == {"zone"}


def test_the_champion_is_the_version_that_serves(trip_delay: Pipeline) -> None:
    champion = trip_delay.champion
    assert champion is not None and champion.name == "trip_delay@2"
    assert champion.verdicts.filter(pl.col("slice") == "")["passed"].all()
    assert champion.importance["share"].sum() == pytest.approx(1)
    assert set(champion.importance["feature"]) == set(champion.columns)


def test_a_version_scores_feature_rows_to_the_bits_of_the_stored_predictions(trip_delay: Pipeline) -> None:
    stored = trip_delay.predictions("2024-02").collect().sort("key")
    features = trip_delay.features("2024-02")
    scored = trip_delay.model(1).predict(features).sort(pl.col("trip").cast(pl.String))
    assert scored.columns == ["trip", "ordered_at", "score", "scores", "class"]
    assert scored["trip"].cast(pl.String).to_list() == stored["key"].to_list()
    for name in ("score", "scores", "class"):
        assert_frame_equal(scored.select(name), stored.select(name), check_exact=True)


def test_rows_are_scored_in_their_order_with_the_columns_they_have(trip_delay: Pipeline) -> None:
    model = trip_delay.model(1)
    rows = trip_delay.features("2024-02").collect().reverse()
    turned = model.predict(rows)
    assert turned["trip"].to_list() == rows["trip"].to_list()
    bare = model.predict(rows.select(reversed(model.columns)))
    assert bare.columns == ["score", "scores", "class"]
    assert_frame_equal(bare, turned.select(bare.columns), check_exact=True)
    assert model.predict(rows.head(0)).is_empty()


def test_rows_that_do_not_fit_the_model_are_refused(trip_delay: Pipeline) -> None:
    rows = trip_delay.features("2024-02").collect()
    with pytest.raises(ScoringError, match="lack km"):
        trip_delay.model(1).predict(rows.drop("km"))
    with pytest.raises(ScoringError, match="'km' is String"):
        trip_delay.model(1).predict(rows.with_columns(pl.col("km").cast(pl.String)))


def test_the_training_set_of_a_version_is_the_blob_it_was_trained_on(trip_delay: Pipeline) -> None:
    rows = trip_delay.training_set(1)
    assert isinstance(rows, pl.LazyFrame)
    parts = rows.group_by("_part").len().collect()
    bounds = trip_delay.model(1).record.bounds
    assert dict(parts.iter_rows()) == {part: bounds[part]["rows"] for part in ("train", "validation", "holdout")}


@pytest.mark.parametrize("method", ["model", "training_set"])
def test_an_unknown_version_is_answered_with_those_there_are(trip_delay: Pipeline, method: str) -> None:
    with pytest.raises(NotFoundError, match=r"trip_delay@9.*Known: trip_delay@1, trip_delay@2"):
        getattr(trip_delay, method)(9)


def test_history_is_what_the_command_line_shows(trip_delay: Pipeline) -> None:
    workspace, declared = trip_delay.workspace, trip_delay.declaration
    assert declared is not None
    taken = decisions.history(workspace, "trip_delay")
    assert trip_delay.decisions["reason"].to_list() == [row["reason"] for row in taken]
    assert trip_delay.decisions["outcome"].to_list() == ["triggered", "triggered"]
    changes = status.promotion_rows(workspace, "trip_delay")
    assert trip_delay.promotions["version"].to_list() == [row["version"] for row in changes] == [2, 1]
    assert trip_delay.status.rows(named=True) == status.status_rows(workspace, declared)


def test_an_explanation_holds_score_version_values_and_the_row_of_the_file(trip_delay: Pipeline) -> None:
    trips = scenario.trip_rows("2024-02")
    for number in (0, 17, 399):
        trip = trips.row(number, named=True)
        explanation = trip_delay.why(trip["trip"])
        stored = trip_delay.predictions("2024-02").filter(key=str(trip["trip"])).collect()
        assert (explanation.score, explanation.version) == (stored["score"].item(), "trip_delay@1")
        values = dict(explanation.features.select("feature", "value").iter_rows())
        assert (values["km"], values["zone"]) == (str(trip["km"]), trip["zone"])
        assert explanation.rows.select("file", "row").rows() == [("trips/trips_2024-02.csv", number)]


def test_contributions_differ_from_the_log_odds_of_the_score_by_one_number(trip_delay: Pipeline) -> None:
    keys = trip_delay.predictions("2024-02").collect()["key"][:5].to_list()
    explained = [trip_delay.why(key) for key in keys]
    rest = pl.Series(
        [
            pl.Series([one.score / (1 - one.score)]).log().item() - one.features["contribution"].sum()
            for one in explained
        ]
    )
    assert rest.to_list() == pytest.approx([rest[0]] * 5)
    sizes = [one.features["contribution"].abs().to_list() for one in explained]
    assert sizes == [sorted(size, reverse=True) for size in sizes]
    assert "log-odds" in explained[0].basis


def test_a_key_without_a_prediction_is_answered_with_some_that_have_one(trip_delay: Pipeline) -> None:
    with pytest.raises(NotFoundError, match=r"no prediction of trip_delay for the key 'x7'. Known: "):
        trip_delay.why("x7")


def test_a_part_of_several_keys_is_answered_with_candidates(trip_delay: Pipeline) -> None:
    with pytest.raises(AmbiguousKey, match=r"400 keys of trip_delay fit '202402'. Give one of them whole") as refused:
        trip_delay.why(202402)
    stored = trip_delay.predictions().sort("at", descending=True).collect()
    assert [one["key"] for one in refused.value.candidates] == stored["key"].head(20).to_list()


def test_another_version_scores_the_row_that_was_scored(trip_delay: Pipeline) -> None:
    key = trip_delay.predictions().collect()["key"][0]
    row = trip_delay.features("2024-02").filter(pl.col("trip").cast(pl.String) == key).collect()
    assert trip_delay.why(key, version=2).score == trip_delay.model(2).predict(row)["score"].item()
    assert trip_delay.why(key, version=2).version == "trip_delay@2"


def test_a_pipeline_without_partitions_has_one_that_is_called_all(trained_churn: Path) -> None:
    with ml_platform.open(trained_churn) as platform:
        churn = platform["churn"]
        assert churn.summary.newest is None and churn.summary.partitions == ("all",)
        assert_frame_equal(churn.features("all").collect(), churn.features().collect())
        assert churn.status["partition"].to_list() == ["all"]
        assert churn.champion is not None and churn.champion.predict(churn.features()).height > 0
