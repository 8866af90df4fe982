"""A training set of trips, and searches over it whose fits are cheap: the scores are a function of the parameters."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from ml_platform import FloatRange, IntRange, LightGBM, OneOf, Tuned
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.spec.search_space import value_at
from ml_platform.state.stores import Stores
from ml_platform.training import training_set
from ml_platform.training.training_set import TrainingSet
from ml_platform.tuning.fold_fits import FoldedData
from ml_platform_tests.scenario import labelled_trips
from ml_platform_tests.scenario.labelled_trips import MONTHS, D

SPACE = {
    "num_leaves": IntRange(4, 64, log=True),
    "learning_rate": FloatRange(0.01, 0.5),
    "extra.path_smooth": OneOf([0.0, 1.0, 10.0]),
}


def tuned(**changes: Any) -> Tuned:
    return Tuned(**{"trainer": LightGBM(num_leaves=7, rounds=5), "space": SPACE, "trials": 16, "folds": 3, **changes})


def stored(stores: Stores, pipeline: ModelPipeline, frame: pl.DataFrame | None = None) -> TrainingSet:
    labelled_trips.fill(stores.lake, pipeline, labelled_trips.rows() if frame is None else frame)
    rows = labelled_trips.with_path("trips")
    return training_set.build(
        stores.lake, stores.blobs, pipeline, label_rows=rows, decided_at=D, partitions_upto=MONTHS
    )


@dataclass
class Fits:
    """Stands for fitting: scores get better the nearer the parameters are to 16 leaves at a rate of .1.

    `fitted` lists (num_leaves, learning_rate) of every fit. `before` is called first and may raise.
    """

    fitted: list[tuple[int, float]] = field(default_factory=list)
    before: Callable[[Any], None] = lambda trainer: None

    def fit(self, data: FoldedData, trainer: Any, fold: str, seconds: float | None) -> tuple[Any, Any]:
        self.before(trainer)
        self.fitted.append((trainer.num_leaves, trainer.learning_rate))
        labels = pl.scan_parquet(data.file).filter(pl.col(fold) == "validation").select("_label").collect()["_label"]
        off = abs(np.log(trainer.num_leaves / 16)) + 5 * abs(trainer.learning_rate - 0.1)
        off += 0.1 * (value_at(trainer, "extra.path_smooth")[0] or 0)
        noise = np.random.default_rng(len(labels)).normal(size=len(labels))
        return _Bundle(), 1 / (1 + np.exp(-(labels.to_numpy() * 1.0 + noise * (0.5 + off))))


class _Bundle:
    classes: Sequence[str] = ()


@pytest.fixture
def fits(monkeypatch: pytest.MonkeyPatch) -> Fits:
    cheap = Fits()
    monkeypatch.setattr(FoldedData, "fit", lambda data, *arguments: cheap.fit(data, *arguments))
    return cheap


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path
