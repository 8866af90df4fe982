"""How much each model column counted for one prediction, in numbers and in words."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import exp, inf, log
from typing import Any

import numpy as np
import polars as pl

from ml_platform.models.predictor import Predictor
from ml_platform.spec.wording import ColumnOfExample

_MARGIN = {"binary": "log-odds", "multiclass": "score of the predicted class before the softmax", "regression": "value"}


@dataclass(frozen=True)
class FeatureEffect:
    """One model column: its value for this prediction, what it added to the margin, its share of the importance.

    words:        what it is and its value, such as "late of trips with driver D7 is 41"; the column's name where
                  today's declaration does not hold the column as the version learnt it.
    typical:      its value in the typical example, and `typical_in_words`; None without one.
    contribution: None for a model that cannot tell.
    importance:   0 to 1, the same for every prediction.
    """

    feature: str
    words: str
    value: Any
    typical: Any
    typical_in_words: str
    contribution: float | None
    importance: float


def effects_of(
    predictor: Predictor, row: pl.DataFrame, typical: Mapping[str, Any], words: Mapping[str, ColumnOfExample]
) -> tuple[tuple[FeatureEffect, ...], float | None, str]:
    """The effects, greatest first; the score that contributions start from; what the numbers are.

    Args:
        predictor: Of the version.
        row: The model's columns of one example.
        typical: The values of the typical example.
        words: Columns in words; the others go by their names.
    """
    contributions, importance = predictor.contributions(row), predictor.importance()
    added: list[float | None] = [None] * row.width
    mean, basis = None, "`importance` is the model's own, the same for every prediction; it gives no contributions."
    if contributions is not None:
        decided = int(np.argmax(predictor.scores(row)[0])) if predictor.task == "multiclass" else 0
        added = [float(value) for value in contributions[0, decided]]
        basis = f"`contribution` is what the value added to the {_MARGIN[predictor.task]}, over the mean prediction."
        if predictor.task != "multiclass":
            mean = _mean(predictor.task, float(predictor.scores(row)[0]), float(np.sum(contributions[0, decided])))
    effects = []
    for name, value, contribution in zip(row.columns, row.row(0), added, strict=True):
        column = words.get(name, ColumnOfExample(name))
        effects.append(
            FeatureEffect(
                feature=name,
                words=f"{column.phrase} is {column.value(value)}",
                value=value,
                typical=typical[name],
                typical_in_words=column.value(typical[name]),
                contribution=contribution,
                importance=importance[name],
            )
        )
    return tuple(sorted(effects, key=_size, reverse=True)), mean, basis


def _mean(task: str, score: float, added: float) -> float | None:
    """The score without the contributions; None where the score is too near 0 or 1 to tell."""
    if task == "regression":
        return score - added
    odds = score / (1 - score) if 0 < score < 1 else inf
    return None if odds == inf else 1 / (1 + exp(added - log(odds)))


def _size(effect: FeatureEffect) -> float:
    return effect.importance if effect.contribution is None else abs(effect.contribution)
