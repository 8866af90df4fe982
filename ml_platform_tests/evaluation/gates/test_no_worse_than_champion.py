"""No regression against the version that serves (S25)."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from ml_platform.spec.gates import NoWorseThanChampion
from ml_platform_tests.evaluation.candidates import HOLDOUT_START, Column, champion, outcome, part


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
