"""Candidates and champions from what training stored: the training set's blob and the bundle."""

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

import polars as pl

from ml_platform.evaluation.candidate import Candidate, Champion, Compared, Evidence, Rows
from ml_platform.lake.blobs import Blobs
from ml_platform.models.baseline import LinearBaseline, fit_baseline
from ml_platform.models.bundle import load
from ml_platform.models.predictor import Predictor
from ml_platform.spec.canonical import content_key
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.spec.training import Split
from ml_platform.state.versions import Version
from ml_platform.training.reproduction import reproduce
from ml_platform.training.training_set import EXTRA, TrainingSet

TRAIN_ROWS = 50_000  # read for the gates that look at train, evenly spread


def bounds(training_set: TrainingSet, split: Split) -> dict[str, Any]:
    """What `Version.bounds` holds: each part's first and last prediction time and rows, and what S25 compares.

    `cut_off` is the last prediction time that trained or stopped the model, None where parts are
    not told apart by time; `split` is the content key of the Split.
    """
    parts: dict[str, Any] = {}
    for part, rows in training_set.parts.items():
        first, last = training_set.bounds.get(part, ("", ""))
        parts[part] = {"first": first, "last": last, "rows": rows}
    ends = [training_set.bounds[part][1] for part in ("train", "validation") if part in training_set.bounds]
    cut_off = max(ends, key=datetime.fromisoformat) if split.timed and ends else None
    return {**parts, "cut_off": cut_off, "split": content_key(split)}


def stored_candidate(
    blobs: Blobs,
    pipeline: ModelPipeline,
    training_set: TrainingSet,
    bundle: str,
    version: int,
    *,
    wanted: Collection[Evidence] = tuple(Evidence),
    champion: Champion | None = None,
    parity: Callable[[int], Compared] | None = None,
    threads: int = 0,
) -> Candidate:
    """A stored version, ready to be judged; its training part is read only when `wanted` names it.

    Raises BlobError when a blob is missing or damaged.
    """
    loaded, path = load(blobs, bundle), blobs.get(training_set.digest)
    predictor = Predictor(loaded, threads=threads)
    stored, recorded = pl.scan_parquet(path), bounds(training_set, pipeline.split)

    def part(name: str, limit: int) -> Rows:
        step = max(1, -(-training_set.parts[name] // limit))
        frame = stored.filter(pl.col("_part") == name).gather_every(step).collect(engine="streaming")
        return Rows(frame.drop(EXTRA), frame["_label"], predictor.classes)

    timed = pipeline.split.timed
    return Candidate(
        pipeline=pipeline.name,
        version=version,
        task=pipeline.task,
        columns=predictor.columns,
        predictor=predictor,
        holdout=part("holdout", training_set.parts["holdout"]).scored(predictor),
        snapshot=training_set.digest,
        bundle_bytes=blobs.path(bundle).stat().st_size,
        cut_off=_moment(recorded["cut_off"]),
        holdout_start=_moment(recorded["holdout"]["first"]) if timed else None,
        split=recorded["split"],
        importance=predictor.importance(),
        train=part("train", TRAIN_ROWS) if Evidence.TRAIN in wanted else None,
        champion=champion,
        parity=parity,
        reproduce=lambda: reproduce(blobs, training_set.digest, bundle),
        baseline=lambda declared: LinearBaseline(
            fit_baseline(path, pipeline.task, loaded.columns, declared, threads=threads), threads
        ),
    )


def stored_champion(
    blobs: Blobs, version: Version, *, holdout: pl.DataFrame | None = None, threads: int = 0
) -> Champion:
    """The version that serves, as a rival. `holdout` as in Champion: needed when its features are others."""
    predictor = Predictor(load(blobs, version.bundle), threads=threads)
    return Champion(version.version, predictor, _moment(version.bounds["cut_off"]), version.bounds["split"], holdout)


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
