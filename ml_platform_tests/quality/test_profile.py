"""What a profile says of a column."""

from itertools import permutations

import polars as pl
import pytest

from ml_platform.quality.profile import profile


@pytest.mark.parametrize("kind", [pl.Float32(), pl.Float64()], ids=str)
def test_zeros_of_either_sign_have_one_profile_whatever_their_order(kind: pl.DataType) -> None:
    profiles = [profile([pl.Series("x", order, dtype=kind)], "t", "p", "k") for order in permutations([0.0, -0.0, 1.5])]
    profiles.append(profile([pl.Series("x", [-0.0, -0.0, 1.5], dtype=kind)], "t", "p", "k"))
    assert {str(one.rows()) for one in profiles} == {str(profiles[0].rows())}
    assert profiles[0]["min"].item() == "0.0"
