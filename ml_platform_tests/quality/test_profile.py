"""What a profile says of a column."""

from itertools import permutations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_platform.quality.profile import profile, quantile


@pytest.mark.parametrize("kind", [pl.Float32(), pl.Float64()], ids=str)
def test_zeros_of_either_sign_have_one_profile_whatever_their_order(kind: pl.DataType) -> None:
    profiles = [profile([pl.Series("x", order, dtype=kind)], "t", "p", "k") for order in permutations([0.0, -0.0, 1.5])]
    profiles.append(profile([pl.Series("x", [-0.0, -0.0, 1.5], dtype=kind)], "t", "p", "k"))
    assert {str(one.rows()) for one in profiles} == {str(profiles[0].rows())}
    assert profiles[0]["min"].item() == "0.0"


_NUMBERS = st.one_of(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1),
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1),
)


@given(numbers=_NUMBERS, share=st.floats(0, 1))
def test_a_quantile_is_that_of_the_column_as_floats_to_the_last_bit(numbers: list[float], share: float) -> None:
    ordered = pl.Series(numbers).sort()
    assert repr(quantile(ordered, share)) == repr(ordered.cast(pl.Float64).quantile(share, "linear"))
