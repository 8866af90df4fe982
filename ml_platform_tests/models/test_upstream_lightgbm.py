"""What LightGBM does and this package relies on or guards against."""

import subprocess
import sys

import lightgbm
import numpy as np
import polars as pl
import pytest

from ml_platform.models.lightgbm_parameters import _principal_names

DATA = pl.DataFrame({"a": np.arange(200) % 17, "b": np.arange(200) % 5 * 1.0})
LABEL = (DATA["a"].to_numpy() > 8).astype(float)
FIT = {"objective": "binary", "verbosity": -1, "deterministic": True, "force_col_wise": True, "num_threads": 1}


def test_it_names_every_parameter_and_alias_it_knows() -> None:
    names = _principal_names()
    assert names["n_estimators"] == names["num_iterations"] == "num_iterations"
    assert names["lambda_l2"] == names["reg_lambda"] == "lambda_l2"
    assert "max_bin" in names
    assert "max_bins_of_mine" not in names


def test_it_takes_unknown_parameters_without_a_word() -> None:
    lightgbm.train({**FIT, "no_such_thing": 3}, lightgbm.Dataset(DATA, LABEL), 2)


def test_it_takes_columns_by_position_whatever_they_are_called() -> None:
    booster = lightgbm.train(FIT, lightgbm.Dataset(DATA, LABEL), 5)
    swapped = booster.predict(DATA.select("b", "a"))
    assert not np.array_equal(swapped, booster.predict(DATA))


def test_its_text_holds_the_threads_in_one_line() -> None:
    booster = lightgbm.train(FIT, lightgbm.Dataset(DATA, LABEL), 2)
    assert booster.model_to_string().count("\n[num_threads: 1]\n") == 1


@pytest.mark.parametrize("dtype", ["Categorical", "String"])
def test_it_ends_the_process_for_text(dtype: str) -> None:
    code = (
        "import lightgbm, polars as pl\n"
        f"frame = pl.DataFrame({{'a': ['x', 'y'] * 50}}).cast(pl.{dtype})\n"
        "lightgbm.Dataset(frame, [0.0, 1.0] * 50, params={'verbosity': -1}).construct()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode != 0
