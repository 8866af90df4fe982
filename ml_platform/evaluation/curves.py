"""Curves of a model on its holdout, as points that are kept and drawn."""

from typing import Any

import numpy as np

from ml_platform.evaluation.candidate import Part
from ml_platform.plots.holdout import calibration_points, roc_points


def curves_of(task: str, part: Part) -> dict[str, list[list[float]]]:
    """Curves of a model on its holdout, name → points (x, y): of a binary one ROC and calibration."""
    labels, scores = part.labels.to_numpy(), np.asarray(part.scores)
    if task == "binary":
        truth = labels.astype(float)
        if len(truth) == 0 or truth.min() == truth.max():
            return {}
        mean_scores, observed, _ = calibration_points(truth, scores)
        return {
            "ROC": _rounded(roc_points(truth, scores)[::2]),
            "calibration": _rounded(np.column_stack([mean_scores, observed])),
        }
    if task == "regression" and len(part):
        errors = np.sort(np.abs(labels.astype(float) - scores))
        shares = np.linspace(0, 1, 51)
        return {"absolute error": _rounded(np.column_stack([shares, np.quantile(errors, shares)]))}
    return {}


def _rounded(points: Any) -> list[list[float]]:
    return [[round(float(x), 6), round(float(y), 6)] for x, y in points]
