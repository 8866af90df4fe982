"""From a stored training set to a bundle that can be made again (S15, S16, S19, S29)."""

import dataclasses
import json
import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from ml_platform.errors import BlobError, ProcessKilled, TrainingError
from ml_platform.lake.blobs import Blobs
from ml_platform.lake.connection import Lake
from ml_platform.models.bundle import load, save
from ml_platform.models.predictor import Predictor
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.spec.training import LightGBM
from ml_platform.training import fitting, fresh_process, reproduction, training_set
from ml_platform.training.environment import differences
from ml_platform.training.fitting import Trained
from ml_platform.training.fresh_process import answered_by_a_fork
from ml_platform.training.reproduction import reproduce, reproduce_here
from ml_platform.training.training_set import TrainingSet
from ml_platform_tests.scenario import labelled_trips
from ml_platform_tests.scenario.labelled_trips import MONTHS, D

TASKS = ("binary", "multiclass", "regression")


def fit_and_store(
    lake: Lake, blobs: Blobs, pipeline: ModelPipeline, frame: pl.DataFrame | None = None, threads: int = 2
) -> tuple[TrainingSet, Trained, pl.DataFrame]:
    labelled_trips.fill(lake, pipeline, labelled_trips.rows() if frame is None else frame)
    stored = training_set.build(
        lake, blobs, pipeline, label_rows=labelled_trips.with_path("trips"), decided_at=D, partitions_upto=MONTHS
    )
    candidate = fitting.make(blobs, pipeline, stored, "{}", threads=threads)
    return stored, candidate, pl.read_parquet(blobs.path(stored.digest))


@pytest.mark.parametrize("task", TASKS)
def test_a_model_learns_and_its_bundle_scores_as_it_did(lake: Lake, blobs: Blobs, task: str) -> None:
    _, candidate, rows = fit_and_store(lake, blobs, labelled_trips.pipeline(task))
    holdout = rows.filter(pl.col("_part") == "holdout")
    scores = Predictor(load(blobs, candidate.digest)).scores(holdout)
    label = holdout["_label"].to_numpy()
    if task == "multiclass":
        assert candidate.bundle.classes == ("bad", "good", "poor")
        assert np.allclose(scores.sum(axis=1), 1)
        assert np.mean(np.array(candidate.bundle.classes)[scores.argmax(axis=1)] == label) > 0.55
    elif task == "binary":
        assert scores[label].mean() > scores[~label].mean() + 0.3
    else:
        assert np.corrcoef(scores, label)[0, 1] > 0.7
    assert candidate.record["parameters"]["rounds"] == 10
    assert candidate.record["bytes"] == candidate.bundle.size == blobs.path(candidate.digest).stat().st_size


@pytest.mark.parametrize("task", TASKS)
def test_one_row_scores_as_the_batch_does_bit_for_bit_s13(lake: Lake, blobs: Blobs, task: str) -> None:
    _, candidate, rows = fit_and_store(lake, blobs, labelled_trips.pipeline(task))
    strange = pl.DataFrame(
        {
            "city": [None, "never seen", "rome", "", "oslo"],
            "rush": [None, True, False, None, True],
            "km": [None, float("nan"), 1e308, -0.0, float("inf")],
            "riders": [None, 2**62, -1, 0, 3],
            "hour": [None, 0, 23, 5, 7],
            "far": [float("nan"), None, 0.1, 1e-320, float("-inf")],
        },
        schema={name: rows.schema[name] for name in candidate.bundle.columns},
    )
    frame = pl.concat([rows.select(list(candidate.bundle.columns)).head(300), strange])
    predictor = Predictor(candidate.bundle, threads=2)
    singles = np.array([predictor.score_row(row) for row in frame.iter_rows(named=True)])
    assert singles.tobytes() == predictor.scores(frame).tobytes()
    moved = frame.select(frame.columns[::-1]).with_columns(more=pl.lit("x"))
    assert predictor.scores(moved).tobytes() == singles.tobytes()


def test_batches_cut_anywhere_give_the_same_scores(lake: Lake, blobs: Blobs, monkeypatch: pytest.MonkeyPatch) -> None:
    _, candidate, rows = fit_and_store(lake, blobs, labelled_trips.pipeline())
    predictor = Predictor(candidate.bundle)
    whole = predictor.scores(rows)
    monkeypatch.setattr("ml_platform.models.predictor.BATCH", 7)
    assert predictor.scores(rows).tobytes() == whole.tobytes()
    assert predictor.scores(rows.clear()).shape == (0,)


def test_levels_and_classes_are_learnt_from_the_train_part_only(lake: Lake, blobs: Blobs) -> None:
    late = pl.col("at") >= D - 21 * labelled_trips._HOUR * 24
    frame = labelled_trips.rows().with_columns(
        city=pl.when(late & (pl.col("trip") % 2 == 0)).then(pl.lit("aaa")).otherwise("city"),
        kind=pl.when(late & (pl.col("trip") % 5 == 0)).then(pl.lit("odd")).otherwise("kind"),
    )
    pipeline = labelled_trips.pipeline("multiclass", trainer=LightGBM(num_leaves=7, rounds=30, early_stopping=5))
    stored, candidate, rows = fit_and_store(lake, blobs, pipeline, frame)
    assert candidate.bundle.levels == {"city": ["bonn", "graz", "oslo", "rome"]}
    assert candidate.bundle.classes == ("bad", "good", "poor")
    predictor = Predictor(candidate.bundle)
    unknown = rows.filter(pl.col("city") == "aaa")
    as_null = unknown.with_columns(city=pl.lit(None, pl.String))
    assert predictor.scores(unknown).tobytes() == predictor.scores(as_null).tobytes()
    assert reproduce_here(blobs, stored.digest, candidate.digest).identical


def test_early_stopping_keeps_the_best_round_and_says_how_good_it_was(lake: Lake, blobs: Blobs) -> None:
    trainer = LightGBM(num_leaves=31, rounds=400, learning_rate=0.5, min_data_in_leaf=2, early_stopping=10)
    _, candidate, _ = fit_and_store(lake, blobs, labelled_trips.pipeline(trainer=trainer))
    assert 1 <= candidate.record["parameters"]["rounds"] < 400
    assert candidate.record["evaluations"]["binary_logloss"] < 0.69
    assert candidate.bundle.model.decode().count("Tree=") == candidate.record["parameters"]["rounds"]


def test_the_same_training_is_the_same_bundle_s16(lake: Lake, blobs: Blobs) -> None:
    pipeline = labelled_trips.pipeline()
    stored, candidate, _ = fit_and_store(lake, blobs, pipeline)
    again = fitting.make(blobs, pipeline, stored, "{}", threads=2)
    assert again.digest == candidate.digest == load(blobs, candidate.digest).digest
    other = fitting.make(blobs, pipeline, stored, "{}", threads=1)
    assert other.digest == candidate.digest  # threads are no part of the bundle
    assert (candidate.record["environment"]["threads"], other.record["environment"]["threads"]) == (2, 1)


def test_the_bundle_tells_its_training_set_and_decision(lake: Lake, blobs: Blobs) -> None:
    stored, candidate, _ = fit_and_store(lake, blobs, labelled_trips.pipeline())
    loaded = load(blobs, candidate.digest)
    assert (loaded.training_set, loaded.training["decided_at"]) == (stored.digest, D.isoformat())
    assert list(loaded.columns) == list(candidate.bundle.columns)


def test_a_column_that_is_always_null_trains(lake: Lake, blobs: Blobs) -> None:
    frame = labelled_trips.rows().with_columns(km=pl.lit(None, pl.Float64), city=pl.lit(None, pl.String))
    stored, candidate, _ = fit_and_store(lake, blobs, labelled_trips.pipeline(), frame)
    assert candidate.bundle.levels["city"] == []
    assert Predictor(candidate.bundle).score_row(dict.fromkeys(candidate.bundle.columns)) > 0  # type: ignore[operator]
    assert reproduce_here(blobs, stored.digest, candidate.digest).identical


def test_nothing_in_the_record_but_json_values(lake: Lake, blobs: Blobs) -> None:
    _, candidate, _ = fit_and_store(lake, blobs, labelled_trips.pipeline())
    assert json.loads(json.dumps(candidate.record)) == candidate.record
    assert {*candidate.record} == {
        "parameters",
        "evaluations",
        "environment",
        "code_version",
        "durations",
        "format",
        "bytes",
        "contract",
    }


# -- made again -------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", TASKS)
def test_a_fresh_process_makes_the_same_bytes_s16(lake: Lake, blobs: Blobs, task: str) -> None:
    stored, candidate, _ = fit_and_store(lake, blobs, labelled_trips.pipeline(task))
    again = reproduce(blobs, stored.digest, candidate.digest)
    assert again.identical
    assert again.expected == again.actual
    assert again.detail == "The same bytes."


def changed(blobs: Blobs, candidate: Trained, **parts: Any) -> str:
    return save(blobs, dataclasses.replace(candidate.bundle, **parts))


def test_another_model_is_noticed_and_its_first_difference_named(lake: Lake, blobs: Blobs) -> None:
    stored, candidate, _ = fit_and_store(lake, blobs, labelled_trips.pipeline())
    forged = candidate.bundle.model.replace(b"shrinkage=0.2", b"shrinkage=0.3", 1)
    again = reproduce_here(blobs, stored.digest, changed(blobs, candidate, model=forged))
    assert not again.identical
    assert again.expected != again.actual
    assert "was 'shrinkage=0.3' and is 'shrinkage=0.2'" in again.detail


def test_other_levels_and_another_environment_are_named(lake: Lake, blobs: Blobs) -> None:
    stored, candidate, _ = fit_and_store(lake, blobs, labelled_trips.pipeline())
    elsewhere = {**candidate.bundle.versions, "cpu": "abacus"}
    forged = changed(
        blobs,
        candidate,
        signature=dataclasses.replace(candidate.bundle.signature, levels={"city": ["bonn", "rome"]}),
        versions=elsewhere,
    )
    again = reproduce_here(blobs, stored.digest, forged)
    assert not again.identical
    assert again.detail.startswith("The categories of city differ. Since then: cpu was abacus and is ")


def test_environments_are_compared_library_by_library() -> None:
    then, now = {"libraries": {"polars": "1"}, "threads": 2}, {"libraries": {"polars": "2"}, "cpu": None}
    assert differences(then, now) == ["polars was 1 and is 2"]


def test_each_answer_is_that_of_a_process_of_its_own_and_one_that_is_killed_is_named(
    lake: Lake, blobs: Blobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored, candidate, _ = fit_and_store(lake, blobs, labelled_trips.pipeline())
    with monkeypatch.context() as patch:
        patch.setattr(fresh_process, "_reproduced", lambda: {"pid": os.getpid()})
        pids = [answered_by_a_fork({"arguments": [], "environment": {}})["pid"] for _ in range(2)]
    assert len({*pids, os.getpid()}) == 3

    def killed(*_: str) -> dict[str, Any]:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("it goes on")

    monkeypatch.setattr(fresh_process, "_reproduced", killed)
    ended = answered_by_a_fork({"arguments": [], "environment": {}})
    assert ended == {"ended": "ended with code -9", "last_line": "", "signal": signal.SIGKILL}
    monkeypatch.setattr(reproduction, "_fresh_processes", lambda: SimpleNamespace(ask=lambda *_: ended))
    with pytest.raises(ProcessKilled, match="ended by SIGKILL"):
        reproduce(blobs, stored.digest, candidate.digest)


@pytest.mark.parametrize("which", ["training set", "bundle"])
def test_a_damaged_blob_is_noticed_also_by_the_fresh_process(lake: Lake, blobs: Blobs, which: str) -> None:
    stored, candidate, _ = fit_and_store(lake, blobs, labelled_trips.pipeline())
    path = blobs.path(stored.digest if which == "training set" else candidate.digest)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(BlobError, match="damaged"):
        reproduce(blobs, stored.digest, candidate.digest)


def test_another_training_set_than_its_own_is_refused(lake: Lake, blobs: Blobs) -> None:
    _, candidate, _ = fit_and_store(lake, blobs, labelled_trips.pipeline())
    with pytest.raises(TrainingError, match="was fitted on"):
        reproduce_here(blobs, "0" * 64, candidate.digest)


def test_a_bundle_that_is_none_is_refused_by_name(blobs: Blobs, tmp_path: Path) -> None:
    with pytest.raises(BlobError, match="not a model bundle"):
        load(blobs, blobs.put_bytes(b"PK nothing"))
    with pytest.raises(BlobError, match="is not in"):
        load(blobs, "0" * 64)


def test_a_value_that_lightgbm_refuses_is_a_training_error(lake: Lake, blobs: Blobs) -> None:
    with pytest.raises(TrainingError, match="LightGBM refuses"):
        fit_and_store(lake, blobs, labelled_trips.pipeline(trainer=LightGBM(extra={"max_bin": -3})))
