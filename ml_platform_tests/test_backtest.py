"""Backtests of retraining policies: paths against naive ones, no look-ahead, regimes, and the cache (S66)."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.errors import UnfitArgument
from ml_platform.retraining.backtest.comparing import compared
from ml_platform.retraining.backtest.matrix import Cell, Matrix, TrainingRow
from ml_platform.retraining.backtest.policies import ALL, check_names, oracle, path_of
from ml_platform.spec.training import Retrain
from ml_platform_tests.examples import tries

DECLARED = Retrain(every=2, min_examples=1)


def matrix(values: dict[tuple[int, int], float], count: int, lacking: frozenset[int] = frozenset()) -> Matrix:
    """A matrix with those values, known at once; models of the positions in `lacking` cannot be trained."""
    return Matrix(
        "roc_auc",
        True,
        [f"p{i:02}" for i in range(count)],
        [datetime(2020 + i // 12, i % 12 + 1, 1, tzinfo=UTC) for i in range(1, count + 1)],
        [TrainingRow("too few" if i in lacking else "", 10, 1.0, 0.8) for i in range(count)],
        {at: Cell(value, value, drift=0.5 - value / 2) for at, value in values.items()},
    )


@st.composite
def matrices(draw: st.DrawFn) -> Matrix:
    count = draw(st.integers(2, 7))
    at = [(i, j) for j in range(count) for i in range(j)]
    values = draw(st.lists(st.floats(0.4, 1.0), min_size=len(at), max_size=len(at)))
    lacking = draw(st.frozensets(st.integers(0, count - 1), max_size=count - 1))
    return matrix(dict(zip(at, values, strict=True)), count, lacking)


@settings(max_examples=tries(60), deadline=None)
@given(matrices(), st.floats(0, 0.2))
def test_the_oracle_is_as_good_as_the_best_of_all_paths(one: Matrix, price: float) -> None:
    first, count = one.first, len(one.partitions)
    assert first is not None
    open_to = [i for i in range(first + 1, count - 1) if not one.trainings[i].lacking]

    def net(trained: list[int]) -> float:
        total = sum(one.cells[max(i for i in trained if i < j), j].value or 0.0 for j in one.judged)
        return total - price * len(trained)

    every = [[first, *chosen] for n in range(len(open_to) + 1) for chosen in itertools.combinations(open_to, n)]
    assert net(list(oracle(one, price).trained)) == pytest.approx(max(map(net, every)))


@settings(max_examples=tries(60), deadline=None)
@given(matrices(), st.data())
def test_another_future_changes_no_earlier_decision(one: Matrix, data: st.DataObject) -> None:
    now = data.draw(st.integers(0, len(one.partitions) - 1))
    cells = {at: Cell(0.1, 0.1, drift=1.0) if at[1] > now else cell for at, cell in one.cells.items()}
    # The value by later labels is no evidence either.
    cells = {at: cell if at[1] > now else replace(cell, value=0.3) for at, cell in cells.items()}
    other = replace(one, cells=cells)
    for name in set(ALL) - {"oracle"}:
        paths = [path_of(name, each, DECLARED, 0.25, 0.01).trained for each in (one, other)]
        assert [i for i in paths[0] if i <= now] == [i for i in paths[1] if i <= now], name


def _regime(loss: float) -> Matrix:
    """A model loses so much with each partition of its age."""
    return matrix({(i, j): 0.8 - loss * (j - i) for j in range(14) for i in range(j)}, 14)


def test_fast_and_slow_change_get_different_recommendations() -> None:
    names = ["never", "monthly", "quarterly"]
    fast, slow = (compared(_regime(loss), names, DECLARED, 0.25, 0.01) for loss in (0.03, 0.0))
    assert (fast["recommended"], slow["recommended"]) == ("monthly", "never")


def test_few_partitions_get_no_recommendation() -> None:
    few = matrix({(i, j): 0.8 for j in range(4) for i in range(j)}, 4)
    answer = compared(few, ["never", "monthly"], DECLARED, 0.25, 0.0)
    assert answer["recommended"] is None and "too few" in answer["why"]


def test_policies_that_cannot_be_replayed_are_refused() -> None:
    for names, problem in (["estimated"], "on estimates"), (["weekly"], "no policy"), (["never", "never"], "twice"):
        with pytest.raises(UnfitArgument, match=problem):
            check_names(names)
