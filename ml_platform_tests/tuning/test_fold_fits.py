"""Trials are fitted in another process, which may take too long, crash or be killed (S62)."""

import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ml_platform import AtLeast, AtMost, Latency, LightGBM, Linear, OverfitGap, Scaled, Size, TargetEncoded
from ml_platform.evaluation.gates import latency
from ml_platform.models.registry import trainer_of
from ml_platform.models.training_data import TrainingData
from ml_platform.state.stores import Stores
from ml_platform.tuning import fold_fits, trial_process
from ml_platform.tuning.constraints import constraints, violation_of
from ml_platform.tuning.errors import OutOfTime, TrialFailed
from ml_platform.tuning.fold_fits import FoldedData
from ml_platform.tuning.folds import write_folds
from ml_platform_tests.scenario import labelled_trips
from ml_platform_tests.tuning.conftest import stored

FOLD = "_fold_1"


def data_of(stores: Stores, folder: Path, **changes: Any) -> FoldedData:
    pipeline = labelled_trips.pipeline(**changes)
    training_set = stored(stores, pipeline)
    file = folder / "folded.parquet"
    write_folds(stores.lake, pipeline, training_set, stores.blobs.get(training_set.digest), 1, file)
    return FoldedData(pipeline, file, "{}", threads=1)


def test_a_fold_is_fitted_in_another_process_to_the_bytes_that_this_one_would_give(
    stores: Stores, folder: Path
) -> None:
    data = data_of(stores, folder)
    for trainer in (LightGBM(num_leaves=5, rounds=5), Linear()):
        bundle, scores = data.fit(trainer, FOLD, 60)
        columns = {name: str(dtype) for name, dtype in data.pipeline.model_columns.items()}
        rows = TrainingData(data.file, "binary", columns, part_column=FOLD)
        own = trainer_of(trainer).fit(rows, trainer_of(trainer).config(trainer, "binary"), threads=1)
        assert bundle.model == own.to_bytes() and bundle.fitted.signature == own.signature
        assert scores.tobytes() == own.predict(rows.part("validation"), threads=1).tobytes()


def test_a_trial_is_fitted_behind_transforms_of_its_own_training_rows_s60(stores: Stores, folder: Path) -> None:
    data = data_of(stores, folder, transforms=[TargetEncoded("city"), Scaled("km")])
    bundle, scores = data.fit(Linear(), FOLD, 60)
    assert bundle.model_format == "transformed-linear-json"
    columns = {name: str(dtype) for name, dtype in data.pipeline.model_columns.items()}
    rows = TrainingData(data.file, "binary", columns, part_column=FOLD)
    assert scores.tobytes() == bundle.fitted.predict(rows.part("validation"), threads=1).tobytes()
    learner = replace(data.pipeline, trainer=Linear()).learner
    own = trainer_of(learner).fit(rows, trainer_of(learner).config(learner, "binary"), threads=1)
    assert bundle.model == own.to_bytes()


def test_what_the_library_refuses_and_what_takes_too_long_are_told_apart(stores: Stores, folder: Path) -> None:
    data = data_of(stores, folder)
    with pytest.raises(TrialFailed, match="LightGBM refuses"):
        data.fit(LightGBM(extra={"max_bin": 1}), FOLD, None)
    with pytest.raises(OutOfTime):
        data.fit(LightGBM(rounds=100_000, num_leaves=255, min_data_in_leaf=1), FOLD, 0.5)
    bundle, _ = data.fit(LightGBM(rounds=2), FOLD, None)  # the next one has a process again
    assert bundle.model_format == "lightgbm-text"


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (lambda: os.kill(os.getpid(), signal.SIGKILL), "killed (SIGKILL), as the system does when memory runs out"),
        (lambda: os.kill(os.getpid(), signal.SIGTERM), "was ended by SIGTERM"),
        (lambda: 1 / 0, "ended with code 1: ZeroDivisionError: division by zero"),
    ],
)
def test_a_process_that_crashes_is_a_reason(
    end: Any, reason: str, stores: Stores, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ml_platform.training.fresh_process import answered_by_a_fork

    def work(question: dict[str, Any]) -> dict[str, Any]:
        end()
        raise AssertionError

    class Forking:
        def ask(self, question: dict[str, Any], cancellation: Any) -> dict[str, Any]:
            return answered_by_a_fork(question, work)

    monkeypatch.setattr(fold_fits, "_trial_process", Forking)
    data = data_of(stores, folder)
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Dagster sets it while it executes
    try:
        with pytest.raises(TrialFailed) as failed:
            data.fit(LightGBM(), FOLD, None)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert reason in str(failed.value)


def test_memory_that_runs_out_is_a_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def exhaust(*arguments: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr("ml_platform.models.registry.trainer_named", exhaust)
    monkeypatch.setattr(trial_process, "_RANK", tmp_path / "oom_score_adj")
    question = {"columns": [], "folder": "", "data": "", "task": "binary", "fold": FOLD, "trainer": "LightGBM"}
    assert trial_process.fitted(question) == {"refused": "It ran out of memory."}
    assert (tmp_path / "oom_score_adj").read_text() == "1000"


def _measured(data: FoldedData, trainer: Any) -> dict[str, Any]:
    bundle, scores = data.fit(trainer, FOLD, None)
    return {
        type(gate).__name__ + (gate.sliced_by or ""): one
        for gate, one in zip(data.pipeline.gates, constraints(data, FOLD, bundle, scores), strict=True)
    }


def test_blocking_gates_constrain_as_they_would_judge_and_those_that_warn_do_not(
    stores: Stores, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gates = (
        AtLeast("roc_auc", 0.99),
        AtLeast("average_precision", 0.1, by="city", min_rows=5),
        AtMost("log_loss", 0.9),
        OverfitGap("roc_auc", 0.0001, severity="block"),
        Size(mb=0.001),
        Latency(p99_ms=50),
    )
    data = data_of(stores, folder, gates=gates)
    found = _measured(data, LightGBM(num_leaves=31, rounds=30, min_data_in_leaf=2))
    missed = {name for name, one in found.items() if one.violation > 0}
    assert missed == {"AtLeast", "OverfitGap", "Size"}
    assert found["AtLeast"].violation == pytest.approx((0.99 - found["AtLeast"].value) / 0.99)
    assert found["AtLeastcity"].violation < 0 and "of the fold" in found["AtLeast"].detail
    assert violation_of([vars(one) for one in found.values()]) == pytest.approx(
        sum(one.violation for one in found.values() if one.violation > 0)
    )
    warns = data_of(stores, folder, gates=(OverfitGap("roc_auc", 0.0001), Size(mb=0.001, severity="warn")))
    assert constraints(warns, FOLD, *warns.fit(LightGBM(rounds=2), FOLD, None)) == []

    slow = data_of(stores, folder, gates=(Latency(p99_ms=1),))
    outcomes = []
    for p99 in (0.9, 2.9, 3.1):  # within, perhaps because the machine is busy, beyond doubt
        rounds = [latency.Round(p99, 1.0, 1.0)]
        monkeypatch.setattr(latency, "_rounds", lambda *arguments, rounds=rounds: rounds)
        outcomes.append(_measured(slow, LightGBM(rounds=2))["Latency"])
    assert [one.violation for one in outcomes] == [0.0, 0.0, 1.0]
    assert "Ignored: a busy machine could explain it" in outcomes[1].detail


def test_a_gate_that_cannot_be_judged_on_a_fold_constrains_nothing(stores: Stores, folder: Path) -> None:
    data = data_of(stores, folder, gates=(AtLeast("roc_auc", 0.9, by="city", min_rows=100_000),))
    (one,) = _measured(data, LightGBM(rounds=2)).values()
    assert one.violation == 0 and "Not judged" in one.detail
