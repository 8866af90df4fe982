"""The plan: what a trainer is given besides the training set."""

import json
from datetime import UTC, datetime
from typing import Any

from ml_platform.spec.training import LightGBM
from ml_platform.training.training_plan import Plan, plan
from ml_platform.training.training_set import TrainingSet
from ml_platform_tests.scenario import labelled_trips

STORED = TrainingSet("abc", datetime(2013, 3, 1, tzinfo=UTC), 1, {}, 0, {})


def test_extra_reaches_lightgbm_under_its_principal_name_and_nothing_is_changed_silently() -> None:
    pipeline = labelled_trips.pipeline(trainer=LightGBM(extra={"reg_lambda": 2.0}))
    planned = plan(pipeline, STORED)
    defaults: dict[str, Any] = {
        "objective": "binary",
        "num_leaves": 31,
        "learning_rate": 0.1,
        "min_data_in_leaf": 20,
        "seed": 0,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
    assert planned.config["parameters"] == {**defaults, "lambda_l2": 2.0}


def test_times_and_keys_never_reach_the_model() -> None:
    assert list(plan(labelled_trips.pipeline(), STORED).columns) == ["city", "rush", "km", "riders", "hour", "far"]


def test_a_plan_survives_json_in_the_order_of_its_columns() -> None:
    planned = plan(labelled_trips.pipeline(), STORED)
    again = Plan.from_json(json.loads(json.dumps(planned.to_json(), sort_keys=True)))
    assert again == planned
    assert list(again.columns) == list(planned.columns)
