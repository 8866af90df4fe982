"""Doubles are in order whichever library sorts them."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_platform.monitoring import sorting


@given(st.lists(st.floats(width=64), max_size=30), st.sampled_from([[], [np.nan], [-np.nan, np.nan]]))
def test_both_libraries_put_doubles_in_the_same_order_with_nan_of_any_sign_last(
    numbers: list[float], nans: list[float]
) -> None:
    values = pl.Series([*nans, *numbers, -0.0, np.inf, 0.0, -np.inf, 5e-324, -5e-324], dtype=pl.Float64)
    expected = sorted(x for x in values if not np.isnan(x)) + [np.nan] * int(values.is_nan().sum())
    for result in (sorting._by_numpy(values), sorting._by_polars(values), sorting.in_order(values)):
        np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize("numpy_is_faster", [True, False])
def test_many_values_are_sorted_by_the_library_that_is_faster_here(
    numpy_is_faster: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sorting, "_numpy_is_faster", lambda: numpy_is_faster)
    slower = "_by_polars" if numpy_is_faster else "_by_numpy"
    monkeypatch.setattr(sorting, slower, None)
    values = pl.Series(np.random.default_rng(3).normal(size=sorting._WORTH_ASKING))
    assert (np.diff(sorting.in_order(values)) >= 0).all()
