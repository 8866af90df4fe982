"""What every trainer and its models must do, whatever their library: one contract for all that are registered."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ml_platform.errors import BlobError, ScoringError, TrainingError
from ml_platform.lake.blobs import Blobs
from ml_platform.lake.connection import Lake
from ml_platform.models.bundle import load
from ml_platform.models.predictor import Predictor
from ml_platform.models.protocol import Model
from ml_platform.models.registry import model_of_format, trainer_of, trainers
from ml_platform.spec.automl import AutoML
from ml_platform.spec.canonical import libraries
from ml_platform.spec.composed_trainers import Calibrated, Choose, DeclaredTrainer
from ml_platform.spec.quantiles import Quantiles
from ml_platform.spec.scikit_learn import ScikitLearn
from ml_platform.spec.searched_trainers import Grid, Tuned
from ml_platform.spec.tasks import Task
from ml_platform.spec.training import LightGBM, Linear, XGBoost
from ml_platform.spec.transformed import Transformed
from ml_platform.spec.transforms import Imputed, Log, OneHot, Reduced, Scaled, TargetEncoded
from ml_platform.training import fitting, training_set
from ml_platform.training.reproduction import reproduce
from ml_platform_tests.examples import tries
from ml_platform_tests.models import data
from ml_platform_tests.models.data import COLUMNS, TASKS
from ml_platform_tests.scenario import labelled_trips

Words = dict[Task, DeclaredTrainer | Transformed]  # of one kind of model


CASES: dict[str, Words] = {
    **{word.__name__: dict.fromkeys(TASKS, word()) for word in (LightGBM, XGBoost, Linear)},
    "ScikitLearn": {
        "binary": ScikitLearn("sklearn.ensemble.HistGradientBoostingClassifier", max_iter=15),
        "multiclass": ScikitLearn("sklearn.ensemble.RandomForestClassifier", n_estimators=10, min_samples_leaf=5),
        "regression": ScikitLearn("sklearn.linear_model.Ridge"),
    },
    "composed": {
        "binary": Calibrated(Choose([LightGBM(), XGBoost(early_stopping=5)])),
        "multiclass": Choose([LightGBM(num_leaves=3), XGBoost(rounds=20)]),
        "regression": Choose([LightGBM(rounds=20), Linear()]),
    },
    "transformed": {
        "binary": Transformed(LightGBM(rounds=20), [Imputed(["km", "rush"]), TargetEncoded("city"), Scaled("city")]),
        "multiclass": Transformed(Linear(), [Log("km"), TargetEncoded(["city", "riders"]), OneHot("rush")]),
        "regression": Transformed(Linear(), [OneHot("city"), Reduced(["riders", "rush"]), Imputed("km", by="mean")]),
    },
    "neural network": {
        "binary": ScikitLearn("sklearn.neural_network.MLPClassifier", early_stopping=True, learning_rate_init=0.02),
        "multiclass": ScikitLearn("sklearn.neural_network.MLPClassifier", early_stopping=True, learning_rate_init=0.02),
        "regression": ScikitLearn("sklearn.neural_network.MLPRegressor", early_stopping=True, learning_rate_init=0.02),
    },
    "quantiles": {
        "binary": Calibrated(Linear()),
        "multiclass": ScikitLearn("sklearn.linear_model.LogisticRegression"),
        "regression": Quantiles(LightGBM(rounds=30), levels=[0.1, 0.5, 0.9]),
    },
}
_LATER = """
import json, sys
from pathlib import Path
import polars as pl
from ml_platform.models.protocol import Signature
from ml_platform.models.registry import model_of_format

for folder in map(Path, sys.argv[1:]):
    stored, signature = (folder / "model").read_bytes(), json.loads((folder / "signature.json").read_text())
    loaded = model_of_format((folder / "format").read_text()).from_bytes(
        stored, Signature(**signature | {"classes": tuple(signature["classes"])})
    )
    scores = loaded.predict(pl.read_parquet(folder / "rows.parquet"))
    print(json.dumps([scores.tobytes().hex(), loaded.to_bytes() == stored, loaded.importance()]))
"""
pytestmark = pytest.mark.parametrize("word", CASES.values(), ids=CASES)
every_task = pytest.mark.parametrize("task", TASKS)


def fit(folder: Path, word: Words, task: Task, frame: pl.DataFrame | None = None, threads: int = 1) -> Model:
    trainer = trainer_of(word[task])
    return trainer.fit(data.stored(folder, task, frame), trainer.config(word[task], task), threads=threads)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Models of `data.rows`, each fitted once."""
    models: dict[tuple[int, str], Model] = {}

    def of(word: Words, task: Task) -> Model:
        name = (id(word), task)
        if name not in models:
            models[name] = fit(tmp_path_factory.mktemp("fitted"), word, task)
        return models[name]

    return of


def test_every_word_of_a_trainer_is_among_these(word: Words) -> None:
    words = {type(each) for words in CASES.values() for each in words.values()}
    searched = {Tuned, Grid, AutoML}  # they fit nothing by themselves
    assert words == {*get_args(DeclaredTrainer), Transformed} - searched


def test_a_format_names_one_model_and_its_libraries_are_installed(word: Words) -> None:
    formats = [model.format for each in trainers() for model in each.models]
    for model in (model for declared in word.values() for model in trainer_of(declared).models):
        assert formats.count(model.format) == 1 and model_of_format(model.format) is model
        assert "/" not in model.format and model.libraries
    assert all(libraries(*trainer_of(declared).libraries(declared)) for declared in word.values())
    with pytest.raises(BlobError, match="model format 'clay' is unknown"):
        model_of_format("clay")


@every_task
def test_a_model_learns(word: Words, task: Task, fitted: Any) -> None:
    model, holdout = fitted(word, task), data.part(data.rows(task), "holdout")
    scores, labels = model.predict(holdout), holdout["_label"].to_numpy()
    if task == "multiclass":
        assert model.signature.classes == ("bad", "good", "poor")
        assert np.allclose(scores.sum(axis=1), 1)
        assert np.mean(np.array(model.signature.classes)[scores.argmax(axis=1)] == labels) > 0.6
    elif task == "binary":
        assert model.signature.classes == () and scores.min() >= 0 and scores.max() <= 1
        assert scores[labels].mean() > scores[~labels].mean() + 0.3
    else:
        assert np.corrcoef(scores, labels)[0, 1] > 0.8
    assert model.report.parameters and json.loads(json.dumps(dict(model.report.parameters)))


def test_another_process_reads_the_bytes_and_scores_to_the_same_bits(word: Words, fitted: Any, tmp_path: Path) -> None:
    folders = [tmp_path / task for task in TASKS]
    for task, folder in zip(TASKS, folders, strict=True):
        model = fitted(word, task)
        folder.mkdir()
        (folder / "model").write_bytes(model.to_bytes())
        (folder / "format").write_text(model.format)
        signature = {name: getattr(model.signature, name) for name in ("task", "columns", "levels", "classes")}
        (folder / "signature.json").write_text(json.dumps(signature))
        data.part(data.rows(task), "holdout").write_parquet(folder / "rows.parquet")
    command = [sys.executable, "-c", _LATER, *folders]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    for task, line in zip(TASKS, done.stdout.splitlines(), strict=True):
        model, holdout = fitted(word, task), data.part(data.rows(task), "holdout")
        scores, same, importance = json.loads(line)
        assert (scores, same) == (model.predict(holdout).tobytes().hex(), True), task
        assert list(importance.items()) == list(model.importance().items()), task


@every_task
def test_the_same_training_gives_the_same_bytes_whatever_the_threads(
    word: Words, task: Task, fitted: Any, tmp_path: Path
) -> None:
    model = fitted(word, task)
    if model.reproducible:
        assert fit(tmp_path, word, task, threads=2).to_bytes() == model.to_bytes()


_ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "km": st.none() | st.floats(),
            "riders": st.none() | st.integers(-(2**63), 2**63 - 1),
            "rush": st.none() | st.booleans(),
            "city": st.none() | st.sampled_from(["", "never seen", *data.CITIES]),
            "same": st.none() | st.floats(),
            "empty": st.none() | st.floats(),
            "blank": st.none() | st.just("x"),
        }
    ),
    min_size=1,
    max_size=40,
)
_SCHEMA = {name: getattr(pl, dtype) for name, dtype in COLUMNS.items()}


@every_task
@given(rows=_ROWS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=tries(50))
def test_one_row_scores_as_the_batch_does_bit_for_bit_s13(
    word: Words, task: Task, fitted: Any, rows: list[dict[str, Any]]
) -> None:
    model = fitted(word, task)
    frame = pl.DataFrame(rows, schema=_SCHEMA)
    batch = model.predict(frame.select(frame.columns[::-1]).with_columns(more=pl.lit("x")))
    assert np.array([model.predict_row(row) for row in rows]).tobytes() == batch.tobytes()
    assert np.isfinite(batch).all()


@every_task
def test_many_rows_score_as_each_alone_and_none_as_none(word: Words, task: Task, fitted: Any) -> None:
    model, frame = fitted(word, task), data.rows(task, seed=2)
    singles = np.array([model.predict_row(row) for row in frame.iter_rows(named=True)])
    for threads in (1, 2):
        assert model.predict(frame, threads=threads).tobytes() == singles.tobytes()
    assert model.predict(frame.clear()).shape == (0, *singles.shape[1:])


@every_task
def test_a_missing_value_scores_and_so_does_a_category_that_train_lacks(word: Words, task: Task, fitted: Any) -> None:
    model = fitted(word, task)
    nothing = pl.DataFrame([dict.fromkeys(COLUMNS)], schema=_SCHEMA)
    assert np.isfinite(model.predict(nothing)).all()
    frame = data.part(data.rows(task), "holdout").head(50)
    unseen, null = (frame.with_columns(city=pl.lit(city, pl.String)) for city in ("never seen", None))
    assert model.predict(unseen).tobytes() == model.predict(null).tobytes()
    nan = frame.with_columns(km=pl.lit(float("nan")))
    assert model.predict(nan).tobytes() == model.predict(frame.with_columns(km=pl.lit(None, pl.Float64))).tobytes()


@every_task
def test_importance_is_a_share_of_every_column_and_none_of_what_says_nothing(
    word: Words, task: Task, fitted: Any
) -> None:
    shares = fitted(word, task).importance()
    assert set(shares) == set(COLUMNS) and sum(shares.values()) == pytest.approx(1)
    assert list(shares.values()) == sorted(shares.values(), reverse=True)
    assert next(iter(shares)) == "km" and shares["city"] > 0.02
    assert [shares[name] for name in ("same", "empty", "blank")] == [0, 0, 0]


@every_task
def test_columns_that_say_nothing_train_and_have_no_importance(word: Words, task: Task, tmp_path: Path) -> None:
    constant = data.rows(task).with_columns(
        km=0.1, riders=7, rush=pl.lit(True), city=pl.lit("oslo"), same=pl.lit(1e308), empty=None, blank=None
    )
    model = fit(tmp_path, word, task, constant.cast({"empty": pl.Float64, "blank": pl.String}))
    assert set(model.importance().values()) == {0.0}
    scores = model.predict(constant)
    assert np.isfinite(scores).all() and (scores == scores[0]).all()


@every_task
def test_labels_that_are_all_the_same_are_refused(word: Words, task: Task, tmp_path: Path) -> None:
    train = pl.col("_part") == "train"
    frame = data.rows(task)
    only = frame["_label"][0]
    with pytest.raises(TrainingError, match="labels have fewer than two"):
        fit(tmp_path, word, task, frame.with_columns(_label=pl.when(train).then(pl.lit(only)).otherwise("_label")))


@pytest.mark.parametrize("bad", [None, float("nan"), float("inf"), float("-inf")])
def test_labels_that_are_no_numbers_are_refused(word: Words, bad: float | None, tmp_path: Path) -> None:
    frame = data.rows("regression").with_row_index("row")
    broken = frame.with_columns(_label=pl.when(pl.col("row") == 2).then(pl.lit(bad)).otherwise("_label"))
    with pytest.raises(TrainingError, match="null, NaN or infinite"):
        fit(tmp_path, word, "regression", broken)


def test_columns_that_are_missing_or_of_another_type_are_refused_by_name(word: Words, fitted: Any) -> None:
    model, frame = fitted(word, "binary"), data.rows("binary")
    row = frame.row(0, named=True)
    for wrong, name in ((frame.drop("km"), "km"), (frame.with_columns(city=1), "'city'")):
        with pytest.raises(ScoringError, match=name):
            model.predict(wrong)
    for other, name in (({**row, "km": "1"}, "'km'"), ({k: v for k, v in row.items() if k != "city"}, "city")):
        with pytest.raises(ScoringError, match=name):
            model.predict_row(other)


@every_task
def test_a_bundle_holds_the_model_and_a_fresh_process_makes_it_again_s16(
    word: Words, task: Task, lake: Lake, blobs: Blobs
) -> None:
    declared = word[task]
    parts = (declared.trainer, declared.transforms) if isinstance(declared, Transformed) else (declared, ())
    pipeline = labelled_trips.pipeline(task, trainer=parts[0], transforms=parts[1])
    labelled_trips.fill(lake, pipeline, labelled_trips.rows())
    stored = training_set.build(
        lake,
        blobs,
        pipeline,
        label_rows=labelled_trips.with_path("trips"),
        decided_at=labelled_trips.D,
        partitions_upto=labelled_trips.MONTHS,
    )
    trained = fitting.make(blobs, pipeline, stored, "{}", threads=1)
    bundle = load(blobs, trained.digest)
    assert (bundle.digest, bundle.model_format) == (trained.digest, trained.record["format"])
    holdout = pl.read_parquet(blobs.path(stored.digest)).filter(pl.col("_part") == "holdout")
    assert Predictor(bundle).scores(holdout).tobytes() == Predictor(trained.bundle).scores(holdout).tobytes()
    again = reproduce(blobs, stored.digest, trained.digest)
    assert (again.identical, again.detail) == (True, "The same bytes.")
