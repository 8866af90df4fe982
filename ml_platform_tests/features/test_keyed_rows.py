"""The stored rows of many keys, read at once, are those of each key alone."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_platform.errors import FeatureError
from ml_platform.features.online.keyed_rows import KeyedRows
from ml_platform.features.online.rows import Layout, Values, key_bytes

LAYOUT = Layout("rows", {"n": "whole", "note": "text", "share": "fraction", "code": "text"})
NUMBERS, TEXTS = ("n", "share"), ("note", "code")
ROWS = st.lists(
    st.tuples(
        st.none() | st.integers(-(2**63), 2**63 - 1),
        st.none() | st.text(max_size=5),
        st.none() | st.floats(allow_nan=False),
        st.text(max_size=3),
    ),
    max_size=4,
)
TYPES = {"n": pl.Int64(), "note": pl.String(), "share": pl.Float64(), "code": pl.String()}


def packed(rows: list[Any], first: int = 0) -> bytes:
    frame = pl.DataFrame(rows, schema=TYPES, orient="row")
    return LAYOUT.pack(len(rows), first, {name: Values.of(frame[name]) for name in TYPES})


@given(st.lists(st.none() | ROWS, max_size=5))
def test_rows_of_many_keys_are_those_of_each_alone(keys: list[list[Any] | None]) -> None:
    values = [None if rows is None else packed(rows, number) for number, rows in enumerate(keys)]
    alone = [LAYOUT.empty if value is None else LAYOUT.read(value) for value in values]
    together = KeyedRows(LAYOUT, values)
    assert together.counts.tolist() == [rows.rows for rows in alone]
    assert together.group.tolist() == [group for group, rows in enumerate(alone) for _ in range(rows.rows)]
    assert together.first.tolist() == [rows.first for rows in alone for _ in range(rows.rows)]
    everywhere = np.arange(together.count)
    for name in TYPES:
        wanted = [rows.value(name, index, TYPES[name]) for rows in alone for index in range(rows.rows)]
        assert together.column(name, everywhere, TYPES[name]).to_list() == wanted
        assert together.column(name, everywhere[::-1], TYPES[name]).to_list() == wanted[::-1]
    for name in NUMBERS:
        assert together.numbers(name).tolist() == [number for rows in alone for number in rows.numbers(name).tolist()]


@pytest.mark.parametrize("name", TYPES)
def test_a_value_that_is_cut_off_or_of_another_layout_is_refused(name: str) -> None:
    whole, other = packed([(1, "a", 0.5, "b"), (None, "cd", None, "e")]), Layout("others", LAYOUT.columns)
    everywhere = np.arange(4)
    wrongs = [whole[:10], other.fingerprint + whole[8:], whole[: LAYOUT.start]]
    if name == "code":  # the last one
        wrongs.append(whole[:-1])
    for wrong in wrongs:
        with pytest.raises(FeatureError, match="another layout"):
            KeyedRows(LAYOUT, [whole, wrong]).column(name, everywhere, TYPES[name])


def test_a_key_is_a_json_array_of_its_parts() -> None:
    moment = datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)
    assert key_bytes(['a"ä\n', 7, True, -0.0, moment, moment.date()]) == (
        '["a\\"ä\\n",7,true,0.0,1000000,"1970-01-01"]'.encode()
    )
    assert key_bytes([1, None]) is None and key_bytes([]) == b"[]"
