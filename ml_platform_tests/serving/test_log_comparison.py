"""Logged answers computed again, for a pipeline that looks up no table."""

import json

import dataframely as dy
import polars as pl
import pytest

from ml_platform import Derived, Examples, Files, LightGBM, ModelPipeline, Table
from ml_platform.features.definition import FeatureDefinition
from ml_platform.serving import log_comparison
from ml_platform.state.stores import Stores


class Visits(dy.Schema):
    visit = dy.Int64(primary_key=True)
    at = dy.Datetime(time_zone="UTC")
    minutes = dy.Float64()
    good = dy.Bool(nullable=True)


PIPELINE = ModelPipeline(
    "visits_go_well",
    tables=(Table("visits", Files("visits/*.csv"), Visits, event_time="at"),),
    examples=Examples("visits", key="visit", at="at", inputs=["minutes"], label="good"),
    features=(Derived(twice=pl.col("minutes") * 2),),
    trainer=LightGBM(),
)


@pytest.mark.parametrize(("twice", "wrong"), [(3.0, 0), (99.0, 1)])
def test_another_feature_is_wrong_where_no_stored_row_can_explain_it(stores: Stores, twice: float, wrong: int) -> None:
    sent = {"visit": 1, "at": "2024-01-01T00:00:00+00:00", "minutes": 1.5}
    logged = {"inputs": sent, "features": {"twice": twice}, "statuses": {}, "snapshots": {}}
    log = pl.DataFrame(
        {"key": ["1"], "id": ["a"], "version": [1], **{name: [json.dumps(value)] for name, value in logged.items()}}
    )
    answered = log_comparison._Answered.of(FeatureDefinition.of(PIPELINE), log)
    differing = log_comparison._Findings()
    log_comparison._compare_features(stores, answered, differing)
    assert differing.counts == {**dict.fromkeys(log_comparison._KINDS, 0), log_comparison._WRONG: wrong}
