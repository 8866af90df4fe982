"""Lists of runs: conditions, order and groups, over columns, parameters and metrics alike."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as trying
from hypothesis import strategies as st

from ml_platform.errors import NotFoundError, UnfitArgument
from ml_platform.experiments import declared
from ml_platform.experiments.changing import variants
from ml_platform.state.json_columns import JsonColumn
from ml_platform.views import run_selection, runs
from ml_platform.views.changed_words import phrases
from ml_platform_tests import scenario
from ml_platform_tests.examples import tries


def row(run: str, leaves: int | None = None, auc: float | None = None, **facts: Any) -> runs.Row:
    parameters = {} if leaves is None else {"num_leaves": leaves}
    about = {"kind": "experiment", "status": "done", "tags": [], "changes": [], "training_set": "a", **facts}
    return {"run": run, **about, "parameters": parameters, "metrics": {"roc_auc": auc}}


ROWS = [
    row("3", 63, 0.8, tags=["wide", "b"]),
    row("2", 31, 0.7, changes=["without weather__temp"]),
    row("1", None, None),
]


@pytest.mark.parametrize(
    ("conditions", "kept"),
    [
        (["num_leaves>31"], ["3"]),
        (["trainer.num_leaves >= 31", "roc_auc<0.8"], ["2"]),
        (["num_leaves!=31"], ["3", "1"]),
        (["tags=wide"], ["3"]),
        (["changes~WEATHER"], ["2"]),
        (["run=2"], ["2"]),
        (["status=Done"], ["3", "2", "1"]),
    ],
)
def test_a_run_is_kept_when_it_meets_all_conditions(conditions: list[str], kept: list[str]) -> None:
    assert [one["run"] for one in run_selection.where(ROWS, conditions)] == kept


def test_a_text_that_is_no_condition_and_a_field_that_no_run_has_are_refused() -> None:
    with pytest.raises(UnfitArgument, match="is no condition"):
        run_selection.where(ROWS, ["num_leaves"])
    with pytest.raises(NotFoundError, match="Did you mean 'num_leaves'"):
        run_selection.where(ROWS, ["num_leafs>3"])
    with pytest.raises(NotFoundError):
        run_selection.in_order(ROWS, "rmse")


def test_runs_without_a_value_come_last_whichever_way_they_are_sorted() -> None:
    assert [one["run"] for one in run_selection.in_order(ROWS, "roc_auc")] == ["2", "3", "1"]
    assert [one["run"] for one in run_selection.in_order(ROWS, "roc_auc", reverse=True)] == ["3", "2", "1"]


@trying(max_examples=tries(30), deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0, 1)), max_size=30), st.integers(0, 5), st.floats(0, 1))
def test_conditions_keep_what_a_naive_comparison_keeps(
    values: list[tuple[int, float]], leaves: int, auc: float
) -> None:
    listed = [row(str(index), *pair) for index, pair in enumerate(values)]
    if not listed:
        return
    kept = run_selection.where(listed, [f"num_leaves<={leaves}", f"roc_auc>{auc!r}"])
    assert [one["run"] for one in kept] == [str(i) for i, (a, b) in enumerate(values) if a <= leaves and b > auc]


def test_groups_have_the_runs_of_one_training_set_in_order() -> None:
    listed = [row("1", training_set="b"), row("2", training_set="a"), row("3", training_set="b")]
    assert [(digest, [one["run"] for one in members]) for digest, members in run_selection.grouped(listed)] == [
        ("b", ["1", "3"]),
        ("a", ["2"]),
    ]


def test_changes_in_words_sum_up_dropped_features() -> None:
    dropped = [{"path": f"features.weather__{name}", "before": "x", "after": None} for name in ("temp", "dewp", "wind")]
    changes = [{"path": "trainer.num_leaves", "before": 31, "after": 63}, *dropped]
    assert phrases(changes) == ["num_leaves=63", "without weather__temp, weather__dewp and 1 more"]


@pytest.mark.parametrize(
    ("trainer", "words"),
    [
        ("Linear(l2=10.0)", "Linear(l2=10.0)"),
        ("Linear", "Linear"),
        ("Choose([LightGBM(num_leaves=3), Linear()])", "Choose([LightGBM(num_leaves=3), Linear])"),
        ("XGBoost(max_depth=3, extra={'alpha': 1})", "XGBoost(max_depth=3, extra={alpha=1})"),
        ("Calibrated(LightGBM(), method='isotonic')", "Calibrated(LightGBM, method='isotonic')"),
        ("ScikitLearn('sklearn.linear_model.Ridge')", "ScikitLearn('sklearn.linear_model.Ridge')"),
    ],
)
def test_another_trainer_is_named_with_the_arguments_that_are_not_its_defaults(trainer: str, words: str) -> None:
    base = scenario.trips()
    (variant,) = variants(base, [f"trainer={trainer}"])
    changes = declared.differences(declared.flat(base), declared.flat(variant.model))
    assert phrases([vars(change) for change in changes]) == [f"trainer={words}"]


def test_a_column_of_json_is_read_when_it_is_first_looked_into() -> None:
    cells = JsonColumn(['{"a": 1}', '{"b": null}', "{}"]).cells()
    assert [dict(cell) for cell in cells] == [{"a": 1}, {"b": None}, {}]
    assert cells[1].get("b", 5) is None and cells[2].get("a") is None and "a" in cells[0]
