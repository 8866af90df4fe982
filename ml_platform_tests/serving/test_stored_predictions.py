"""What the batch predicted is read by key, with its age."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from ml_platform.lake.transaction import Author, write
from ml_platform.serving.filling_predictions import fill_predictions
from ml_platform.serving.sqlite_store import SQLiteStore
from ml_platform.serving.stored_predictions import stored_prediction
from ml_platform_tests.conftest import OpenWorld


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SQLiteStore]:
    with closing(SQLiteStore(tmp_path / "store.sqlite")) as one:
        yield one


def test_each_key_has_its_newest_prediction_of_the_batch(
    open_world: OpenWorld, february: Path, store: SQLiteStore
) -> None:
    world = open_world(february)
    name = world.pipeline.name
    fill_predictions(world.ws, name, store, None)
    rows = world.ws.lake.rows(f'SELECT key, "at", score, class, version FROM {name}.predictions')
    assert len(rows) == len({row[0] for row in rows}) > 100
    before = datetime.now(UTC)
    for key, at, score, class_name, version in rows:
        stored = stored_prediction(store, name, key)
        assert stored is not None
        scored_at = stored.pop("scored_at")
        assert datetime.fromisoformat(scored_at) < before
        assert datetime.fromisoformat(stored.pop("at")) == at
        assert stored == {"score": score, "scores": None, "class": class_name, "version": version}
    assert stored_prediction(store, name, "") is None and stored_prediction(store, name, "no such key") is None


def test_predictions_before_the_span_are_left_out_and_unchanged_ones_not_written_again(
    open_world: OpenWorld, february: Path, store: SQLiteStore
) -> None:
    world = open_world(february)
    name, span = world.pipeline.name, timedelta(days=3)
    filled = fill_predictions(world.ws, name, store, span)
    times = [at for (at,) in world.ws.lake.rows(f'SELECT "at" FROM {name}.predictions')]
    expected = sum(at >= max(times) - span for at in times)
    assert 0 < filled.values == expected < 400
    assert fill_predictions(world.ws, name, store, span) == filled
    assert fill_predictions(world.ws, name, store, None).values > filled.values


def test_a_pipeline_without_predictions_has_none_stored(open_world: OpenWorld, store: SQLiteStore) -> None:
    world = open_world(None)
    assert fill_predictions(world.ws, world.pipeline.name, store, None).values == 0
    assert stored_prediction(store, world.pipeline.name, "1") is None


def test_of_several_versions_the_newest_counts_with_the_time_of_its_run(
    open_world: OpenWorld, february: Path, store: SQLiteStore
) -> None:
    # A pipeline without partitions keeps what earlier versions predicted.
    world = open_world(february)
    name = world.pipeline.name
    rows = world.ws.lake.frame(f"SELECT * FROM {name}.predictions WHERE _partition = '2024-02'").drop("_partition")
    newer = rows.with_columns(score=pl.lit(0.25), version=pl.lit(99, pl.Int64))
    with write(world.ws.lake, Author("trip_delay/predictions", "2024-02", run_id="later")) as tx:
        tx.append(name, "predictions", newer, partition="2024-02")
    fill_predictions(world.ws, name, store, None)
    stored = [stored_prediction(store, name, key) for key in rows["key"]]
    assert {(one["version"], one["score"]) for one in stored if one is not None} == {(99, 0.25)}
    assert None not in stored
