"""Parameters that LightGBM knows and the platform may pass on."""

import pytest

from ml_platform.errors import TrainingError
from ml_platform.models.lightgbm_parameters import check_extra


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
