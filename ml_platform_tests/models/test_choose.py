"""A choice among trainers: which is kept, what is on record, and that it is made again."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from ml_platform.errors import DeclarationError, TrainingError
from ml_platform.models import choose, registry
from ml_platform.models.protocol import Model
from ml_platform.spec.canonical import content_key, libraries
from ml_platform.spec.composed_trainers import Choose, PlainTrainer
from ml_platform.spec.scikit_learn import ScikitLearn
from ml_platform.spec.tasks import Task
from ml_platform.spec.training import LightGBM, Linear, XGBoost
from ml_platform.training import fitting
from ml_platform_tests.models import data
from ml_platform_tests.scenario import labelled_trips

WEAK, STRONG = LightGBM(rounds=1, learning_rate=0.01), LightGBM(num_leaves=7)


def fit(folder: Path, task: Task, *trainers: PlainTrainer, frame: pl.DataFrame | None = None) -> Model:
    declared = Choose(list(trainers))
    return choose.TRAINER.fit(data.stored(folder, task, frame), choose.TRAINER.config(declared, task), threads=1)


def alone(folder: Path, task: Task, trainer: PlainTrainer) -> Model:
    own = registry.trainer_of(trainer)
    return own.fit(data.stored(folder, task), own.config(trainer, task), threads=1)


@pytest.mark.parametrize("task", data.TASKS)
def test_the_best_on_validation_is_kept_as_it_would_be_alone(task: Task, tmp_path: Path) -> None:
    kept = fit(tmp_path, task, WEAK, Linear(), STRONG)
    metric = "rmse" if task == "regression" else "log_loss"
    evaluated = {
        name: kept.report.evaluations[f"{metric} of {name}"] for name in ("LightGBM 1", "Linear", "LightGBM 2")
    }
    held = data.part(data.rows(task), "validation")
    for trainer, name in ((WEAK, "LightGBM 1"), (Linear(), "Linear"), (STRONG, "LightGBM 2")):
        scores, labels = alone(tmp_path, task, trainer).predict(held), held["_label"].to_numpy()
        if task == "regression":
            loss = np.sqrt(np.mean((scores - labels) ** 2))
        elif task == "binary":
            loss = -np.mean(np.log(np.where(labels, scores, 1 - scores)))
        else:
            codes = np.searchsorted(["bad", "good", "poor"], labels)
            loss = -np.mean(np.log(scores[np.arange(len(codes)), codes]))
        assert evaluated[name] == pytest.approx(loss)
    chosen = min(evaluated, key=lambda name: evaluated[name])
    assert kept.report.parameters["chosen"] == chosen != "LightGBM 1"
    own = {"Linear": Linear(), "LightGBM 2": STRONG}[chosen]
    assert kept.to_bytes() == alone(tmp_path, task, own).to_bytes()
    assert f"Linear: {metric} {evaluated['Linear']:.6g}" in kept.report.parameters["trainers on validation"]


def test_of_equally_good_ones_the_first_is_kept(tmp_path: Path) -> None:
    assert fit(tmp_path, "binary", STRONG, STRONG).report.parameters["chosen"] == "LightGBM 1"


def test_a_candidate_that_cannot_be_fitted_is_left_out_with_its_reason(tmp_path: Path) -> None:
    broken = ScikitLearn("sklearn.linear_model.LogisticRegression", C=-1.0)
    kept = fit(tmp_path, "binary", broken, Linear())
    assert kept.report.parameters["chosen"] == "Linear"
    assert (
        "ScikitLearn: sklearn.linear_model.LogisticRegression refuses"
        in (kept.report.parameters["trainers on validation"])
    )
    with pytest.raises(TrainingError, match="refuses"):
        fit(tmp_path, "binary", broken, broken)


def test_without_an_example_to_choose_by_nothing_is_chosen(tmp_path: Path) -> None:
    frame = data.rows("binary").filter(pl.col("_part") != "validation")
    with pytest.raises(TrainingError, match="no example to choose by"):
        fit(tmp_path, "binary", Linear(), STRONG, frame=frame)


def test_what_is_too_far_off_to_be_compared_is_not_kept(tmp_path: Path) -> None:
    frame = data.rows("regression").with_columns(pl.col("_label") * 1e200)
    with pytest.raises(TrainingError, match="too far off to be compared"):
        fit(tmp_path, "regression", Linear(), STRONG, frame=frame)


def test_a_choice_reads_chunks_as_it_reads_memory(tmp_path: Path) -> None:
    stored = data.stored(tmp_path, "multiclass")
    config = choose.TRAINER.config(Choose([Linear(), STRONG]), "multiclass")
    reports = [
        choose.TRAINER.fit(replace(stored, in_memory=values, chunk=100), config, threads=1).report
        for values in (0, 10**9)
    ]
    assert reports[0].parameters["chosen"] == reports[1].parameters["chosen"]
    for name, value in reports[0].evaluations.items():
        assert value == pytest.approx(reports[1].evaluations[name])


def test_the_key_covers_every_candidate_its_code_and_its_libraries() -> None:
    one, other = Choose([XGBoost(), Linear()]), Choose([XGBoost(), Linear(l2=2.0)])
    assert content_key(one) != content_key(other)
    pipelines = [labelled_trips.pipeline(trainer=each) for each in (one, other)]
    assert fitting.declaration(pipelines[0])[0] == [1, 1, 1]
    assert choose.TRAINER.libraries(one) == ("xgboost-cpu", "numpy")


def test_a_library_that_is_not_installed_is_named() -> None:
    with pytest.raises(DeclarationError, match=r"no-such-boosting: it is not installed.*pip install no-such-boosting"):
        libraries("no-such-boosting")


def test_one_trainer_is_no_choice_and_each_must_fit_the_label() -> None:
    with pytest.raises(DeclarationError, match="nothing to choose from"):
        Choose([Linear()])
    with pytest.raises(DeclarationError, match="has no predict_proba"):
        labelled_trips.pipeline(trainer=Choose([Linear(), ScikitLearn("sklearn.svm.LinearSVC")]))
