"""Counting values in buckets, or by their order, gives what counting them at once gives."""

from datetime import datetime
from functools import partial
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_platform.quality import value_counts as module
from ml_platform.quality.value_counts import text_counts, value_counts


def _series(kind: Any, values: list[Any]) -> pl.Series:
    return pl.Series(values, dtype=kind)


_DRAWN: list[tuple[st.SearchStrategy[Any], Any]] = [
    (st.sampled_from([0.0, -0.0, 1.5, float("nan"), float("inf")]), pl.Float64),
    (st.integers(-3, 3), pl.Int8),
    (st.sampled_from(["", "a", "b", "text of more than twelve bytes"]), pl.String),
    (st.booleans(), pl.Boolean),
    (st.datetimes(datetime(2020, 1, 1), datetime(2020, 1, 1, 0, 0, 0, 9)), pl.Datetime("us")),
]
_VALUES = st.one_of([st.lists(drawn).map(partial(_series, kind)) for drawn, kind in _DRAWN])


@given(values=_VALUES, levels=st.integers(1, 4))
def test_counts_are_those_of_all_values_at_once(values: pl.Series, levels: int) -> None:
    naive = values.alias("value").value_counts(name="n")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module, "_AT_ONCE", 2)
        patched.setattr(module, "_HELD", 4)
        texts = partial(text_counts, lambda: [values[:3], values[3:]], len(values))
        counts = texts(levels) if values.dtype == pl.String else value_counts(values, levels)
    assert (counts.distinct, counts.most_common) == (naive.height, naive["n"].max() or 0)
    often = naive if naive.height <= levels else naive.filter(pl.col("n") * levels >= len(values))
    assert _rows(counts.frequent) == _rows(often)


def _rows(counts: pl.DataFrame) -> list[str]:
    """Whichever of 0.0 and -0.0 stands for both."""
    return sorted(repr(row).replace("-0.0", "0.0") for row in counts.rows())
