"""Why a prediction is what it is: the values that the model saw, and how much each of them counted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from ml_platform.features.definition import FeatureDefinition
from ml_platform.models import bundle as bundles
from ml_platform.models.predictor import Predictor
from ml_platform.state import versions
from ml_platform.state.stores import Stores
from ml_platform.views import origins

_MARGIN = {"binary": "log-odds", "multiclass": "score of the predicted class before the softmax", "regression": "value"}


@dataclass(frozen=True)
class FeatureEffect:
    """One model column: its value for this prediction, what it added to the margin, its share of the importance.

    `contribution` is None for a model that cannot tell; `importance` (0 to 1) is the same for every prediction.
    """

    feature: str
    value: Any
    contribution: float | None
    importance: float


@dataclass(frozen=True)
class PredictionExplanation:
    """One prediction and what it rests on.

    prediction: key, at, score, class, version, role, partition and run_id.
    earlier:    how many older predictions the key has.
    version:    the name of the version that scored it.
    effects:    by size, greatest first; empty when the feature row is no longer stored.
    basis:      a sentence that says what the numbers of `effects` are.
    rows:       where the row of the example came from: table, file, row of the file, hash, arrival.
    """

    pipeline: str
    prediction: Mapping[str, Any]
    earlier: int
    version: str
    effects: tuple[FeatureEffect, ...]
    basis: str
    rows: tuple[Mapping[str, Any], ...]


def explain(stores: Stores, pipeline: str, key: str) -> PredictionExplanation:
    """The newest prediction of a key, explained.

    Raises NotFoundError when the key has no prediction, and BlobError when the version's bundle is damaged.
    """
    prediction, *earlier = origins.prediction_rows(stores.lake, pipeline, key)
    version = versions.version(stores.state, pipeline, prediction["version"])
    bundle = bundles.load(stores.blobs, version.bundle)
    definition = FeatureDefinition.from_json(bundle.definition)
    values = origins.feature_row(stores.lake, pipeline, definition, prediction)
    effects, basis = _effects(Predictor(bundle, threads=1), definition, values)
    rows = [] if values is None else origins.example_rows(stores, definition, values)
    return PredictionExplanation(pipeline, prediction, len(earlier), version.name, effects, basis, tuple(rows))


def _effects(
    predictor: Predictor, definition: FeatureDefinition, values: Mapping[str, Any] | None
) -> tuple[tuple[FeatureEffect, ...], str]:
    if values is None:
        return (), "The feature row that was scored is no longer stored."
    lacking = [name for name in predictor.columns if name not in values]
    if lacking:
        return (), f"The stored feature rows are of another definition: they lack {', '.join(lacking)}."
    schema = {name: definition.model_columns[name] for name in predictor.columns}
    row = pl.DataFrame([{name: values[name] for name in schema}], schema=schema)
    contributions, importance = predictor.contributions(row), predictor.importance()
    if contributions is None:
        added: list[float | None] = [None] * len(schema)
        basis = "`importance` is the model's own, the same for every prediction; it gives no contributions."
    else:
        decided = int(np.argmax(predictor.scores(row)[0])) if predictor.task == "multiclass" else 0
        added = [float(value) for value in contributions[0, decided]]
        basis = f"`contribution` is what the value added to the {_MARGIN[predictor.task]}, over the mean prediction."
    effects = [
        FeatureEffect(name, values[name], value, importance[name]) for name, value in zip(schema, added, strict=True)
    ]
    return tuple(sorted(effects, key=_size, reverse=True)), basis


def _size(effect: FeatureEffect) -> float:
    return effect.importance if effect.contribution is None else abs(effect.contribution)
