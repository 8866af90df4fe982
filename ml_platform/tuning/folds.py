"""Folds: pairs of training and validation rows within the training and validation parts; never the holdout (S62)."""

from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl

from ml_platform.errors import TrainingError
from ml_platform.lake.connection import Lake
from ml_platform.naming import literal
from ml_platform.spec.durations import microseconds
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.training.splits import hashed_share_sql
from ml_platform.training.training_set import TrainingSet

_SALT = " folds"  # so that folds are no function of the parts


@dataclass(frozen=True)
class Fold:
    """One fold. `column` of the folded training set holds "train", "validation" or null.

    first, last: the span of its validation rows, start inclusive, ISO; empty with a split by shares.
    """

    column: str
    train: int
    validation: int
    first: str = ""
    last: str = ""

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


def write_folds(
    lake: Lake, pipeline: ModelPipeline, training_set: TrainingSet, stored: Path, wanted: int, folded: Path
) -> list[Fold]:
    """Write the rows that are no holdout to `folded`, with a column for each fold, oldest first; the last is newest.

    By time: the last fold validates on the declared validation part and each other one on the span before the next,
    as long as that part. It trains on all rows before its span whose label was known when the span began. A fold with
    fewer training than validation rows is left out. By shares: with one fold the declared parts; with several, every
    group or key validates in exactly one of them.

    Raises TrainingError where no fold has rows and two labels on both sides.
    """
    rows = pl.scan_parquet(stored)
    spans: list[tuple[str, str]] = []
    if pipeline.split.timed:
        parts, spans = _by_time(pipeline, training_set, wanted)
    elif wanted == 1:
        parts = [pl.col("_part")]
    else:
        rows = pl.concat([rows, _hashed(lake, pipeline, stored, wanted)], how="horizontal")
        parts = [
            pl.when(pl.col("_fold") == fold).then(pl.lit("validation")).otherwise(pl.lit("train"))
            for fold in range(wanted)
        ]
    names = [f"_fold_{number}" for number in range(1, len(parts) + 1)]
    inside = rows.filter(pl.col("_part") != "holdout")
    inside.with_columns(part.alias(name) for part, name in zip(parts, names, strict=True)).drop(
        "_part", "_label_known_at", "_fold", strict=False
    ).sink_parquet(folded)
    counted = [_counted(folded, name) for name in names]
    folds = [
        Fold(name, train, validation, *span)
        for name, (train, validation, usable), span in zip(names, counted, spans or [("", "")] * wanted, strict=True)
        if usable and (train >= validation or name == names[-1])
    ]
    if not folds:
        raise TrainingError(
            "No fold has rows with two different labels to train and to validate on.",
            remedy="Widen Split(validation=…), or train without a search.",
        )
    return folds


def _by_time(
    pipeline: ModelPipeline, training_set: TrainingSet, wanted: int
) -> tuple[list[pl.Expr], list[tuple[str, str]]]:
    at = pl.col(str(pipeline.examples.at))
    length = timedelta(microseconds=microseconds(str(pipeline.split.validation)))
    end = training_set.decided_at - timedelta(microseconds=microseconds(str(pipeline.split.holdout)))
    parts, spans = list[pl.Expr](), list[tuple[str, str]]()
    for back in range(wanted - 1, -1, -1):
        last = end - back * length
        first = last - length
        known = pl.col("_label_known_at").is_null() | (pl.col("_label_known_at") <= first)
        parts.append(
            pl.when((at >= first) & (at < last))
            .then(pl.lit("validation"))
            .when((at < first) & known)
            .then(pl.lit("train"))
        )
        spans.append((first.isoformat(), last.isoformat()))
    return parts, spans


def _hashed(lake: Lake, pipeline: ModelPipeline, stored: Path, wanted: int) -> pl.LazyFrame:
    """The fold of every stored row, in the order of the rows."""
    share = hashed_share_sql(pipeline.split, pipeline.examples.keys, _SALT)
    query = (
        f"SELECT least(floor(({share}) * {wanted}), {wanted - 1})::TINYINT AS fold "
        f"FROM read_parquet({literal(str(stored))}, file_row_number = true) ORDER BY file_row_number"
    )
    return pl.LazyFrame({"_fold": lake.connection.execute(query).fetchnumpy()["fold"]})


def _counted(folded: Path, name: str) -> tuple[int, int, bool]:
    """Rows to train and to validate on, and whether the labels of both differ."""
    labels = pl.col("_label")
    table = (
        pl.scan_parquet(folded)
        .group_by(name)
        .agg(pl.len().alias("rows"), labels.n_unique().alias("labels"))
        .collect(engine="streaming")
    )
    by_part = {part: (rows, labels) for part, rows, labels in table.iter_rows()}
    (train, learnt), (validation, judged) = by_part.get("train", (0, 0)), by_part.get("validation", (0, 0))
    return train, validation, min(learnt, judged) > 1
