"""Single rows through LightGBM's fast C function: the bits of a batch, in any thread, and nothing stays behind."""

import ctypes
import gc
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from ml_platform import LightGBM
from ml_platform.models import lightgbm_row
from ml_platform.models.lightgbm import TRAINER, LightGBMModel
from ml_platform.models.lightgbm_library import lightgbm_library
from ml_platform.spec.tasks import Task
from ml_platform_tests.models import data


def fitted(task: Task, folder: Path, **extra: Any) -> tuple[LightGBMModel, pl.DataFrame]:
    frame = data.rows(task, 300)
    config = TRAINER.config(LightGBM(rounds=20, min_data_in_leaf=5, extra=extra), task)
    return TRAINER.fit(data.stored(folder, task, frame), config, threads=1), frame


def singles(model: LightGBMModel, frame: pl.DataFrame) -> bytes:
    return np.array([model.predict_row(row) for row in frame.iter_rows(named=True)]).tobytes()


@pytest.mark.parametrize("task", data.TASKS)
def test_rows_have_the_bits_of_the_batch_in_several_threads_at_once(task: Task, tmp_path: Path) -> None:
    model, frame = fitted(task, tmp_path)
    batch = model.predict(frame).tobytes()
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda _: singles(model, frame), range(8))) == {batch}


def test_rows_of_linear_trees_have_the_bits_of_the_batch(tmp_path: Path) -> None:
    model, frame = fitted("regression", tmp_path, linear_tree=True)
    assert singles(model, frame) == model.predict(frame).tobytes()


def test_the_fast_function_answers_and_where_lightgbm_lacks_it_predict_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, frame = fitted("binary", tmp_path)
    values = [1.0] * len(data.COLUMNS)
    booster = lightgbm_library().Booster(model_str=model.to_bytes().decode())
    scores = lightgbm_row.RowScorer(booster, len(values), 1).scores(values)
    assert scores == booster.predict(np.array([values])).tolist()
    assert lightgbm_row.RowScorer(booster, len(values) + 1, 1).scores([*values, 1.0]) is None  # LightGBM refuses
    for basic in (SimpleNamespace(_LIB=ctypes.CDLL(None)), SimpleNamespace()):
        monkeypatch.setattr(lightgbm_row, "lightgbm_library", lambda basic=basic: SimpleNamespace(basic=basic))
        assert lightgbm_row.RowScorer(booster, len(values), 1).scores(values) is None
        other = LightGBMModel.from_bytes(model.to_bytes(), model.signature)
        assert singles(other, frame) == model.predict(frame).tobytes()


def test_what_is_prepared_for_a_thread_is_freed_with_its_thread_and_with_its_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    freed: list[Any] = []
    finalize = weakref.finalize

    def counting(owner: Any, free: Any, handle: Any) -> Any:
        return finalize(owner, lambda: freed.append(free(handle)))

    monkeypatch.setattr(lightgbm_row, "weakref", SimpleNamespace(finalize=counting))
    model, frame = fitted("binary", tmp_path)
    with ThreadPoolExecutor(1) as pool:
        pool.submit(singles, model, frame).result()
    gc.collect()
    assert freed == [0]
    singles(model, frame)
    del model
    gc.collect()
    assert freed == [0, 0]
