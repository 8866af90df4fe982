"""A pipeline's trainer on rows at hand, without a lake: for claims about data that need many trainings."""

from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from ml_platform.evaluation.metrics import scorecard
from ml_platform.models.registry import trainer_of
from ml_platform.models.training_data import TrainingData
from ml_platform.spec.features import Derived
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.training.training_plan import plan
from ml_platform.training.training_set import TrainingSet


def holdout_scorecard(
    pipeline: ModelPipeline, rows: pl.DataFrame, held_out: pl.Series, scratch: Path
) -> dict[str, float | None]:
    """Every metric on the rows that are held out, by the declared trainer fitted on the others.

    `rows` are of the contract's columns; the label is a column of its own.
    """
    label = pipeline.examples.label_expression
    assert label is not None
    derived = {
        n: e for feature in pipeline.features if isinstance(feature, Derived) for n, e in feature.expressions.items()
    }
    rows = rows.with_columns(_label=label, **derived)
    part = pl.when(held_out).then(pl.lit("holdout")).otherwise(pl.lit("train"))
    path = scratch / "rows.parquet"
    rows.with_columns(_part=part).write_parquet(path)
    planned = plan(pipeline, TrainingSet("", datetime(2024, 1, 1, tzinfo=UTC), rows.height, {}, 0, {}))
    data = TrainingData(path, planned.task, planned.columns)
    model = trainer_of(pipeline.trainer).fit(data, planned.config)
    asked = rows.filter(held_out)
    return scorecard(pipeline.task, asked["_label"], model.predict(asked), model.signature.classes)
