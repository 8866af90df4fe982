"""Overfit, underfit or fine: by numbers beyond noise, and as the gate says (S61)."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.evaluation.candidate import Part
from ml_platform.evaluation.fit_advice import fit_of, has_skill
from ml_platform.spec.tasks import Task
from ml_platform_tests.examples import tries


def _part(task: Task, skill: float, rows: int = 600) -> Part:
    random = np.random.default_rng(2)
    truth = random.integers(0, 2, rows)
    noise = random.random(rows)
    scores = skill * truth + (1 - skill) * noise
    if task == "multiclass":
        classes = ("no", "yes")
        labels = pl.Series(["yes" if one else "no" for one in truth])
        return Part(pl.DataFrame(), labels, classes, np.column_stack([1 - scores, scores]))
    return Part(pl.DataFrame(), pl.Series(truth == 1 if task == "binary" else truth * 1.0), (), scores)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_a_model_that_answers_noise_is_underfit_and_one_that_knows_is_fine(task: Task) -> None:
    assert has_skill(task, _part(task, 0.9)) is True and has_skill(task, _part(task, 0.0)) is False
    assert fit_of(task, _part(task, 0.0), -0.02, 0.02, 0.1) == "underfit"
    assert fit_of(task, _part(task, 0.9), -0.02, 0.02, 0.1) == "fine"


_GAPS = st.floats(-1, 1)


@given(_GAPS, _GAPS, _GAPS, st.floats(0.001, 0.5), st.sampled_from([0.0, 0.9]))
@settings(max_examples=tries(60))
def test_what_is_overfit_fails_the_gate_and_what_is_fine_passes_it(
    one: float, other: float, third: float, at_most: float, skill: float
) -> None:
    low, gap, high = sorted((one, other, third))
    fit = fit_of("binary", _part("binary", skill, 80), low, high, at_most)
    passes = gap <= at_most
    assert not (fit == "overfit" and passes) and not (fit == "fine" and not passes)


def test_without_an_interval_nothing_is_called_overfit() -> None:
    assert fit_of("binary", _part("binary", 0.9), None, None, 0.1) == "undecided"
