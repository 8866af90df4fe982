"""A stored training set as a trainer sees it: its parts, categories and labels."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from ml_platform.errors import TrainingError
from ml_platform.spec.tasks import Task

IN_MEMORY = 16_000_000  # values of a training set: the rows of a larger one are read in chunks
CHUNK = 100_000  # rows of the file
_INDEX = "__row"


@dataclass(frozen=True)
class Rows:
    """The model's columns and `_label` of one part, in the order of the training set.

    whole:  all rows, in memory or read from the file by each query.
    chunks: the number of rows in each → its rows, one chunk after the other. Rows in memory are one chunk.
    """

    whole: pl.LazyFrame
    chunks: Sequence[tuple[int, pl.LazyFrame]]

    @property
    def labels(self) -> pl.Series:
        """`_label` of all rows."""
        return self.whole.select("_label").collect(engine="streaming")["_label"]


@dataclass(frozen=True)
class TrainingData:
    """The training set at `path` (Parquet with `_label` and `_part`) and the model's columns, name → polars type.

    `rows` reads a training set of more than `in_memory` values in chunks of `chunk` rows. Of the validation part only
    rows of the file in `validation` count (start, end; None: all). `part_column` holds each row's part.
    """

    path: Path
    task: Task
    columns: Mapping[str, str]
    in_memory: int = IN_MEMORY
    chunk: int = CHUNK
    validation: tuple[int, int] | None = None
    part_column: str = "_part"

    def part(self, name: str) -> pl.DataFrame:
        """The model's columns and `_label` of one part: train, validation or holdout."""
        stored, wanted = self._where(name)
        return stored.filter(wanted).select(*self.columns, "_label").collect(engine="streaming")

    def halves(self) -> tuple["TrainingData", "TrainingData"]:
        """The training set with the earlier half of its validation part, and with the later half."""
        stored = pl.scan_parquet(self.path, row_index_name=_INDEX)
        rows = (
            stored.filter(pl.col(self.part_column) == "validation").select(_INDEX).collect(engine="streaming")[_INDEX]
        )
        middle = int(rows[len(rows) // 2]) if len(rows) else 0
        return replace(self, validation=(0, middle)), replace(self, validation=(middle, sys.maxsize))

    def rows(self, name: str, classes: Sequence[str] = ()) -> Rows:
        """The rows of one part whose label is one of `classes` (empty: all).

        They come in chunks where the training set has more than `in_memory` values.
        """
        stored, wanted = self._where(name)
        if classes:
            wanted &= pl.col("_label").is_in(list(classes))

        def chosen(source: pl.LazyFrame) -> pl.LazyFrame:
            return source.filter(wanted).select(*self.columns, "_label")

        total = stored.select(pl.len()).collect().item()
        if total * len(self.columns) <= self.in_memory:
            frame = chosen(stored).collect(engine="streaming")
            return Rows(frame.lazy(), [(frame.height, frame.lazy())])
        is_wanted = stored.select(wanted).collect(engine="streaming").to_series()
        spans = [(int(is_wanted.slice(at, self.chunk).sum()), at) for at in range(0, total, self.chunk)]
        return Rows(chosen(stored), [(count, chosen(stored.slice(at, self.chunk))) for count, at in spans if count])

    def _where(self, name: str) -> tuple[pl.LazyFrame, pl.Expr]:
        """The stored rows, and which of them are in the part."""
        wanted = pl.col(self.part_column) == name
        if name != "validation" or self.validation is None:
            return pl.scan_parquet(self.path), wanted
        start, end = self.validation
        inside = (pl.col(_INDEX) >= start) & (pl.col(_INDEX) < end)
        return pl.scan_parquet(self.path, row_index_name=_INDEX), wanted & inside


def part(path: Path, name: str, columns: Sequence[str]) -> pl.DataFrame:
    """The columns of one part of a stored training set, in its order."""
    return pl.scan_parquet(path).filter(pl.col("_part") == name).select(columns).collect(engine="streaming")


def learn_levels(train: pl.LazyFrame, columns: Mapping[str, str]) -> dict[str, list[str]]:
    """Text column → its categories, sorted: from the train part only, so that nothing later is used."""

    def levels(name: str) -> list[str]:
        return train.select(pl.col(name).drop_nulls().unique()).collect(engine="streaming")[name].sort().to_list()

    return {name: levels(name) for name, dtype in columns.items() if dtype == "String"}


def learn_classes(labels: pl.Series, task: Task) -> tuple[str, ...]:
    """The sorted classes of a multiclass task, else (). Raises TrainingError when the labels are all the same."""
    labels = labels.drop_nulls().unique()
    if len(labels) < 2:
        what = "value" if task == "regression" else "class"
        raise TrainingError(
            f"The labels have fewer than two {what}{'s' if what == 'value' else 'es'} in train.",
            remedy="Check the label expression, or widen that part in Split(…).",
        )
    return tuple(labels.sort().to_list()) if task == "multiclass" else ()


def numeric_labels(labels: pl.Series, classes: Sequence[str]) -> npt.NDArray[np.float64]:
    """Labels as numbers: the position in `classes`, 1 for true, or the value.

    Raises TrainingError for a label that is null, NaN or infinite, or none of the classes.
    """
    codes = labels.cast(pl.Enum(classes), strict=False).to_physical() if classes else labels
    values = codes.cast(pl.Float64).to_numpy()
    if not np.isfinite(values).all():
        raise TrainingError("Labels are null, NaN or infinite.", remedy="Build the training set again.")
    return values
