"""A stored training set as a trainer sees it: its parts, categories and labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from ml_platform.errors import TrainingError
from ml_platform.spec.pipeline import Task


@dataclass(frozen=True)
class TrainingData:
    """The training set at `path` (Parquet with `_label` and `_part`) and the model's columns, name → polars type."""

    path: Path
    task: Task
    columns: Mapping[str, str]

    def part(self, name: str) -> pl.DataFrame:
        """The model's columns and `_label` of one part: train, validation or holdout."""
        return part(self.path, name, [*self.columns, "_label"])


def part(path: Path, name: str, columns: Sequence[str]) -> pl.DataFrame:
    """The columns of one part of a stored training set, in its order."""
    return pl.scan_parquet(path).filter(pl.col("_part") == name).select(columns).collect(engine="streaming")


def learn_levels(train: pl.DataFrame, columns: Mapping[str, str]) -> dict[str, list[str]]:
    """Text column → its categories, sorted: from the train part only, so that nothing later is used."""
    text = [name for name, dtype in columns.items() if dtype == "String"]
    return {name: train[name].drop_nulls().unique().sort().to_list() for name in text}


def learn_classes(train: pl.DataFrame, task: Task) -> tuple[str, ...]:
    """The sorted classes of a multiclass task, else (). Raises TrainingError when the labels are all the same."""
    labels = train["_label"].drop_nulls().unique()
    if len(labels) < 2:
        what = "value" if task == "regression" else "class"
        raise TrainingError(
            f"The labels have fewer than two {what}{'s' if what == 'value' else 'es'} in train.",
            remedy="Check the label expression, or widen that part in Split(…).",
        )
    return tuple(labels.sort().to_list()) if task == "multiclass" else ()


def numeric_labels(rows: pl.DataFrame, classes: Sequence[str]) -> npt.NDArray[np.float64]:
    """Labels as numbers: the position in `classes`, 1 for true, or the value.

    Raises TrainingError for a label that is null, NaN or infinite, or none of the classes.
    """
    label = rows["_label"]
    codes = label.cast(pl.Enum(classes), strict=False).to_physical() if classes else label
    values = codes.cast(pl.Float64).to_numpy()
    if not np.isfinite(values).all():
        raise TrainingError("Labels are null, NaN or infinite.", remedy="Build the training set again.")
    return values
