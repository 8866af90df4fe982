"""The plan: parameters that LightGBM knows and the platform may pass on."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from ml_platform.errors import TrainingError
from ml_platform.spec.training import LightGBM
from ml_platform.training.training_plan import Plan, check_extra, plan
from ml_platform.training.training_set import TrainingSet
from ml_platform_tests.scenario import labelled_trips

STORED = TrainingSet("abc", datetime(2013, 3, 1, tzinfo=UTC), 1, {}, 0, {})


def test_an_unknown_parameter_is_refused_with_the_nearest_known_one() -> None:
    with pytest.raises(TrainingError, match=r"no parameter 'max_bins_' .* Did you mean 'max_bins'\?"):
        check_extra({"max_bins_": 63}, "binary")


@pytest.mark.parametrize("name", ["n_estimators", "num_threads", "seed", "random_state", "data", "device"])
def test_what_the_platform_sets_is_refused_under_every_name(name: str) -> None:
    with pytest.raises(TrainingError):
        check_extra({name: 1}, "binary")


def test_one_parameter_under_two_names_is_refused() -> None:
    with pytest.raises(TrainingError, match="twice"):
        check_extra({"lambda_l2": 1, "reg_lambda": 2}, "binary")


def test_an_objective_must_be_one_of_the_task() -> None:
    assert check_extra({"application": "poisson"}, "regression") == {"objective": "poisson"}
    with pytest.raises(TrainingError, match="none of a binary task"):
        check_extra({"objective": "poisson"}, "binary")


def test_extra_reaches_lightgbm_under_its_principal_name_and_nothing_is_changed_silently() -> None:
    pipeline = labelled_trips.pipeline(trainer=LightGBM(extra={"reg_lambda": 2.0}))
    found = plan(pipeline, STORED)
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
    assert found.parameters == {**defaults, "lambda_l2": 2.0}


def test_times_and_keys_never_reach_the_model() -> None:
    assert list(plan(labelled_trips.pipeline(), STORED).columns) == ["city", "rush", "km", "riders", "hour", "far"]


def test_a_plan_survives_json_in_the_order_of_its_columns() -> None:
    found = plan(labelled_trips.pipeline(), STORED)
    again = Plan.from_json(json.loads(json.dumps(found.to_json(), sort_keys=True)))
    assert again == found
    assert list(again.columns) == list(found.columns)
