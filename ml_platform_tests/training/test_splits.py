"""Splits by share: complete, disjoint, stable, whole groups together (S18)."""

import hashlib
from datetime import UTC, datetime, timedelta

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.errors import DeclarationError
from ml_platform.spec.training import Split
from ml_platform.training.splits import PARTS, part_sql
from ml_platform_tests.examples import tries
from ml_platform_tests.scenario import labelled_trips

D = datetime(2013, 3, 1, tzinfo=UTC)
_KEYS = st.lists(st.tuples(st.text(max_size=5), st.integers(-5, 5)), min_size=1, max_size=60, unique=True)


def parts(split: Split, frame: pl.DataFrame, keys: tuple[str, ...], at: str | None = None) -> list[str]:
    sql = part_sql(split, D, at, keys)
    with duckdb.connect() as connection:
        connection.register("t", frame.to_arrow())
        return [row[0] for row in connection.execute(f"SELECT {sql} FROM t").fetchall()]


def by_hand(split: Split, text: str) -> str:
    """The same rule, from Python's own MD5."""
    place = int(hashlib.md5(f"{split.seed}\x1f{text}".encode()).hexdigest()[:13], 16) / 16**13
    if place < split.holdout:  # type: ignore[operator]
        return "holdout"
    return "validation" if place < split.holdout + split.validation else "train"  # type: ignore[operator]


@settings(max_examples=tries(40), deadline=None)
@given(_KEYS, st.floats(0.05, 0.45), st.floats(0.05, 0.45), st.integers(0, 5))
def test_an_example_keeps_its_part_whatever_else_is_there(
    keys: list[tuple[str, int]], validation: float, holdout: float, seed: int
) -> None:
    split = Split(validation=validation, holdout=holdout, seed=seed)
    frame = pl.DataFrame(keys, schema={"a": pl.String, "b": pl.Int64}, orient="row")
    part_by_row = parts(split, frame, ("a", "b"))
    assert part_by_row == [by_hand(split, f"{a}\x1f{b}\x1f") for a, b in keys]
    assert set(part_by_row) <= set(PARTS)
    half = frame.head((frame.height + 1) // 2)
    assert parts(split, half, ("a", "b")) == part_by_row[: half.height]


@settings(max_examples=tries(40), deadline=None)
@given(st.lists(st.one_of(st.none(), st.integers(0, 8)), min_size=1, max_size=80), st.integers(0, 5))
def test_a_group_never_straddles_two_parts_and_rows_without_one_go_by_their_key(
    groups: list[int | None], seed: int
) -> None:
    split = Split(validation=0.3, holdout=0.3, group="g", seed=seed)
    frame = pl.DataFrame({"k": range(len(groups)), "g": groups}, schema={"k": pl.Int64, "g": pl.Int64})
    part_by_row = parts(split, frame, ("k",))
    expected = [by_hand(split, f"k{k}\x1f" if g is None else f"g{g}") for k, g in enumerate(groups)]
    assert part_by_row == expected


@settings(max_examples=tries(40), deadline=None)
@given(st.lists(st.integers(0, 60 * 86_400 * 10**6), min_size=1, max_size=60), st.integers(1, 30), st.integers(1, 30))
def test_spans_are_ordered_and_complete_up_to_the_microsecond(ages: list[int], validation: int, holdout: int) -> None:
    split = Split(validation=f"{validation}d", holdout=f"{holdout}d")
    day = 24 * 3600 * 10**6
    edges = [holdout * day, holdout * day + 1, (holdout + validation) * day, (holdout + validation) * day + 1]
    frame = pl.DataFrame({"at": [D - timedelta(microseconds=age) for age in [*ages, *edges]]})
    part_by_row = parts(split, frame.cast(pl.Datetime("us", "UTC")), ("k",), at="at")
    expected = [
        "holdout" if age <= holdout * day else "validation" if age <= (holdout + validation) * day else "train"
        for age in [*ages, *edges]
    ]
    assert part_by_row == expected


def test_shares_come_out_near_what_was_asked() -> None:
    part_by_row = parts(Split(validation=0.1, holdout=0.2), pl.DataFrame({"k": range(20_000)}), ("k",))
    assert abs(part_by_row.count("holdout") / 20_000 - 0.2) < 0.01
    assert abs(part_by_row.count("validation") / 20_000 - 0.1) < 0.01


def test_the_seed_moves_examples() -> None:
    frame = pl.DataFrame({"k": range(100)})
    first, second = (parts(Split(validation=0.3, holdout=0.3, seed=seed), frame, ("k",)) for seed in (0, 1))
    assert first != second


def test_a_group_that_is_no_input_is_refused_when_the_declaration_loads() -> None:
    with pytest.raises(DeclarationError, match="group='late' is no input"):
        labelled_trips.pipeline(split=Split(validation=0.2, holdout=0.2, group="late"))
