"""Drift of columns: equal to a version that goes row by row, and a status for whatever cannot be told."""

import math
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import jensenshannon
from scipy.stats import wasserstein_distance

from ml_platform.monitoring import drift
from ml_platform.monitoring.distances import jensen_shannon, wasserstein
from ml_platform.monitoring.drift import ColumnDrift, compared, weighted
from ml_platform.monitoring.population import Ordered, Population, Sketch
from ml_platform_tests.examples import tries
from ml_platform_tests.monitoring import naive

doubles = st.floats(-1e6, 1e6, allow_nan=False).map(lambda v: round(v, 3))
few = st.sampled_from([0.0, 1.0, 2.0, -3.5])
numbers = st.lists(st.one_of(st.none(), few, doubles), min_size=1, max_size=60)
levels = st.lists(st.one_of(st.none(), st.sampled_from("abcdefgh")), min_size=1, max_size=60)


def _one(reference: Any, current: Any, dtype: Any = None) -> ColumnDrift:
    frames = [pl.DataFrame({"x": pl.Series(side, dtype=dtype)}) for side in (reference, current)]
    (found,) = compared(Population.of(frames[0]), Population.of(frames[1]), ["x"])
    return found


@settings(max_examples=tries(150), deadline=None)
@given(numbers, numbers)
def test_numbers_are_compared_as_row_by_row(reference: list[float | None], current: list[float | None]) -> None:
    found = _one(reference, current, pl.Float64)
    assert found.psi == pytest.approx(naive.number_psi(reference, current), abs=1e-12)
    assert found.nulls == pytest.approx(current.count(None) / len(current))
    assert found.reference_nulls == pytest.approx(reference.count(None) / len(reference))
    then, now = ([v for v in side if v is not None] for side in (reference, current))
    spread = float(np.std(then)) if len(set(then)) > 1 else 0.0  # of equal values rounding would leave some
    if now and spread > 0:
        assert found.distance == pytest.approx(wasserstein_distance(then, now) / spread, rel=1e-9, abs=1e-9)
        assert found.status == "ok"
    else:
        assert found.distance is None
        assert found.status == ("all null" if not now else "constant" if then else "learnt from nulls")


@settings(max_examples=tries(150), deadline=None)
@given(levels, levels, st.sampled_from([2, 50]))
def test_levels_are_compared_as_row_by_row(reference: list[str | None], current: list[str | None], named: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(drift, "NAMED_LEVELS", named)
        found = _one(reference, current, pl.String)
    psi, distance, unseen, share = naive.level_figures(reference, current, named)
    assert found.psi == pytest.approx(psi, abs=1e-12)
    assert found.distance == (None if distance is None else pytest.approx(distance, abs=1e-7))
    assert (found.unseen, found.unseen_share) == (unseen, pytest.approx(share))


@settings(max_examples=tries(150), deadline=None)
@given(st.lists(doubles, min_size=1, max_size=80), st.lists(doubles, min_size=1, max_size=80))
def test_wasserstein_of_any_two_lengths_is_exact(a: list[float], b: list[float]) -> None:
    found = wasserstein(np.sort(np.array(a)), np.sort(np.array(b)))
    assert found == pytest.approx(wasserstein_distance(a, b), rel=1e-9, abs=1e-6)


@settings(max_examples=tries(50), deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=12))
def test_jensen_shannon_is_that_of_scipy(counts: list[tuple[int, int]]) -> None:
    p, q = (np.array([pair[side] for pair in counts], dtype=float) for side in (0, 1))
    if p.sum() and q.sum():
        found = jensen_shannon(p / p.sum(), q / q.sum())
        assert found == pytest.approx(float(jensenshannon(p, q, base=2)), abs=1e-7)


def test_the_order_of_rows_and_how_many_columns_are_read_at_once_change_nothing(monkeypatch: Any) -> None:
    random = np.random.default_rng(1)
    then = pl.DataFrame({"a": random.normal(size=500), "b": random.choice(["x", "y"], 500), "c": random.random(500)})
    now = then.with_columns(pl.col("a") + 0.3).sample(fraction=1, shuffle=True, seed=2)
    found = list(compared(Population.of(then), Population.of(now), ["a", "b", "c"]))
    sizes: list[int] = []

    def watched(names: Sequence[str]) -> Callable[[str], Ordered]:
        sizes.append(len(names))
        return whole.numbers(names)

    monkeypatch.setattr(drift, "CELLS", 500)
    whole = Population.of(then)
    one_by_one = Population(whole.rows, whole.kinds, watched, whole.levels)
    assert list(compared(one_by_one, Population.of(now), ["a", "b", "c"])) == found
    assert max(sizes) == 1
    assert found[1].psi == found[2].psi == 0
    assert found[0].distance == pytest.approx(0.3 / float(np.std(then["a"].to_numpy())))


@pytest.mark.parametrize(
    ("reference", "current", "status"),
    [
        ([1.0, 2.0], [], "empty"),
        ([], [1.0], "empty"),
        ([1.0, 2.0], [None, None], "all null"),
        ([None, None], [1.0, 2.0], "learnt from nulls"),
        ([None], [None], "all null"),
        ([math.nan, 1.0, 2.0], [math.nan], "all null"),
        ([5.0, 5.0], [5.0, 6.0], "constant"),
        (["a", "a"], ["a", "b"], "constant"),
        ([1.0, 2.0], ["1", "2"], "other type"),
        ([[1], [2]], [[1]], "no type to compare"),
    ],
    ids=str,
)
def test_a_column_that_cannot_be_told_has_a_status(reference: list[Any], current: list[Any], status: str) -> None:
    kinds = {list: pl.List(pl.Int64), str: pl.String}
    types = [kinds.get(type(side[0]) if side else float, pl.Float64) for side in (reference, current)]
    frames = [pl.DataFrame({"x": pl.Series(s, dtype=t)}) for s, t in zip((reference, current), types, strict=True)]
    (found,) = compared(Population.of(frames[0]), Population.of(frames[1]), ["x"])
    assert found.status == status
    assert (found.rows, found.reference_rows) == (len(current), len(reference))


def test_a_column_without_a_type_is_one_of_nulls() -> None:
    assert _one([1.0, 2.0], [None, None]).status == "all null"
    assert _one([None], ["a"]).status == "learnt from nulls"
    assert _one([None], [None]).status == "all null"


def test_new_and_missing_columns_are_named() -> None:
    then, now = Population.of(pl.DataFrame({"gone": [1.0]})), Population.of(pl.DataFrame({"fresh": ["a"]}))
    found = list(compared(then, now, ["gone", "fresh"]))
    assert [(one.name, one.status, one.kind, one.psi) for one in found] == [
        ("gone", "missing", "number", None),
        ("fresh", "new", "level", None),
    ]


def test_a_constant_that_moves_is_drift_though_it_has_no_spread() -> None:
    for moved in (4.0, 6.0):
        found = _one([5.0] * 20, [moved] * 20)
        assert found.distance is None and (found.psi or 0) > 10
    assert _one([5.0] * 20, [5.0] * 9).psi == 0


def test_a_share_of_zeros_that_grows_is_drift() -> None:
    dry = [0.0] * 95 + [0.1, 0.2, 0.3, 0.4, 0.5]
    assert (_one(dry, [0.0] * 60 + [0.3] * 40).psi or 0) > 0.5


def test_nulls_are_a_bin_of_their_own() -> None:
    found = _one([1.0, 2.0, 3.0, 4.0] * 10, [1.0, 2.0, 3.0, 4.0] * 5 + [None] * 20)
    assert (found.psi or 0) > 1
    assert found.null_change == 0.5
    assert found.distance == pytest.approx(0)


def test_infinities_are_in_the_outer_bins_and_no_distance() -> None:
    found = _one([1.0, 2.0, 3.0], [1.0, 2.0, 3.0, math.inf, -math.inf])
    assert found.status == "ok" and found.distance == pytest.approx(0) and (found.psi or 0) > 0
    assert _one([math.inf, math.inf], [1.0]).status == "constant"


def test_the_weighted_figure_counts_a_column_by_its_importance_and_at_most_once() -> None:
    columns = [ColumnDrift("much", "ok", "number", psi=8.0), ColumnDrift("little", "ok", "number", psi=0.1)]
    assert weighted(columns, {"much": 0.25, "little": 0.75}) == pytest.approx(0.25 * 1 + 0.75 * 0.1)
    assert weighted(
        [*columns, ColumnDrift("gone", "missing")], {"much": 0, "little": 0.5, "gone": 0.5}
    ) == pytest.approx(0.55)
    assert weighted([*columns, ColumnDrift("fresh", "new", "number")], {"little": 1.0}) == pytest.approx(0.1)
    assert weighted([ColumnDrift("x", "empty")], {"x": 1.0}) is None


DISTANCE = """
import numpy as np, polars as pl
from ml_platform.monitoring.drift import compared
from ml_platform.monitoring.population import Population

random = np.random.default_rng(3)
then, now = (pl.DataFrame({"km": random.gamma(2.0, 5.0, rows)}) for rows in (100_000, 99_001))
(one,) = compared(Population.of(then), Population.of(now), ["km"])
print(repr(one.distance), repr(one.psi))
"""


def test_figures_do_not_depend_on_the_threads_of_the_machine() -> None:
    def figures(threads: str) -> bytes:
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
        return subprocess.run([sys.executable, "-c", DISTANCE], env=environment, check=True, capture_output=True).stdout

    assert figures("1") == figures("2")


@settings(max_examples=tries(30))
@given(st.data(), st.integers(0, 60))
def test_a_sketch_of_any_size_gives_what_reading_the_reference_again_gives(draw: st.DataObject, most: int) -> None:
    def frame(rows: int) -> pl.DataFrame:
        numbers_and_nulls = st.lists(st.one_of(st.none(), doubles), min_size=rows, max_size=rows)
        texts = st.lists(st.sampled_from(["a", "b", None]), min_size=rows, max_size=rows)
        columns = {name: draw.draw(numbers_and_nulls) for name in ("km", "fare", "wait")}
        return pl.DataFrame(
            {**columns, "city": draw.draw(texts)}, schema={**dict.fromkeys(columns, pl.Float64), "city": pl.String}
        )

    reference, sketch = Population.of(frame(12)), Sketch(most)
    for partition in (frame(5), frame(7), frame(5)):
        current, names = Population.of(partition), ["km", "city", "fare", "wait"]
        assert list(compared(sketch.of(reference), current, names)) == list(compared(reference, current, names))


def test_what_a_sketch_holds_is_not_read_again() -> None:
    whole = Population.of(pl.DataFrame({"km": [1.0, 2.0, 3.0], "fare": [1.0, None, 2.0], "city": ["a", "b", "b"]}))
    asked: list[str] = []

    def numbers(names: Sequence[str]) -> Callable[[str], Ordered]:
        asked.extend(names)
        return whole.numbers(names)

    def counts(name: str) -> Any:
        asked.append(name)
        return whole.levels(name)

    sketch, watched = Sketch(most=5), Population(whole.rows, whole.kinds, numbers, counts)
    for _ in range(2):
        list(compared(sketch.of(watched), whole, ["km", "fare", "city"]))
    assert asked == ["km", "fare", "city", "city"]  # 3 and 2 numbers, and no room for 2 levels
