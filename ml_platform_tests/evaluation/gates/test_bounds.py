"""Floors and ceilings of a metric, whole and by slice (S24)."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from ml_platform.evaluation.gates.measuring import judge
from ml_platform.evaluation.metrics import metric
from ml_platform.spec.gates import AtLeast, AtMost
from ml_platform_tests.evaluation.candidates import candidate, outcome, part


def test_a_floor_passes_on_the_point_estimate_though_the_interval_reaches_below() -> None:
    value = metric("roc_auc", candidate().holdout.labels, candidate().holdout.scores)
    verdict = outcome(AtLeast("roc_auc", value))
    assert verdict.passed is True and verdict.value == value == verdict.threshold
    assert verdict.low is not None and verdict.high is not None and verdict.low < value < verdict.high
    assert outcome(AtLeast("roc_auc", value + 1e-9)).passed is False


def test_a_ceiling_is_for_what_should_be_small() -> None:
    assert outcome(AtMost("log_loss", 1.0)).passed is True
    assert outcome(AtMost("log_loss", 0.01)).passed is False


def test_a_sliced_floor_holds_in_every_slice_and_names_the_one_that_fails() -> None:
    holdout = candidate().holdout
    blind = holdout.frame["origin"].to_numpy() == "JFK"
    scores = np.where(blind, holdout.frame["noise"].to_numpy(), holdout.scores)
    whole, *slices = judge(AtLeast("roc_auc", 0.62, by="origin"), candidate(holdout=replace(holdout, scores=scores)))
    assert [(v.slice, v.passed) for v in slices] == [("origin=EWR", True), ("origin=JFK", False), ("origin=LGA", True)]
    assert slices[0].gate == "roc_auc at least 0.62 for origin=EWR"
    assert whole.gate == "roc_auc at least 0.62 for each origin"
    assert whole.passed is False and whole.slice == "" and whole.value == slices[1].value
    assert "the gate fails for origin=JFK" in whole.detail
    assert slices[1].value == pytest.approx(metric("roc_auc", holdout.labels.to_numpy()[blind], scores[blind]))


def test_a_slice_below_its_minimum_is_not_judged_and_counted() -> None:
    rare = np.array(["ISP"] * 40 + [None] * 300 + ["EWR"] * 2660)
    holdout = part(seed=2, origin=pl.Series(rare.tolist()))
    whole, *slices = judge(AtLeast("roc_auc", 0.7, by="origin", min_rows=200), candidate(holdout=holdout))
    assert {v.slice: v.passed for v in slices} == {"origin=EWR": True, "origin=ISP": None, "origin=null": True}
    assert [v.rows for v in slices] == [2660, 40, 300]
    assert whole.passed is True and "2 segments of origin judged, 1 not judged" in whole.detail


def test_a_gate_that_could_judge_no_slice_says_so_and_fails_nobody() -> None:
    whole = outcome(AtLeast("roc_auc", 0.7, by="origin", min_rows=10_000))
    assert whole.passed is None and whole.value is None and "0 segments of origin judged, 3 not judged" in whole.detail


def test_a_slice_of_one_class_is_not_judged() -> None:
    holdout = part(seed=2, origin=lambda label: np.where(label, "late", "any"))
    _, *slices = judge(AtLeast("roc_auc", 0.6, by="origin"), candidate(holdout=holdout))
    assert [v.passed for v in slices] == [None, None]
    assert "the labels are of one class" in slices[0].detail


def test_a_holdout_of_one_class_proves_nothing_and_fails() -> None:
    one = replace(part(), labels=pl.Series([True] * 3000))
    verdict = outcome(AtLeast("roc_auc", 0.5), holdout=one)
    assert verdict.passed is False and verdict.value is None and "one class" in verdict.detail


def test_a_numeric_column_slices_too() -> None:
    holdout = part(seed=2, hour=np.arange(3000) % 2)
    _, *slices = judge(AtLeast("roc_auc", 0.6, by="hour"), candidate(holdout=holdout))
    assert [v.slice for v in slices] == ["hour=0", "hour=1"]
