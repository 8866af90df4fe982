"""A file that is screened in bounded frames gives what it gives as a whole."""

import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dataframely as dy
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from ml_platform.sources import chunks
from ml_platform.sources.raw_columns import ROW
from ml_platform.spec.partitions import Monthly, Partitions
from ml_platform.spec.sources import Files
from ml_platform.spec.tables import Table
from ml_platform.validation.chunked_screening import RawRows, can_be_split, screen_in_parts, write_together
from ml_platform.validation.file_screening import counts_of, counts_of_parts
from ml_platform.validation.judging import PARTITION, row_hash
from ml_platform.validation.screening import rows_to_judge, screen


class Sale(dy.Schema):
    """Every kind of rule that looks at one row, and a key of two columns."""

    shop = dy.String(primary_key=True, regex="^[a-c]")
    number = dy.Float64(primary_key=True, max=5)
    at = dy.Datetime(time_zone="UTC")
    amount = dy.Int64(nullable=True, min=0)

    @dy.rule()
    def paid(cls) -> pl.Expr:
        return (pl.col("amount") > 0) | (pl.col("shop") != "c")


class Unkeyed(dy.Schema):
    """A table without a key: equal rows are one."""

    at = dy.Datetime(time_zone="UTC")
    amount = dy.Float64(nullable=True)


MONTHS = Monthly("2013-01", "2014-01")
_TIMES = ["2013-01-02", "2013-03-04T05:06", "2013-02-01T00:00Z", "1200-01-01", "", "soon", "2013-12-31T23:59:59.5"]
_ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "shop": st.sampled_from(["a", "b", "c", "d", ""]),
            "number": st.sampled_from(["1", "2", "2.0", "-0", "0", "nan", "6", "x", ""]),
            "at": st.sampled_from(_TIMES),
            "amount": st.sampled_from(["1", "2", "-1", "1.5", "NA", "k.A."]),
        }
    ),
    max_size=14,
)


def _table(contract: Any, **changes: Any) -> Table:
    declared = {"source": Files("sales/*.csv"), "contract": contract, "event_time": "at", "time_zone": "UTC"}
    return Table("sales", **{**declared, **changes})


def _raw(rows: list[dict[str, str]]) -> pl.DataFrame:
    schema = dict.fromkeys(("shop", "number", "at", "amount"), pl.String())
    return pl.DataFrame(rows, schema=schema).with_columns(pl.int_range(pl.len()).alias(ROW))


def _screened_in_parts(table: Table, raw: pl.DataFrame, partitions: Partitions | None) -> tuple[pl.DataFrame, Any]:
    rows = RawRows(
        raw.height,
        lambda first, end: raw.slice(first, end - first),
        lambda numbers: raw.filter(pl.col(ROW).is_in(numbers)),
    )
    with tempfile.TemporaryDirectory() as folder:
        parts = screen_in_parts(
            table, rows, lambda some: rows_to_judge(table, some, "a.csv", {}), partitions, Path(folder)
        )
        write_together(table, parts, Path(folder) / "whole")
        return pl.read_parquet(Path(folder) / "whole"), counts_of_parts(parts)


@settings(max_examples=40, deadline=None)
@given(rows=_ROWS, contract=st.sampled_from([Sale, Unkeyed]), sliced=st.booleans())
def test_frames_of_three_rows_give_the_rows_reasons_and_counts_of_the_whole_file(
    rows: list[dict[str, str]], contract: Any, sliced: bool
) -> None:
    table, raw = _table(contract), _raw(rows)
    partitions = MONTHS if sliced else None
    whole = screen(table, raw, "a.csv", {}, partitions)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(chunks, "ROWS", 3)
        frame, counts = _screened_in_parts(table, raw, partitions)
    assert_frame_equal(frame.sort(PARTITION, ROW), whole.frame)
    assert counts == counts_of(whole)


def test_rows_of_one_partition_stand_together_whatever_their_order_in_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "ROWS", 3)
    times = [f"2013-{month:02}-0{day}" for day in range(1, 4) for month in (5, 1, 3)]
    raw = _raw([{"shop": "a", "number": str(i / 2), "at": at, "amount": "1"} for i, at in enumerate(times)])
    frame, _ = _screened_in_parts(_table(Sale), raw, MONTHS)
    assert frame[PARTITION].to_list() == ["2013-01"] * 3 + ["2013-03"] * 3 + ["2013-05"] * 3
    assert frame["at"].max() == datetime(2013, 5, 3, tzinfo=UTC)


@pytest.mark.parametrize(("floats", "bits"), [(np.float32, np.uint32), (np.float64, np.uint64)])
def test_zeros_of_either_sign_and_nans_of_whatever_bits_have_one_hash(floats: Any, bits: Any) -> None:
    sign = 1 << (bits(0).nbytes * 8 - 1)
    nan = int(np.array([np.nan], dtype=floats).view(bits)[0])
    numbers = np.array([0, sign, nan, nan | sign, nan + 1], dtype=bits).view(floats)
    hashes = row_hash(pl.DataFrame({"x": numbers, "shop": ["a"] * 5}), ["shop", "x"]).to_list()
    assert len(set(hashes[:2])) == len(set(hashes[2:])) == 1
    assert hashes[0] != hashes[2]


_X = pl.col("amount")
_OF_SEVERAL_ROWS = [
    3 * _X.mean() > _X,
    pl.len().over("amount") < 3,
    (_X * 2).over("amount") < 3,
    (_X.shift() < _X) | (_X > 0),
    _X.is_in(pl.col("number")),
    _X.fill_null(strategy="forward") > 0,
    pl.when(_X.first() == _X).then(_X > 1).otherwise(True),
    _X.map_batches(lambda values: values.sort()) > 0,
]
_OF_ONE_ROW = [
    (_X > 0) | pl.col("shop").is_in(["a"]),
    pl.max_horizontal(_X, "number") > 1,
    _X.is_between(0, 9).not_(),
    pl.col("shop").str.starts_with(pl.col("shop") + ".is_in("),
]


def _with_rule(expression: pl.Expr) -> Any:
    return type("Ruled", (Sale,), {"ruled": dy.rule()(lambda cls: expression)})


class Once(dy.Schema):
    """A column whose values come once."""

    number = dy.Int64(unique=True)


@pytest.mark.parametrize("expression", _OF_SEVERAL_ROWS, ids=str)
def test_a_file_is_screened_whole_where_a_rule_looks_at_several_rows(expression: pl.Expr) -> None:
    assert not can_be_split(_table(_with_rule(expression)))


@pytest.mark.parametrize("expression", _OF_ONE_ROW, ids=str)
def test_a_file_is_screened_in_parts_where_every_rule_looks_at_one_row(expression: pl.Expr) -> None:
    assert can_be_split(_table(_with_rule(expression)))


def test_a_file_is_screened_whole_where_values_come_once_or_clean_may_look_at_several_rows() -> None:
    assert not can_be_split(_table(Once, event_time=None))
    assert not can_be_split(_table(Sale, clean=lambda raw: raw.with_columns(amount=pl.col("amount").first())))
