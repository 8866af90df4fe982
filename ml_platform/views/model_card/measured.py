"""What a card measures itself, from the training set and the bundle, which never change: equal each time."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import polars as pl

from ml_platform.evaluation.candidate import Rows
from ml_platform.evaluation.intervals import Interval
from ml_platform.evaluation.metrics import metrics_of
from ml_platform.evaluation.segments import Segments, measured_segments
from ml_platform.lake.blobs import Blobs
from ml_platform.models import bundle as bundles
from ml_platform.models.predictor import Predictor
from ml_platform.training.training_set import EXTRA

MOST_ROWS = 200_000  # of a holdout, evenly spread: intervals of more cost minutes and are as good as exact


@dataclass(frozen=True)
class ColumnSeen:
    """A model column in the training part. See `card.Feature`."""

    null_share: float | None
    lowest: float | None
    highest: float | None
    unseen_share: float | None


@dataclass(frozen=True)
class Measured:
    """overall: of the whole holdout, as far as `MOST_ROWS` allow. columns: by name."""

    overall: Mapping[str, Interval]
    segments: Segments
    columns: Mapping[str, ColumnSeen]


def measured(blobs: Blobs, training_set: str, bundle: str, min_rows: Mapping[str, int], threads: int = 0) -> Measured:
    """Measure the holdout of a version by segment, and look at what it was trained on.

    Args:
        blobs: Where training set and bundle lie.
        training_set: Its digest.
        bundle: Its digest.
        min_rows: As in `evaluation.segments.measured_segments`.
        threads: For scoring; 0: all cores. The figures do not depend on it.

    Raises:
        BlobError: When a blob is missing or damaged.
    """
    path = blobs.get(training_set)  # whole, also where the figures are known already
    blobs.get(bundle)
    return _measured(blobs, str(path), bundle, tuple(min_rows.items()), threads)


@lru_cache(maxsize=8)  # a service asks anew each time its tables were filled
def _measured(blobs: Blobs, path: str, bundle: str, min_rows: tuple[tuple[str, int], ...], threads: int) -> Measured:
    loaded = bundles.load(blobs, bundle)
    predictor = Predictor(loaded, threads=threads)
    stored = pl.scan_parquet(path)
    holdout = stored.filter(pl.col("_part") == "holdout")
    of_rows = int(holdout.select(pl.len()).collect().item())
    frame = holdout.gather_every(max(1, math.ceil(of_rows / MOST_ROWS))).collect(engine="streaming")
    part = Rows(frame.drop(EXTRA), frame["_label"], predictor.classes).scored(predictor)
    task = predictor.task
    segments = measured_segments(task, part, dict(min_rows))
    overall = {metric: part.interval(metric) for metric in metrics_of(task)}
    seen = _columns_seen(stored, frame, loaded)
    return Measured(overall, Segments(segments.metrics, segments.gaps, segments.left_out, len(part), of_rows), seen)


def _columns_seen(stored: pl.LazyFrame, holdout: pl.DataFrame, bundle: bundles.Bundle) -> dict[str, ColumnSeen]:
    schema, asked = stored.collect_schema(), []
    names = [name for name in bundle.columns if name in schema]
    for number, name in enumerate(names):
        column = pl.col(name)
        asked.append(column.null_count().alias(f"{number} nulls"))
        if schema[name].is_numeric():
            asked += [column.min().cast(pl.Float64).alias(f"{number} low")]
            asked += [column.max().cast(pl.Float64).alias(f"{number} high")]
    train = stored.filter(pl.col("_part") == "train")
    row = train.select(pl.len().alias("rows"), *asked).collect(engine="streaming").row(0, named=True)
    seen = {}
    for number, name in enumerate(names):
        unseen = None
        if name in bundle.levels and len(holdout):
            known = pl.Series(list(bundle.levels[name]), dtype=pl.String)
            texts = holdout[name].cast(pl.String)
            unseen = int((~texts.is_in(known.implode()) & texts.is_not_null()).sum()) / len(holdout)
        nulls = row[f"{number} nulls"] / row["rows"] if row["rows"] else None
        ends = (_finite(row.get(f"{number} low")), _finite(row.get(f"{number} high")))
        seen[name] = ColumnSeen(nulls, *ends, unseen)
    return seen


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
