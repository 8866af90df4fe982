"""The words of searches refuse what no search could do (S62)."""

import re
from typing import Any

import pytest

from ml_platform import Calibrated, Choose, FloatRange, Grid, IntRange, LightGBM, Linear, OneOf, ScikitLearn, Tuned
from ml_platform.errors import DeclarationError
from ml_platform.experiments.values import value_of
from ml_platform.spec.canonical import canonical
from ml_platform.spec.search_space import value_at, with_values
from ml_platform.spec.searching_gates import keyed_for_search, searched_in
from ml_platform.training import fitting
from ml_platform_tests.scenario import labelled_trips

LEAVES = {"num_leaves": IntRange(8, 256, log=True)}


@pytest.mark.parametrize(
    ("declare", "problem"),
    [
        (lambda: IntRange(8, 8), "low=8 is not below high=8"),
        (lambda: IntRange(0, 8, log=True), "low=0 with log=True"),
        (lambda: IntRange(1, 9, log=True, step=2), "step=2 with log=True"),
        (lambda: FloatRange(0, 1, log=True), "low=0.0 with log=True"),
        (lambda: FloatRange(0, float("inf")), "finite number"),
        (lambda: OneOf([1]), "1 values"),
        (lambda: OneOf([1, 1]), "1 is listed twice"),
        (lambda: OneOf([1, LightGBM()]), "is no plain value"),
        (lambda: Tuned(LightGBM(), {}), "the space is empty"),
        (lambda: Tuned(LightGBM(), {"leaves": IntRange(2, 9)}), "LightGBM has no parameter 'leaves'"),
        (lambda: Tuned(LightGBM(), {"num_leaves": IntRange(1, 9)}), "num_leaves=1"),
        (lambda: Tuned(LightGBM(), {"learning_rate": FloatRange(0.1, 2)}), "learning_rate=2.0"),
        (lambda: Tuned(LightGBM(), LEAVES, budget="soon"), "'soon' is not a span of time"),
        (lambda: Tuned(LightGBM(), LEAVES, metric="gini"), "metric='gini' is unknown"),
        (lambda: Tuned(LightGBM(), LEAVES, trials=0), "greater than or equal to 1"),
        (lambda: Tuned(LightGBM(), LEAVES, sampler="grid"), "sampler='grid' is not a known value"),
        (lambda: Tuned(Tuned(LightGBM(), LEAVES), LEAVES), "trainer=Tuned("),
        (lambda: Grid(LightGBM(), {"num_leaves": []}), "0 values"),
        (lambda: Grid(Linear(), {"l2": [-1.0]}), "l2=-1.0"),
        (lambda: Grid(LightGBM(), {"rounds": list(range(1, 500)), "num_leaves": list(range(2, 99))}), "combinations"),
    ],
)
def test_a_search_that_cannot_be_is_refused_with_the_reason(declare: Any, problem: str) -> None:
    with pytest.raises(DeclarationError, match=re.escape(problem)):
        declare()


def test_a_metric_of_another_task_is_refused_by_the_pipeline() -> None:
    with pytest.raises(DeclarationError, match="metric='rmse' is no metric of a binary task"):
        labelled_trips.pipeline(trainer=Tuned(LightGBM(), LEAVES, metric="rmse"))
    with pytest.raises(DeclarationError, match="has no predict_proba"):
        labelled_trips.pipeline(
            trainer=Tuned(ScikitLearn("sklearn.svm.LinearSVC"), {"C": FloatRange(0.1, 10, log=True)})
        )


def test_parameters_are_named_by_path_and_those_of_an_estimator_by_name() -> None:
    trees = with_values(LightGBM(extra={"lambda_l1": 1.0}), {"extra.lambda_l2": 2.0, "rounds": 7}, "here")
    assert (trees.extra, trees.rounds) == ({"lambda_l1": 1.0, "lambda_l2": 2.0}, 7)
    assert value_at(trees, "extra.lambda_l2") == (2.0, True) and value_at(trees, "extra.max_bin") == (None, False)
    forest = with_values(ScikitLearn("sklearn.ensemble.RandomForestClassifier"), {"max_depth": 3, "seed": 4}, "here")
    assert (forest.parameters, forest.seed) == ({"max_depth": 3}, 4)
    assert value_at(forest, "max_depth") == (3, True)


def test_a_search_reads_the_same_from_a_command_line() -> None:
    text = 'Choose([Tuned(LightGBM(rounds=9), {"num_leaves": IntRange(8, 256, log=True)}, trials=5), Linear()])'
    declared = Choose([Tuned(LightGBM(rounds=9), LEAVES, trials=5), Linear()])
    assert canonical(value_of(text, "trainer")) == canonical(declared)


def test_gates_and_headline_are_in_the_key_of_a_candidate_that_a_search_chooses_and_of_no_other() -> None:
    plain = labelled_trips.pipeline()
    assert keyed_for_search(plain) == [] and len(fitting.declaration(plain)) == 3
    searched = labelled_trips.pipeline(trainer=Calibrated(Choose([Linear(), Tuned(LightGBM(), LEAVES)])))
    assert len(searched_in(searched.trainer)) == 1 and len(fitting.declaration(searched)) == 6
