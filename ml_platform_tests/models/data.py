"""A training set as a file, with every kind of column that a model may meet."""

from pathlib import Path

import numpy as np
import polars as pl

from ml_platform.models.training_data import TrainingData
from ml_platform.spec.tasks import Task

COLUMNS = {
    "km": "Float64",
    "riders": "Int64",
    "rush": "Boolean",
    "city": "String",
    "same": "Float64",
    "empty": "Float64",
    "blank": "String",
}
TASKS: tuple[Task, ...] = ("binary", "multiclass", "regression")
CITIES = ["bonn", "graz", "oslo", "rome"]


def rows(task: Task, count: int = 900, seed: int = 1) -> pl.DataFrame:
    """`km` and `city` decide the label; `same` is constant, `empty` and `blank` are always null."""
    random = np.random.default_rng(seed)
    km, city = random.gamma(2.0, 5.0, count), random.choice(CITIES, count)
    late = km - 8 + 5 * (city == "rome") + random.normal(0, 3, count)
    labels = {
        "binary": pl.Series(late > 0),
        "multiclass": pl.Series(np.where(late > 5, "bad", np.where(late > 0, "poor", "good"))),
        "regression": pl.Series(late),
    }
    holes = pl.Series(random.random(count))
    parts = np.array(["train", "train", "train", "validation", "holdout"])[np.arange(count) % 5]
    return pl.DataFrame(
        {
            "km": km,
            "riders": random.integers(1, 5, count),
            "rush": random.random(count) < 0.3,
            "city": city,
            "same": 0.1,
            "empty": pl.Series([None] * count, dtype=pl.Float64),
            "blank": pl.Series([None] * count, dtype=pl.String),
            "_label": labels[task],
            "_part": parts,
        }
    ).with_columns(
        km=pl.when(holes > 0.05).then("km"),
        city=pl.when((holes < 0.9) | (holes > 0.95)).then("city"),
        rush=pl.when(holes < 0.97).then("rush"),
    )


def stored(
    folder: Path, task: Task, frame: pl.DataFrame | None = None, columns: dict[str, str] | None = None
) -> TrainingData:
    """`frame`, or `rows(task)`, as a stored training set; `columns` are the model's, the usual ones by default."""
    path = folder / "training_set.parquet"
    (rows(task) if frame is None else frame).write_parquet(path)
    return TrainingData(path, task, COLUMNS if columns is None else columns)


def part(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    """The rows of one part."""
    return frame.filter(pl.col("_part") == name)
