"""What the prediction log keeps of answers: of a champion, and of the challenger that shadows it (S28)."""

import json
import os
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl

from ml_platform.features.online.answering import Adjustments
from ml_platform.serving import column_segments
from ml_platform.serving.batch import key_of, key_text
from ml_platform.serving.logged_values import json_value
from ml_platform.serving.online import ManyPredictions, OnlinePredictor, Prediction
from ml_platform.serving.online_store import Role


def answer_of(
    predictor: OnlinePredictor, row: Mapping[str, Any], prediction: Prediction, identity: str
) -> dict[str, Any]:
    """The answer for one row. identity: of the answer."""
    at = predictor.definition.at
    return {
        "id": identity,
        "key": key_of(row, {name: predictor.definition.row_schema[name] for name in predictor.definition.keys}),
        "at": json_value(row[at]) if at else None,
        "version": prediction.version,
        "score": prediction.score,
        "scores": prediction.scores,
        "class": prediction.class_name,
        "statuses": dict(prediction.statuses),
        "ages": _in_seconds(prediction.ages),
    }


def record_of(
    predictor: OnlinePredictor,
    row: Mapping[str, Any],
    adjustments: Adjustments | None,
    prediction: Prediction,
    answer: Mapping[str, Any],
    requested: str,
    *,
    role: Role = "champion",
) -> dict[str, Any]:
    """The record of one answer. Nobody hears the answers of a challenger: it is a shadow."""
    inputs = {name: json_value(row[name]) for name in predictor.definition.row_schema}
    features = {name: json_value(value) for name, value in prediction.features.items()}
    return {
        **{name: answer[name] for name in ("id", "key", "at", "version", "score", "scores", "class")},
        "requested_at": requested,
        "role": role,
        "shadow": role == "challenger",
        "inputs": json.dumps(inputs),
        "features": json.dumps(features),
        "statuses": json.dumps(answer["statuses"]),
        "ages": json.dumps(answer["ages"]),
        "overridden": sorted(adjustments.overrides) if adjustments else [],
        "max_staleness": json.dumps(_in_seconds(adjustments.max_staleness) if adjustments else {}),
        "snapshots": json.dumps(dict(prediction.snapshots)),
    }


def answers_of_many(
    predictor: OnlinePredictor,
    rows: pl.DataFrame,
    predictions: ManyPredictions,
    identities: pl.Series,
    requested: datetime,
    *,
    role: Role = "champion",
) -> pl.DataFrame:
    """What the records of many answers have beside JSON, as columns."""
    definition = predictor.definition
    at = pl.col(definition.at) if definition.at else pl.lit(None, pl.Datetime("us", "UTC"))
    return rows.select(
        id=identities, key=key_text(definition.keys), at=at, version=pl.lit(predictions.version, pl.Int64)
    ).with_columns(
        *predictions.answers.get_columns(),
        requested_at=pl.lit(requested, pl.Datetime("us", "UTC")),
        role=pl.lit(role),
        shadow=pl.lit(role == "challenger"),
        snapshots=pl.lit(json.dumps(dict(predictions.snapshots))),
    )


def packed_records(
    predictor: OnlinePredictor, rows: pl.DataFrame, predictions: ManyPredictions, answers: pl.DataFrame
) -> bytes:
    """The segment of the log with the records of many answers (`answers_of_many`)."""
    definition, features = predictor.definition, predictions.features
    outputs, statuses = features.select(list(definition.outputs)), features.select(definition.status_columns)
    return column_segments.packed(answers, rows, outputs, statuses, predictions.ages)


def new_identities(count: int) -> pl.Series:
    """As many random UUIDs (version 4) as text."""
    octets = np.frombuffer(bytearray(os.urandom(16 * count)), np.uint8).reshape(count, 16)
    octets[:, 6] = octets[:, 6] & 0x0F | 0x40
    octets[:, 8] = octets[:, 8] & 0x3F | 0x80
    return pl.Series(octets).arr.to_list().cast(pl.Binary).bin.encode("hex")


def _in_seconds(microseconds: Mapping[str, int]) -> dict[str, float]:
    return {name: value / 1e6 for name, value in microseconds.items()}
