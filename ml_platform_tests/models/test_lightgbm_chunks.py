"""A training set that is read in chunks gives the bytes of one that is a matrix."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from ml_platform import LightGBM
from ml_platform.errors import TrainingError
from ml_platform.models.lightgbm import TRAINER
from ml_platform.models.protocol import Model
from ml_platform.models.training_data import TrainingData
from ml_platform.spec.tasks import Task
from ml_platform_tests.models import data

WORDS = {
    "early stopping": LightGBM(rounds=10, min_data_in_leaf=5, early_stopping=3),
    "a sample of the rows, and a seed": LightGBM(
        rounds=5, seed=7, min_data_in_leaf=200, extra={"bin_construct_sample_cnt": 300, "feature_fraction": 0.7}
    ),
    "linear trees": LightGBM(rounds=5, extra={"linear_tree": True}),
}


def fitted(stored: TrainingData, word: LightGBM) -> Model:
    return TRAINER.fit(stored, TRAINER.config(word, stored.task), threads=1)


@pytest.mark.parametrize("word", WORDS.values(), ids=list(WORDS))
@pytest.mark.parametrize("task", data.TASKS)
def test_chunks_give_the_model_of_a_matrix(task: Task, word: LightGBM, tmp_path: Path) -> None:
    stored = data.stored(tmp_path, task, data.rows(task, 2_000))
    whole = fitted(stored, word)
    for chunk in (7, 1_500):
        in_chunks = fitted(replace(stored, in_memory=0, chunk=chunk), word)
        assert in_chunks.to_bytes() == whole.to_bytes()
        assert (in_chunks.signature, in_chunks.report) == (whole.signature, whole.report)


def test_chunks_without_a_row_of_a_part_are_passed_over(tmp_path: Path) -> None:
    stored = data.stored(tmp_path, "binary", data.rows("binary").sort("_part", maintain_order=True))
    word = WORDS["early stopping"]
    assert fitted(replace(stored, in_memory=0, chunk=100), word).to_bytes() == fitted(stored, word).to_bytes()


def test_a_class_that_only_validation_has_is_left_out_of_chunks_too(tmp_path: Path) -> None:
    rows = data.rows("multiclass").with_columns(
        _label=pl.when(pl.col("_part").eq("validation") & pl.col("km").gt(20)).then(pl.lit("new")).otherwise("_label")
    )
    stored, word = data.stored(tmp_path, "multiclass", rows), WORDS["early stopping"]
    whole, in_chunks = fitted(stored, word), fitted(replace(stored, in_memory=0, chunk=50), word)
    assert (in_chunks.to_bytes(), in_chunks.report) == (whole.to_bytes(), whole.report)


@pytest.mark.parametrize("columns", [{"km": "String"}, {"city": "Float64"}])
def test_a_column_of_another_type_is_named(columns: dict[str, str], tmp_path: Path) -> None:
    stored = replace(data.stored(tmp_path, "binary", columns=columns), in_memory=0, chunk=50)
    with pytest.raises(TrainingError, match=next(iter(columns))):
        fitted(stored, WORDS["early stopping"])


GROWTH = """
import resource, sys
from pathlib import Path
from ml_platform.models.lightgbm import TRAINER
from ml_platform.models.lightgbm_library import lightgbm_library
from ml_platform.models.training_data import TrainingData
from ml_platform.spec.training import LightGBM

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

word = LightGBM(rounds=1, extra={"bin_construct_sample_cnt": 10_000})
columns = {f"n{i}": "Float64" for i in range(30)}
lightgbm_library()
before = peak()
in_memory = int(sys.argv[2])
data = TrainingData(Path(sys.argv[1]), "regression", columns, in_memory=in_memory, chunk=50_000)
TRAINER.fit(data, TRAINER.config(word, "regression"), threads=1)
print(peak() - before)
"""


@pytest.mark.slow  # a million rows
def test_chunks_take_a_fraction_of_the_memory_of_the_rows(tmp_path: Path) -> None:
    random, path = np.random.default_rng(1), tmp_path / "many.parquet"
    columns: dict[str, Any] = {f"n{i}": random.normal(size=1_000_000) for i in range(30)}
    frame = pl.DataFrame(columns).with_columns(_label="n0", _part=pl.lit("train"))
    frame.write_parquet(path, row_group_size=50_000)

    def growth(in_memory: int) -> int:
        command = [sys.executable, "-c", GROWTH, str(path), str(in_memory)]
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    assert growth(0) < growth(100_000_000) / 2
