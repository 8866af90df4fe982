"""The gate Parity: examples of the holdout, answered by the predictor of its bundle from an online store."""

from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import polars as pl
import pytest

from ml_platform.evaluation.candidate import Candidate, Evidence
from ml_platform.features.online.passes import OnlinePass
from ml_platform.models.predictor import Predictor
from ml_platform.serving.online import ManyPredictions, OnlinePredictor
from ml_platform.spec.gates import Parity
from ml_platform.state import versions
from ml_platform.state.objections import objections_of
from ml_platform.steps.judged_candidate import candidate_of
from ml_platform.steps.replaying import replayed
from ml_platform_tests.conftest import OpenWorld
from ml_platform_tests.world import World

FIRST_DEFAULT = "9728f59b1e4f8472121a075a83ff5a174c13a829da92ef19b3a4b405fbfd33cf"  # the key of `Parity()` in old lakes


@pytest.fixture
def trips(open_world: OpenWorld, january: Path) -> World:
    return open_world(january)


def candidate(world: World) -> Candidate:
    version = versions.version(world.ws.state, world.pipeline.name, 1)
    with candidate_of(world.ws, world.pipeline, "2024-01", version, [Evidence.REPLAY]) as one:
        return one


def test_the_whole_of_a_small_holdout_is_answered_with_the_features_and_scores_of_the_batch(trips: World) -> None:
    judged = candidate(trips)
    assert judged.parity is not None
    outcome = judged.parity(2_000)
    assert outcome.compared == len(judged.holdout) > 50
    assert outcome.differing == 0, outcome.detail
    assert judged.parity(7).compared == 7


def test_another_value_or_score_than_in_the_batch_is_counted_once_an_example_and_named(trips: World) -> None:
    version = versions.version(trips.ws.state, trips.pipeline.name, 1)
    holdout = candidate(trips).holdout.frame
    column = next(name for name in trips.pipeline.feature_schema if name in holdout.columns)
    damaged = holdout.with_columns(pl.lit(None, holdout.schema[column]).alias(column))
    outcome = replayed(trips.ws, version, damaged, 20)
    assert 0 < outcome.differing <= 20 and f"{column} of " in outcome.detail
    answer = Predictor.answer_row
    with patch.object(Predictor, "answer_row", lambda self, values: (answer(self, values)[0] / 2, None)):
        outcome = replayed(trips.ws, version, holdout, 20)
    assert outcome.differing == 20 and "online" in outcome.detail and "answered one at a time from" in outcome.detail


def test_other_features_or_scores_of_many_rows_together_are_counted_too(trips: World) -> None:
    version = versions.version(trips.ws.state, trips.pipeline.name, 1)
    holdout = candidate(trips).holdout.frame
    assert "answered one at a time and together from" in replayed(trips.ws, version, holdout, 20).detail
    predict_many = OnlinePredictor.predict_many

    def with_another_score(predictor: OnlinePredictor, examples: pl.DataFrame) -> ManyPredictions:
        answers = predict_many(predictor, examples)
        return replace(answers, answers=answers.answers.with_columns(pl.col("score") / 2))

    def with_another_feature(predictor: OnlinePredictor, examples: pl.DataFrame) -> ManyPredictions:
        answers = predict_many(predictor, examples)
        column = next(iter(trips.pipeline.feature_schema))
        return replace(answers, features=answers.features.with_columns(pl.col(column).shift()))

    for wrong in (with_another_score, with_another_feature):
        with patch.object(OnlinePredictor, "predict_many", wrong):
            outcome = replayed(trips.ws, version, holdout, 20)
        assert outcome.differing > 0 and "answered together from" in outcome.detail


def test_a_store_that_lacks_a_row_is_noticed(trips: World) -> None:
    version = versions.version(trips.ws.state, trips.pipeline.name, 1)
    holdout = candidate(trips).holdout.frame
    select_rows = OnlinePass.select_rows

    def without_some(online_pass: OnlinePass, frame: pl.DataFrame):  # type: ignore[no-untyped-def]  # as `select_rows`
        return select_rows(online_pass, frame.gather_every(2))

    with patch.object(OnlinePass, "select_rows", without_some):
        assert replayed(trips.ws, version, holdout, 50).differing > 0


def test_a_version_that_was_judged_under_the_default_of_older_code_is_promoted_by_hand(trips: World) -> None:
    state, name = trips.ws.state, trips.pipeline.name
    with state.writing() as connection:  # as older lakes have it
        found = connection.exec_driver_sql(
            "UPDATE verdicts SET gate_key = ?, gate = '50 examples replayed', rows = 50 WHERE gate_key = ?",
            (FIRST_DEFAULT, Parity().key),
        )
        assert found.rowcount == 1
    assert objections_of(state, name, 1, trips.pipeline.required_gates) == []
    assert "train" not in [work.job for work in trips.planned()], "and its verdicts stand"
