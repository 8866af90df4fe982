"""The two sides of a drift comparison: what a champion learnt from, and what it scored in a partition."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from ml_platform.features.definition import FeatureDefinition
from ml_platform.lake.connection import Lake
from ml_platform.models import bundle as bundles
from ml_platform.models.bundle import Bundle
from ml_platform.models.predictor import Predictor
from ml_platform.monitoring.calendar import SLICES, Slice
from ml_platform.monitoring.population import Ordered, Population, Sketch, columns_of, kind_of
from ml_platform.naming import literal, quoted
from ml_platform.runtime.workspace import Workspace
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import versions
from ml_platform.state.versions import Version
from ml_platform.steps import features


@dataclass(frozen=True)
class Judged:
    """A champion with the SQL relations of its training data and of the examples it scored in a partition."""

    version: Version
    bundle: Bundle
    train: str
    holdout: str
    current: str
    definition: FeatureDefinition


@contextmanager
def judged(ws: Workspace, pipeline: ModelPipeline, partition: str, number: int) -> Iterator[Judged]:
    """A version's reference and the examples that it scored, while the context is open.

    Raises BlobError when its training set or bundle is missing or damaged.
    """
    version = versions.version(ws.state, pipeline.name, number)
    bundle = bundles.load(ws.blobs, version.bundle)
    stored = f"read_parquet({literal(str(ws.blobs.get(version.training_set)))})"
    definition = FeatureDefinition.from_json(bundle.definition)
    with features.relation(ws, pipeline, partition, definition) as rows:
        current = rows
        if pipeline.partitions is None:  # as in scoring: what it was trained on says nothing
            same = " AND ".join(f"f.{quoted(n)} IS NOT DISTINCT FROM t.{quoted(n)}" for n in definition.identity)
            current = f"(SELECT f.* FROM {rows} f ANTI JOIN (FROM {stored} WHERE _part <> 'holdout') t ON {same})"
        yield Judged(
            version,
            bundle,
            f"(SELECT * FROM {stored} WHERE _part = 'train')",
            f"(SELECT * FROM {stored} WHERE _part = 'holdout')",
            current,
            definition,
        )


@dataclass
class _Kept:
    """What this process has read of a version, whose training set and bundle never change."""

    shape: tuple[int, dict[str, Any]] | None = None  # rows of the training data, and kinds of its columns
    sketch: Sketch = field(default_factory=Sketch)
    scores: npt.NDArray[np.float64] | None = None


@lru_cache(maxsize=1)  # one champion scores many partitions, one after the other
def _kept(training_set: str, bundle: str) -> _Kept:
    return _Kept()


def holdout_scores(ws: Workspace, subject: Judged) -> npt.NDArray[np.float64]:
    """The scores of the version's holdout, in batches: shape (n,), or (n, classes)."""
    kept = _kept(subject.version.training_set, subject.version.bundle)
    if kept.scores is None:
        kept.scores = _holdout_scores(ws, subject)
        kept.scores.setflags(write=False)
    return kept.scores


def _holdout_scores(ws: Workspace, subject: Judged) -> npt.NDArray[np.float64]:
    predictor = Predictor(subject.bundle, threads=ws.settings.threads)
    listed = ", ".join(map(quoted, predictor.columns))
    batches = ws.lake.stream(f"SELECT {listed} FROM {subject.holdout}")
    scores = [predictor.scores(pl.DataFrame(pl.from_arrow(batch))) for batch in batches if batch.num_rows]
    return np.concatenate(scores) if scores else np.empty((0, len(predictor.classes)) if predictor.classes else 0)


def populations(ws: Workspace, subject: Judged) -> tuple[Population, Population]:
    """The training data and the scored examples, read a few columns at a time.

    Of the training data this process keeps what it has read, within the bound of `Sketch`.
    """
    kept = _kept(subject.version.training_set, subject.version.bundle)
    kept.shape = kept.shape or _shape(ws, subject.train)
    reference = _population(ws, subject.train, *kept.shape)
    return kept.sketch.of(reference), _population(ws, subject.current, *_shape(ws, subject.current))


def _shape(ws: Workspace, relation: str) -> tuple[int, dict[str, Any]]:
    (rows,) = ws.lake.rows(f"SELECT count(*) FROM {relation}")[0]
    schema = ws.lake.frame(f"SELECT * FROM {relation} LIMIT 0").schema
    return int(rows), {name: kind_of(dtype) for name, dtype in schema.items()}


def _population(ws: Workspace, relation: str, rows: int, kinds: dict[str, Any]) -> Population:
    def numbers(names: Sequence[str]) -> Callable[[str], Ordered]:
        listed = ", ".join(map(quoted, names))
        return columns_of(ws.lake.frame(f"SELECT {listed} FROM {relation}") if names else pl.DataFrame())

    def levels(name: str) -> dict[str | None, int]:
        # Grouped as they are: a group for each text costs four times as much where the column has Booleans.
        counted = f"SELECT {quoted(name)} AS level, count(*) AS n FROM {relation} GROUP BY 1"
        return dict(ws.lake.rows(f"SELECT level::VARCHAR, n FROM ({counted})"))

    return Population(rows, kinds, numbers, levels)


def slices(lake: Lake, relation: str, at: str, names: Sequence[str]) -> Mapping[str, list[Slice]]:
    """Columns in equal spans of time, in order: the range of each one's values there."""
    if not names:
        return {}
    ends = [f"min({quoted(name)}), max({quoted(name)})" for name in names]
    moment = f"epoch_us({quoted(at)})"
    rows = lake.rows(
        f"SELECT {SLICES} * ({moment} - span._first) // (span._last - span._first + 1) AS _slice, {', '.join(ends)} "
        f"FROM {relation} r, (SELECT min({moment}) AS _first, max({moment}) AS _last FROM {relation}) span "
        "GROUP BY _slice ORDER BY _slice"
    )
    return {
        name: [Slice(row[2 * index + 1], row[2 * index + 2]) for row in rows if row[2 * index + 1] is not None]
        for index, name in enumerate(names)
    }
