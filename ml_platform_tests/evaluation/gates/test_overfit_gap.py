"""How much better a model is on what it was trained on."""

from typing import Any

import numpy as np
import polars as pl

from ml_platform.spec.gates import OverfitGap
from ml_platform_tests.evaluation.candidates import Column, outcome, part


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
    assert "Fit: overfit, beyond noise; try fewer leaves" in verdict.detail
    fine = outcome(OverfitGap("roc_auc", at_most=0.1))
    assert fine.passed is True and "Fit: fine." in fine.detail


def test_a_long_training_part_is_thinned_evenly() -> None:
    rows = part(rows=10, n=range(10))
    assert rows.thinned(5).frame["n"].to_list() == [0, 2, 4, 6, 8]
    assert rows.thinned(4).frame["n"].to_list() == [0, 3, 6, 9]
    assert len(rows.thinned(10)) == 10 and len(rows.thinned(3).labels) == 3
