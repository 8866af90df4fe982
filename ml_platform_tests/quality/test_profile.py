"""What a profile says of a column."""

import json
from datetime import datetime
from functools import partial
from itertools import permutations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_platform.quality import profile as module
from ml_platform.quality import value_counts
from ml_platform.quality.column_parts import ColumnParts
from ml_platform.quality.profile import profile, quantile


@pytest.mark.parametrize("kind", [pl.Float32(), pl.Float64()], ids=str)
def test_zeros_of_either_sign_have_one_profile_whatever_their_order(kind: pl.DataType) -> None:
    columns = [pl.Series("x", order, dtype=kind) for order in permutations([0.0, -0.0, 1.5])]
    columns.append(pl.Series("x", [-0.0, -0.0, 1.5], dtype=kind))
    profiles = [profile([ColumnParts.of(column)], "t", "p", "k") for column in columns]
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


_SOME = ["", "A1", "b", "é", "N104UW", "text of more than twelve bytes", None]


@given(texts=st.lists(st.sampled_from(_SOME), max_size=20), cut=st.integers(0, 20), levels=st.integers(1, 4))
def test_texts_in_parts_have_the_profile_of_all_at_once(texts: list[str | None], cut: int, levels: int) -> None:
    whole = pl.Series("x", texts, dtype=pl.String)
    parts = ColumnParts("x", pl.String(), lambda: [whole[:cut], whole[cut:]])
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "LEVELS", levels)
        patched.setattr(module, "FORMED", 3)
        at_once = profile([ColumnParts.of(whole)], "t", "p", "k")
        patched.setattr(value_counts, "_AT_ONCE", 2)
        patched.setattr(value_counts, "_HELD", 4)
        assert profile([parts], "t", "p", "k").equals(at_once)
        values = whole.drop_nulls()
        drawn = json.dumps(module._forms(values.gather_every(len(values) // 3 + 1)))
    assert at_once.select("rows", "nulls", "distinct").row(0) == (len(whole), whole.null_count(), values.n_unique())
    assert at_once.select("min", "max").row(0) == (values.min(), values.max())
    assert at_once["forms"].item() == (drawn if values.n_unique() > levels else None)


@given(moments=st.lists(st.datetimes(), min_size=1, max_size=10), numbers=_NUMBERS)
def test_columns_that_are_looked_at_in_parts_have_the_profile_of_all_at_once(
    moments: list[datetime], numbers: list[float]
) -> None:
    columns = [pl.Series("at", moments, dtype=pl.Datetime("us")), pl.Series("x", numbers)]
    cut = [ColumnParts(column.name, column.dtype, partial(_halves, column)) for column in columns]
    at_once = profile(map(ColumnParts.of, columns), "t", "p", "k", "at")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "_AT_ONCE", 3)
        patched.setattr(value_counts, "_AT_ONCE", 3)
        assert str(profile(cut, "t", "p", "k", "at").rows()) == str(at_once.rows())
    hours = json.loads(at_once["hours"][0])
    assert [sum(moment.hour == hour for moment in moments) for hour in range(24)] == hours
    assert sum(json.loads(at_once["days"][0]).values()) == len(moments)
    whole = columns[1].cast(pl.Float64).rechunk()
    assert repr(at_once["std"][1]) == repr(whole.std()) and at_once["mean"][1] == whole.mean()


def _halves(column: pl.Series) -> list[pl.Series]:
    return [column[: len(column) // 2], column[len(column) // 2 :]]
