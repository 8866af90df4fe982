"""How each gate judges (S23 to S25)."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from ml_platform.evaluation.gates import evaluate, judge
from ml_platform.evaluation.metrics import metric
from ml_platform.spec.gate_wording import gate_key
from ml_platform.spec.gates import (
    AtLeast,
    AtMost,
    Gate,
    Latency,
    NoWorseThanChampion,
    OverfitGap,
    Parity,
    Reproduction,
    Size,
)
from ml_platform.state import versions
from ml_platform.state.database import State
from ml_platform.state.verdicts import Verdict
from ml_platform_tests.evaluation.candidates import HOLDOUT_START, Column, Outcome, candidate, champion, part
from ml_platform_tests.state.registry_rows import training


@pytest.fixture
def registered(state: State) -> State:
    """A state in which the version of `candidate` is registered."""
    for number in range(candidate().version):
        versions.register(state, training(f"c{number}"))
    return state


def outcome(gate: Gate, **changes: Any) -> Verdict:
    return judge(gate, candidate(**changes))[0]


# -- floors and ceilings (S24) --------------------------------------------------------------


def test_a_floor_passes_on_the_point_estimate_though_the_interval_reaches_below() -> None:
    value = metric("roc_auc", candidate().holdout.labels, candidate().holdout.scores)
    verdict = outcome(AtLeast("roc_auc", value))
    assert verdict.passed is True and verdict.value == value == verdict.threshold
    assert verdict.low is not None and verdict.high is not None and verdict.low < value < verdict.high
    assert outcome(AtLeast("roc_auc", value + 1e-9)).passed is False


def test_a_ceiling_is_for_what_should_be_small() -> None:
    assert outcome(AtMost("log_loss", 1.0)).passed is True
    assert outcome(AtMost("log_loss", 0.01)).passed is False


def test_a_verdict_says_what_was_measured_of_whom_on_what() -> None:
    gate = AtLeast("roc_auc", 0.68)
    verdict = outcome(gate)
    assert (verdict.pipeline, verdict.version, verdict.snapshot, verdict.rows) == ("delays", 4, "5e7", 3000)
    assert (verdict.gate, verdict.gate_key, verdict.metric) == ("roc_auc at least 0.68", gate_key(gate), "roc_auc")
    assert verdict.gate_key != gate_key(AtLeast("roc_auc", 0.69))
    assert "95 % interval" in verdict.detail and "reaches 0.68" in verdict.detail


def test_a_sliced_floor_holds_in_every_slice_and_names_the_one_that_fails() -> None:
    holdout = candidate().holdout
    blind = holdout.frame["origin"].to_numpy() == "JFK"
    scores = np.where(blind, holdout.frame["noise"].to_numpy(), holdout.scores)
    whole, *slices = judge(AtLeast("roc_auc", 0.62, by="origin"), candidate(holdout=replace(holdout, scores=scores)))
    assert [(v.slice, v.passed) for v in slices] == [("origin=EWR", True), ("origin=JFK", False), ("origin=LGA", True)]
    assert slices[0].gate == "roc_auc at least 0.62 for origin=EWR"
    assert whole.gate == "roc_auc at least 0.62 for each origin"
    assert whole.passed is False and whole.slice == "" and whole.value == slices[1].value
    assert "Failed for origin=JFK" in whole.detail
    assert slices[1].value == pytest.approx(metric("roc_auc", holdout.labels.to_numpy()[blind], scores[blind]))


def test_a_slice_below_its_minimum_is_not_judged_and_counted() -> None:
    rare = np.array(["ISP"] * 40 + [None] * 300 + ["EWR"] * 2660)
    holdout = part(seed=2, origin=pl.Series(rare.tolist()))
    whole, *slices = judge(AtLeast("roc_auc", 0.7, by="origin", min_rows=200), candidate(holdout=holdout))
    assert {v.slice: v.passed for v in slices} == {"origin=EWR": True, "origin=ISP": None, "origin=null": True}
    assert [v.rows for v in slices] == [2660, 40, 300]
    assert whole.passed is True and "2 slices judged, 1 not judged" in whole.detail


def test_a_gate_that_could_judge_no_slice_says_so_and_fails_nobody() -> None:
    whole = outcome(AtLeast("roc_auc", 0.7, by="origin", min_rows=10_000))
    assert whole.passed is None and whole.value is None and "0 slices judged, 3 not judged" in whole.detail


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


# -- no regression (S25) ---------------------------------------------------------------------


def test_without_a_champion_it_passes_and_says_so() -> None:
    verdict = outcome(NoWorseThanChampion("roc_auc", tolerance=0.01))
    assert verdict.passed is True and "no champion" in verdict.detail


def test_a_candidate_better_than_the_champion_passes_and_a_worse_one_does_not() -> None:
    gate = NoWorseThanChampion("roc_auc", tolerance=0.01)
    better = outcome(gate, champion=champion())
    assert better.passed is True and better.low is not None and better.low > 0
    worse = outcome(
        gate,
        champion=champion(predictor=Column("signal")),
        predictor=Column("worse"),
        holdout=replace(part(seed=2), scores=part(seed=2).frame["worse"].to_numpy()),
    )
    assert worse.passed is False and worse.high is not None and worse.high < 0
    assert better.value == pytest.approx(-worse.value)  # type: ignore[operator]


def test_losses_are_turned_round_so_that_more_is_better() -> None:
    verdict = outcome(NoWorseThanChampion("log_loss", tolerance=0.01), champion=champion(predictor=Column("noise")))
    assert verdict.passed is True and verdict.value is not None and verdict.value > 0
    assert "less is better" in verdict.detail


def test_the_lower_end_must_be_above_the_tolerance_strictly() -> None:
    equal = champion(predictor=Column("signal"))
    assert outcome(NoWorseThanChampion("roc_auc", tolerance=1e-9), champion=equal).passed is True
    assert outcome(NoWorseThanChampion("roc_auc", tolerance=0.0), champion=equal).passed is False


@pytest.mark.parametrize("who", ["candidate", "champion"])
def test_a_holdout_that_one_of_them_was_trained_on_is_no_common_holdout(who: str) -> None:
    gate, late = NoWorseThanChampion("roc_auc", tolerance=0.5), HOLDOUT_START + timedelta(microseconds=1)
    changes = {"cut_off": late, "champion": champion()} if who == "candidate" else {"champion": champion(cut_off=late)}
    verdict = outcome(gate, **changes)
    assert verdict.passed is False and f"the {who} was trained until" in verdict.detail
    at_the_edge = outcome(gate, cut_off=HOLDOUT_START, champion=champion(cut_off=HOLDOUT_START))
    assert at_the_edge.passed is True


def test_without_time_the_same_split_is_a_common_holdout_and_another_is_none() -> None:
    gate, timeless = NoWorseThanChampion("roc_auc", tolerance=0.01), {"cut_off": None, "holdout_start": None}
    same = champion(cut_off=None, split="by key, seed 0")
    assert outcome(gate, champion=same, split="by key, seed 0", **timeless).passed is True
    verdict = outcome(gate, champion=same, split="by key, seed 1", **timeless)
    assert verdict.passed is False and "split in different ways" in verdict.detail


def test_a_champion_with_features_of_its_own_scores_those() -> None:
    own = part(seed=2).frame.rename({"worse": "old_feature"})
    verdict = outcome(NoWorseThanChampion("roc_auc"), champion=champion(predictor=Column("old_feature"), holdout=own))
    assert verdict.passed is True


# -- the others -----------------------------------------------------------------------------


def test_a_model_that_learned_its_training_rows_by_heart_shows_a_gap() -> None:
    class ByHeart(Column):
        def scores(self, frame: pl.DataFrame) -> Any:
            return np.where(frame["seen"], frame["told"], frame["signal"])

    told = {"told": lambda label: label * 1.0}
    train, holdout = part(seed=1, seen=pl.repeat(True, 3000, eager=True), **told), part(seed=2)
    changes = {"train": train, "holdout": holdout, "predictor": ByHeart()}
    verdict = outcome(OverfitGap("roc_auc", at_most=0.1), **changes)
    assert verdict.passed is False and verdict.value is not None and verdict.value > 0.1
    assert verdict.low is not None and verdict.high is not None and verdict.low < verdict.value < verdict.high
    assert outcome(OverfitGap("log_loss", at_most=0.1), **changes).passed is False
    assert outcome(OverfitGap("roc_auc", at_most=0.1)).passed is True


def test_a_long_training_part_is_thinned_evenly() -> None:
    rows = part(rows=10, n=range(10))
    assert rows.thinned(5).frame["n"].to_list() == [0, 2, 4, 6, 8]
    assert rows.thinned(4).frame["n"].to_list() == [0, 3, 6, 9]
    assert len(rows.thinned(10)) == 10 and len(rows.thinned(3).labels) == 3


def test_latency_is_the_smallest_p99_of_its_rounds() -> None:
    class Counting(Column):
        calls = 0

        def score_row(self, row: Any) -> Any:
            Counting.calls += 1
            return super().score_row(row)

    verdict = outcome(Latency(p99_ms=50), predictor=Counting())
    assert verdict.passed is True and verdict.value is not None and 0 < verdict.value < 50
    assert Counting.calls == 5 * 500 + 20
    assert outcome(Latency(p99_ms=1e-9)).passed is False


def test_size_counts_millions_of_bytes() -> None:
    assert outcome(Size(mb=1.5)).passed is True
    verdict = outcome(Size(mb=1.4))
    assert verdict.passed is False and (verdict.value, verdict.threshold) == (1.5, 1.4)


def test_reproduction_and_parity_tell_what_they_were_told() -> None:
    assert outcome(Reproduction(), reproduce=lambda: Outcome(identical=True)).passed is True
    assert outcome(Reproduction(), reproduce=lambda: Outcome(identical=False)).passed is False
    asked = []
    verdict = outcome(Parity(examples=7), parity=lambda n: asked.append(n) or Outcome(compared=7))
    assert verdict.passed is True and verdict.rows == 7 and asked == [7]
    verdict = outcome(Parity(), parity=lambda n: Outcome(compared=50, differing=2, detail="Row 3: temp."))
    assert verdict.passed is False and verdict.detail == "2 of 50 replayed examples differ. Row 3: temp."


def test_evidence_that_is_not_there_is_a_failed_gate_that_may_be_judged_again() -> None:
    missing = [outcome(Reproduction()), outcome(Parity()), outcome(Parity(), parity=lambda n: Outcome(compared=0))]
    assert [(v.passed, v.measured) for v in missing] == [(False, False)] * 3


def test_a_gate_that_breaks_is_a_failed_verdict_with_the_reason() -> None:
    verdict = outcome(AtLeast("roc_auc", 0.5, by="gate"))
    assert (verdict.passed, verdict.measured) == (False, False)
    assert "ColumnNotFoundError" in verdict.detail and "gate" in verdict.detail


# -- measured once (S23) ---------------------------------------------------------------------


def test_a_gate_is_measured_once_for_a_version_and_others_are_judged_though_one_breaks(registered: State) -> None:
    calls: list[int] = []

    def parity(examples: int) -> Outcome:
        calls.append(examples)
        if len(calls) == 1:
            raise OSError("disk full")
        return Outcome(compared=examples)

    gates: list[Gate] = [Parity(), Latency(p99_ms=50), AtLeast("roc_auc", 0.6, by="origin")]
    judged = candidate(parity=parity)
    first = evaluate(registered, "r1", gates, judged)
    assert [v.passed for v in first] == [False, True, True, True, True, True]
    assert [v.slice for v in first] == ["", "", "", "origin=EWR", "origin=JFK", "origin=LGA"]
    assert "disk full" in first[0].detail
    second = evaluate(registered, "r1", gates, judged)  # what broke is judged again, the rest is as it was
    assert {v.gate_key: v.passed for v in second if v.slice == ""} == {gate_key(g): True for g in gates}
    assert {v for v in first if v.measured} < set(second)
    assert evaluate(registered, "r1", gates, judged) == second and len(calls) == 2


def test_another_definition_of_the_gate_is_measured_anew(registered: State) -> None:
    assert [v.passed for v in evaluate(registered, "r1", [AtLeast("roc_auc", 0.7)], candidate())] == [True]
    assert [v.passed for v in evaluate(registered, "r1", [AtLeast("roc_auc", 0.99)], candidate())] == [False]


def test_the_champions_scores_are_read_in_the_order_of_its_own_classes() -> None:
    class Classes(Column):
        """P of a, b and c; `order` says which column is whose."""

        def scores(self, frame: pl.DataFrame) -> Any:
            p = np.random.default_rng(5).dirichlet(np.ones(3), frame.height)
            return p[:, ["abc".index(name) for name in self.classes]]

    def rated(order: str) -> Classes:
        return Classes(classes=tuple(order))

    holdout = part(seed=2)
    labels = pl.Series(list("abc") * 1000)
    ours = replace(holdout, labels=labels, classes=tuple("abc"), scores=rated("abc").scores(holdout.frame))
    changes = {"task": "multiclass", "predictor": rated("abc"), "holdout": ours}
    verdict = outcome(
        NoWorseThanChampion("log_loss", tolerance=0.01), champion=champion(predictor=rated("cab")), **changes
    )
    assert verdict.passed is True and verdict.value == pytest.approx(0, abs=1e-12)
