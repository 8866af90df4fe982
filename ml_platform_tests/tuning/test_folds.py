"""Folds lie within the training and validation parts, in the order of time or with whole groups (S62)."""

from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from ml_platform import Examples, LightGBM, Split
from ml_platform.errors import TrainingError
from ml_platform.models.training_data import TrainingData
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state.stores import Stores
from ml_platform.tuning.folds import Fold, write_folds
from ml_platform_tests.scenario import labelled_trips
from ml_platform_tests.scenario.labelled_trips import D
from ml_platform_tests.tuning.conftest import stored


def folded(
    stores: Stores, pipeline: ModelPipeline, wanted: int, folder: Path, frame: pl.DataFrame | None = None
) -> tuple[list[Fold], pl.DataFrame, pl.DataFrame]:
    """The folds, the rows with their columns, and the whole training set."""
    training_set = stored(stores, pipeline, frame)
    path, file = stores.blobs.get(training_set.digest), folder / "folded.parquet"
    folds = write_folds(stores.lake, pipeline, training_set, path, wanted, file)
    return folds, pl.read_parquet(file), pl.read_parquet(path)


@pytest.mark.parametrize("wanted", [1, 2, 4])
def test_folds_by_time_are_rolling_origins_that_end_with_the_declared_validation_part(
    stores: Stores, folder: Path, wanted: int
) -> None:
    frame = labelled_trips.rows().with_columns(  # every fifth label is known ten days late
        ended=pl.when(pl.col("trip") % 5 == 0).then(pl.col("ended") + timedelta(days=10)).otherwise("ended")
    )
    folds, rows, whole = folded(stores, labelled_trips.pipeline(), wanted, folder, frame)
    assert len(folds) == wanted
    learnt = whole.filter(pl.col("_part") != "holdout")
    assert rows["trip"].to_list() == learnt["trip"].to_list()
    known = dict(zip(whole["trip"], whole["_label_known_at"], strict=True))
    week, end = timedelta(days=7), D - timedelta(days=14)
    for back, fold in enumerate(reversed(folds)):
        first, last = end - (back + 1) * week, end - back * week
        assert (datetime.fromisoformat(fold.first), datetime.fromisoformat(fold.last)) == (first, last)
        expected = [  # row by row
            "validation" if first <= at < last else "train" if at < first and known[trip] <= first else None
            for trip, at in rows.select("trip", "at").iter_rows()
        ]
        assert rows[fold.column].to_list() == expected
        assert (fold.train, fold.validation) == (expected.count("train"), expected.count("validation"))
    declared = whole.filter(pl.col("_part") == "validation")["trip"]
    newest = TrainingData(folder / "folded.parquet", "binary", {"km": "Float64"}, part_column=folds[-1].column)
    assert rows.filter(pl.col(folds[-1].column) == "validation")["trip"].to_list() == declared.to_list()
    assert newest.part("validation").height == len(declared) and newest.part("holdout").is_empty()


def test_a_fold_without_enough_history_is_left_out(stores: Stores, folder: Path) -> None:
    folds, _, _ = folded(stores, labelled_trips.pipeline(), 20, folder)
    assert len(folds) == 5  # of 38 days before the validation week, a sixth week would train on three days
    assert all(fold.train >= fold.validation for fold in folds)
    assert [fold.first for fold in folds] == sorted(fold.first for fold in folds)


@pytest.mark.parametrize("group", [None, "city"])
def test_folds_by_shares_validate_each_group_in_exactly_one(stores: Stores, folder: Path, group: str | None) -> None:
    split = Split(validation=0.2, holdout=0.2, group=group)
    pipeline = labelled_trips.pipeline(split=split)
    folds, rows, whole = folded(stores, pipeline, 3, folder)
    assert set(rows["trip"]) == set(whole.filter(pl.col("_part") != "holdout")["trip"])
    columns = [fold.column for fold in folds]
    if group is None:
        validated = rows.select(pl.sum_horizontal(pl.col(columns) == "validation")).to_series()
        assert set(validated) == {1} and len(folds) == 3
        assert all(0.2 < fold.validation / rows.height < 0.5 for fold in folds)
    else:
        parts = rows.filter(pl.col("city").is_not_null()).group_by("city").agg(pl.col(columns).n_unique())
        assert set(parts.select(columns).row(0)) == {1} and all(set(parts[name]) == {1} for name in columns)
    one, rows, whole = folded(stores, pipeline, 1, folder)
    declared = whole.filter(pl.col("_part") != "holdout")["_part"]
    assert rows[one[0].column].to_list() == declared.to_list()


def test_labels_that_are_all_the_same_in_every_fold_are_an_error(stores: Stores, folder: Path) -> None:
    flat = labelled_trips.rows().with_columns(
        late=pl.when((pl.col("at") < D - timedelta(days=14)) & (pl.col("at") >= D - timedelta(days=35)))
        .then(1.0)
        .otherwise("late")
    )
    pipeline = labelled_trips.pipeline(trainer=LightGBM(), split=Split(validation="21d", holdout="14d"))
    with pytest.raises(TrainingError, match="No fold has rows with two different labels"):
        folded(stores, pipeline, 1, folder, flat)


def test_a_key_without_time_has_folds_too(stores: Stores, folder: Path) -> None:
    examples = Examples("trips", key="trip", at="at", inputs=["km"], label=pl.col("late") > 0)
    pipeline = labelled_trips.pipeline(examples=examples, features=(), split=Split(validation=0.2, holdout=0.3))
    folds, rows, _ = folded(stores, pipeline, 5, folder)
    assert len(folds) == 5 and "_part" not in rows.columns
