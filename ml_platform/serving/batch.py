"""Prediction rows of many examples at once. No input or output."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import polars as pl

from ml_platform.evaluation.metrics import decisions
from ml_platform.models.predictor import Predictor
from ml_platform.spec.tasks import MEDIAN

if TYPE_CHECKING:
    from ml_platform.spec.pipeline import ModelPipeline

SCHEMA = {
    "pipeline": pl.String(),
    "key": pl.String(),
    "at": pl.Datetime("us", "UTC"),
    "score": pl.Float64(),
    "scores": pl.List(pl.Float64()),
    "class": pl.String(),
    "version": pl.Int64(),
    "role": pl.String(),
    "run_id": pl.String(),
}


def scored(
    pipeline: "ModelPipeline",
    frame: pl.DataFrame,
    predictor: Predictor,
    version: int,
    run_id: str,
    role: str = "champion",
) -> pl.DataFrame:
    """Prediction rows (SCHEMA) for a frame of features, in its order.

    `score` is P(true), P(the class), the value or the median; `scores` are all classes' for multiclass, those of all
    levels for a model of quantiles, else null; `class` is what the metrics count as the decision, null for regression.
    """
    at = pipeline.examples.at
    rows = frame.select(
        pipeline=pl.lit(pipeline.name),
        key=key_text(pipeline.examples.keys),
        at=pl.col(at) if at else pl.lit(None),
        version=pl.lit(version),
        role=pl.lit(role),
        run_id=pl.lit(run_id),
    )
    return rows.hstack(answers(frame, predictor)).cast(pl.Schema(SCHEMA)).select(list(SCHEMA))


def answers(frame: pl.DataFrame, predictor: Predictor) -> pl.DataFrame:
    """`score`, `scores` and `class` of every row of a frame of features, as in prediction rows, in its order.

    Raises ScoringError for a missing column or one of another type.
    """
    several: npt.NDArray[np.float64] | None = None
    if predictor.levels:
        several = predictor.quantiles(frame)
        scores = several[:, predictor.levels.index(MEDIAN)]
        shown = scores
    else:
        scores = predictor.scores(frame)
        several = scores if predictor.task == "multiclass" else None
        shown = scores if several is None else scores.max(axis=1)
    nothing = pl.repeat(None, len(scores), dtype=SCHEMA["scores"], eager=True)
    return pl.DataFrame(
        {
            "score": shown,
            "scores": nothing if several is None else several.tolist(),
            "class": decided(predictor, scores),
        },
        schema={name: SCHEMA[name] for name in ("score", "scores", "class")},
    )


def key_text(keys: tuple[str, ...]) -> pl.Expr:
    """An example's key as text: the value itself, or a JSON object for a composite key."""
    if len(keys) == 1:
        return pl.col(keys[0]).cast(pl.String)
    return pl.struct(keys).struct.json_encode()


def key_of(row: Mapping[str, Any], keys: Mapping[str, pl.DataType]) -> str:
    """`key_text` of one example, given as Python values."""
    if len(keys) == 1:
        (value,) = (row[name] for name in keys)
        if type(value) in (str, int):
            return str(value)
    frame = pl.DataFrame({name: [row[name]] for name in keys}, schema=dict(keys))
    return str(frame.select(key_text(tuple(keys))).item())


def decided(predictor: Predictor, scores: npt.ArrayLike) -> list[str | None]:
    """The class that counts as the decision for each score, as `class` of prediction rows; None for regression."""
    values = np.asarray(scores, np.float64)
    if predictor.task == "regression":
        return [None] * len(values)
    classes = decisions(predictor.task, values, predictor.classes).tolist()
    text = {one: str(one).lower() if predictor.task == "binary" else str(one) for one in set(classes)}
    return [text[one] for one in classes]
