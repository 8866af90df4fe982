"""Fitting LightGBM on a stored training set: no pandas, the same bytes every time (S16)."""

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from ml_platform.errors import ScoringError, TrainingError
from ml_platform.models.encoding import encode
from ml_platform.training.training_plan import Plan

if TYPE_CHECKING:
    import lightgbm


@dataclass(frozen=True)
class FittedModel:
    """A model and what was learnt beside it.

    model:     LightGBM's text; equal training sets and plans give equal bytes on one machine.
    levels:    text column → sorted levels of the train part. classes: sorted, for multiclass.
    rounds:    trees (a class) kept, fewer than planned after early stopping.
    evaluations: metric on validation after the last round kept; empty without early stopping.
    durations: seconds by step.
    """

    model: bytes
    levels: dict[str, list[str]]
    classes: tuple[str, ...]
    columns: dict[str, str]
    rounds: int
    evaluations: dict[str, float]
    durations: dict[str, float]


def fit(path: Path, plan: Plan, *, threads: int = 0) -> FittedModel:
    """Fit the plan on the train part of the training set at `path`; `threads` 0 means all cores.

    Validation only stops early; the holdout is not read. Raises TrainingError when LightGBM
    refuses a parameter or the part fits no model.
    """
    import lightgbm

    clock = _Clock()
    train = part(path, "train", [*plan.columns, "_label"])
    levels = learn_levels(train, plan)
    classes = tuple(sorted(train["_label"].unique().to_list())) if plan.task == "multiclass" else ()
    parameters: dict[str, Any] = {**plan.parameters, "num_threads": threads}
    if classes:
        parameters["num_class"] = len(classes)
    clock.lap("read")
    try:
        data = _dataset(train, plan, levels, classes, parameters, None)
        del train
        evaluations: dict[str, dict[str, list[float]]] = {}
        callbacks: list[Callable[..., Any]] = []
        valid: list[lightgbm.Dataset] = []
        if plan.early_stopping is not None:
            rows = part(path, "validation", [*plan.columns, "_label"])
            if classes:  # a class that train lacks has no number that LightGBM would take
                rows = rows.filter(pl.col("_label").is_in(list(classes)))
            valid = [_dataset(rows, plan, levels, classes, parameters, data)]
            callbacks = [
                lightgbm.early_stopping(plan.early_stopping, verbose=False),
                lightgbm.record_evaluation(evaluations),
            ]
        clock.lap("bin")
        booster = lightgbm.train(
            parameters,
            data,
            num_boost_round=plan.rounds,
            valid_sets=valid,
            valid_names=["validation"] if valid else None,
            callbacks=callbacks,
        )
    except lightgbm.basic.LightGBMError as error:
        raise TrainingError(f"LightGBM refuses: {error}.", remedy="See LightGBM(…) in the declaration.") from error
    except ScoringError as error:
        raise TrainingError(error.what, remedy=error.remedy) from error
    rounds = booster.best_iteration if booster.best_iteration > 0 else booster.current_iteration()
    last = {name: values[rounds - 1] for name, values in evaluations.get("validation", {}).items()}
    clock.lap("train")
    text = _without_threads(booster.model_to_string(num_iteration=rounds))
    return FittedModel(text.encode(), levels, classes, plan.columns, rounds, last, clock.laps)


def part(path: Path, name: str, columns: Sequence[str]) -> pl.DataFrame:
    """The columns of one part of a stored training set, in its order."""
    return pl.scan_parquet(path).filter(pl.col("_part") == name).select(columns).collect(engine="streaming")


def learn_levels(train: pl.DataFrame, plan: Plan) -> dict[str, list[str]]:
    """Text column → its levels, sorted: from the train part only, so that nothing later is known."""
    text = [name for name, dtype in plan.columns.items() if dtype == "String"]
    return {name: train[name].drop_nulls().unique().sort().to_list() for name in text}


def _dataset(
    rows: pl.DataFrame,
    plan: Plan,
    levels: dict[str, list[str]],
    classes: tuple[str, ...],
    parameters: dict[str, Any],
    reference: "lightgbm.Dataset | None",
) -> "lightgbm.Dataset":
    import lightgbm

    if classes:
        label = rows["_label"].cast(pl.Enum(classes)).to_physical().cast(pl.Float32).to_numpy()
    else:
        label = rows["_label"].cast(pl.Float64).to_numpy()
    if not np.isfinite(label).all():
        raise TrainingError("Labels are null, NaN or infinite.", remedy="Build the training set again.")
    data = lightgbm.Dataset(
        encode(rows, list(plan.columns), levels),
        label=label,
        reference=reference,
        feature_name=list(plan.columns),
        categorical_feature=list(levels),
        params=parameters,
        free_raw_data=True,
    )
    return data.construct()


def _without_threads(text: str) -> str:
    """The model without the line that says how many threads fitted it: it is no part of the model."""
    return re.sub(r"^\[num_threads: \d+\]\n", "", text, flags=re.MULTILINE)


class _Clock:
    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, name: str) -> None:
        now = time.perf_counter()
        self.laps[name] = round(now - self._last, 4)
        self._last = now
