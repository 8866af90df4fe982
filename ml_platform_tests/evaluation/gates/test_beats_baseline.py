"""A candidate that has to be shown better than a linear model of the same training rows and columns."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from ml_platform.errors import DeclarationError
from ml_platform.models.baseline import LinearBaseline, fit_baseline
from ml_platform.spec.gates import BeatsBaseline
from ml_platform.spec.training import Linear
from ml_platform.state.verdicts import Verdict
from ml_platform_tests.evaluation.candidates import outcome, part
from ml_platform_tests.evaluation.gates.test_no_worse_than_baseline import ring, scoring

COLUMNS = ("signal", "noise")
Judge = Callable[..., Verdict]


@pytest.fixture
def judged(tmp_path: Path) -> Judge:
    """The verdict on a candidate whose baseline is fitted on `train` as it is stored."""

    def judge(gate: BeatsBaseline, train: Any = None, columns: tuple[str, ...] = COLUMNS, **changes: Any) -> Verdict:
        rows = train or part(seed=1)
        frame = rows.frame.select(columns)
        stored = tmp_path / "train.parquet"
        frame.with_columns(rows.labels.alias("_label"), _part=pl.lit("train")).write_parquet(stored)
        types = {name: str(dtype) for name, dtype in frame.schema.items()}

        def fitted(declared: Linear) -> LinearBaseline:
            return LinearBaseline(fit_baseline(stored, "binary", types, declared))

        return outcome(gate, columns=columns, baseline=fitted, **changes)

    return judge


def test_what_is_shown_better_than_a_line_passes(judged: Judge) -> None:
    verdict = judged(BeatsBaseline("roc_auc"), ring(1), ("angle",), holdout=ring(2))
    assert verdict.passed is True and verdict.low is not None and verdict.low > 0.2
    assert verdict.detail.endswith("The whole interval is on the better side: the gate passes.")


def test_what_chance_explains_does_not_pass(judged: Judge) -> None:
    verdict = judged(BeatsBaseline("roc_auc"), holdout=scoring("signal", part(300, seed=2)))
    assert verdict.passed is False and verdict.measured and verdict.value == pytest.approx(0, abs=0.02)
    assert "does not show it better, because 300 rows detect only differences from" in verdict.detail


def test_what_is_worse_does_not_pass(judged: Judge) -> None:
    verdict = judged(BeatsBaseline("roc_auc"), holdout=scoring("worse"))
    assert verdict.passed is False and verdict.high is not None and verdict.high < 0
    assert verdict.detail.endswith("shows that it is not better: the gate fails.")


def test_the_lower_end_decides_at_the_margin(judged: Judge) -> None:
    given: dict[str, Any] = {"train": ring(1), "columns": ("angle",), "holdout": ring(2)}
    low = judged(BeatsBaseline("roc_auc"), **given).low
    assert low is not None
    assert judged(BeatsBaseline("roc_auc", margin=low - 1e-9), **given).passed is True
    assert judged(BeatsBaseline("roc_auc", margin=low), **given).passed is False


def test_less_is_better_of_a_loss_and_the_same_rows_give_the_same_verdict(judged: Judge) -> None:
    first, second = (judged(BeatsBaseline("log_loss"), ring(1), ("angle",), holdout=ring(2)) for _ in range(2))
    assert first == second and first.value is not None and first.value > 0


def test_the_penalty_and_the_margin_are_part_of_the_key() -> None:
    gates = [
        BeatsBaseline("roc_auc"),
        BeatsBaseline("roc_auc", Linear(l2=10.0)),
        BeatsBaseline("roc_auc", margin=0.01),
        BeatsBaseline("brier"),
    ]
    assert len({gate.key for gate in gates}) == 4
    assert BeatsBaseline("roc_auc", severity="warn").key == gates[0].key


def test_without_the_training_part_it_fails_for_lack_of_evidence() -> None:
    verdict = outcome(BeatsBaseline("roc_auc"))
    assert verdict.passed is False and not verdict.measured


@pytest.mark.parametrize("margin", [-0.01, float("nan"), float("inf")])
def test_a_margin_that_no_model_can_be_judged_by_is_refused(margin: float) -> None:
    with pytest.raises(DeclarationError, match="no number from 0 on"):
        BeatsBaseline("roc_auc", margin=margin)
