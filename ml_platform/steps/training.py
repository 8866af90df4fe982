"""The training steps: the training set as known at the decision, and the candidate fitted on it."""

from typing import Any

import polars as pl

from ml_platform.evaluation.metrics import scorecard
from ml_platform.evaluation.stored import bounds
from ml_platform.features.definition import FeatureDefinition
from ml_platform.lake.recipes import Recipe, recipe
from ml_platform.lake.transaction import Author
from ml_platform.models import bundle as bundles
from ml_platform.models.predictor import Predictor
from ml_platform.models.registry import trainer_of
from ml_platform.models.training_data import part
from ml_platform.plots.importance import importance as picture
from ml_platform.plots.markdown import ROWS
from ml_platform.runtime import reading
from ml_platform.runtime.display import drawn, previewed
from ml_platform.runtime.workspace import Outcome, Workspace, recorded_alone, window_of
from ml_platform.spec.canonical import libraries
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state.versions import Training, Version, by_key, register
from ml_platform.steps import deciding
from ml_platform.training import fitting as candidates
from ml_platform.training import training_set
from ml_platform.training.training_set import TrainingSet

HELD_BACK = "held back"


def training_set_key(ws: Workspace, pipeline: ModelPipeline, partition: str) -> Recipe:
    """From the feature rows so far and the labels known by the decision; of nothing when it was held back."""
    decision = reading.own(ws, pipeline, "decision", [partition])
    if not deciding.of(ws, pipeline, partition).fired:
        return recipe("training_set", HELD_BACK, by_content=decision)
    end = window_of(pipeline, partition)[1]
    reads = [
        *reading.own(ws, pipeline, "features", pipeline.partition_keys_upto(partition)),
        *reading.labels(ws, pipeline, end),
    ]
    return recipe(
        "training_set",
        training_set.declaration(pipeline),
        end,
        reads,
        libraries("polars", "pyarrow"),
        by_content=decision,
    )


def make_training_set(ws: Workspace, pipeline: ModelPipeline, partition: str, author: Author) -> Outcome:
    """Store the training set as a blob; a held-back partition has none (S21)."""
    decision = deciding.of(ws, pipeline, partition)
    if not decision.fired:
        return recorded_alone(ws, author, _held_back(decision.reason))
    built = training_set.build(
        ws.lake,
        ws.blobs,
        pipeline,
        decided_at=window_of(pipeline, partition)[1],
        partitions_upto=pipeline.partition_keys_upto(partition),
    )
    told = {
        **built.parts,
        "immature": built.immature,
        "decided at": {"time": built.decided_at.isoformat()},
        "preview": previewed(ws, pl.scan_parquet(ws.blobs.path(built.digest)).head(ROWS).collect(), built.rows),
        "megabytes": round(built.bytes / 1e6, 1),
        "set": built.to_details(),
    }
    return recorded_alone(ws, author, Outcome(built.rows, output=built.digest, metadata=told))


def stored_training_set(ws: Workspace, pipeline: ModelPipeline, partition: str) -> TrainingSet | None:
    """The training set on record for the partition; None when its decision was held back."""
    made = reading.latest(ws, pipeline, "training_set", partition)
    return TrainingSet.from_details(made.details["metadata"]["set"]) if made.output else None


def candidate_key(ws: Workspace, pipeline: ModelPipeline, partition: str) -> Recipe:
    """From the bytes of the training set, the trainer and the feature definition (S22)."""
    stored = stored_training_set(ws, pipeline, partition)
    reads = reading.own(ws, pipeline, "training_set", [partition])
    if stored is None:
        return recipe("candidate", HELD_BACK, by_content=reads)
    return recipe(
        "candidate",
        candidates.declaration(pipeline),
        FeatureDefinition.of(pipeline).key,
        stored.digest,
        libraries(*trainer_of(pipeline.trainer).model.libraries, "polars", "pyarrow"),
        by_content=reads,
    )


def make_candidate(ws: Workspace, pipeline: ModelPipeline, partition: str, author: Author) -> Outcome:
    """Fit, bundle and register; the version is an integer given once per content key."""
    stored = stored_training_set(ws, pipeline, partition)
    if stored is None:
        return recorded_alone(ws, author, _held_back(deciding.of(ws, pipeline, partition).reason))
    known = by_key(ws.lake, pipeline.name, author.content_key)
    if known is None or not ws.blobs.whole(known.bundle):
        known = register(ws.lake, author, _trained(ws, pipeline, partition, author, stored))
    return recorded_alone(ws, author, _told(ws, known))


def version_of(ws: Workspace, pipeline: ModelPipeline, partition: str) -> Version | None:
    """The version that was trained after the partition; None when it was held back."""
    return by_key(ws.lake, pipeline.name, reading.latest(ws, pipeline, "candidate", partition).content_key)


def _trained(ws: Workspace, pipeline: ModelPipeline, partition: str, author: Author, stored: TrainingSet) -> Training:
    made = candidates.make(
        ws.blobs, pipeline, stored, FeatureDefinition.of(pipeline).to_json(), threads=ws.settings.threads
    )
    holdout = part(ws.blobs.path(stored.digest), "holdout", [*pipeline.model_columns, "_label"])
    scores = Predictor(made.bundle, threads=ws.settings.threads).scores(holdout)
    metrics = scorecard(pipeline.task, holdout["_label"], scores, made.bundle.classes)
    return Training(
        pipeline=pipeline.name,
        content_key=author.content_key,
        partition=partition,
        training_set=stored.digest,
        bundle=made.digest,
        bounds=bounds(stored, pipeline.split),
        decided_at=stored.decided_at,
        parameters=made.record["parameters"],
        metrics={"holdout": metrics, **{name: made.record[name] for name in ("evaluations", "format", "bytes")}},
        environment=made.record["environment"],
        code_version=str(made.record["code_version"]),
        durations=made.record["durations"],
        run_id=author.run_id,
    )


def _told(ws: Workspace, version: Version) -> Outcome:
    holdout: dict[str, Any] = version.metrics["holdout"]
    measured = {f"holdout {name}": value for name, value in holdout.items() if value is not None}
    shares = bundles.load(ws.blobs, version.bundle).fitted.importance()
    told = {
        "version": version.name,
        **measured,
        "what it looks at": drawn(ws, lambda: picture(shares)),
        "bundle": {"blob": version.bundle},
        "training set": {"blob": version.training_set},
        "trained in run": {"run": version.run_id},
        "kilobytes": round(version.metrics["bytes"] / 1e3),
        "seconds": version.durations.get("total"),
    }
    return Outcome(1, output=version.bundle, metadata=told)


def _held_back(reason: str) -> Outcome:
    return Outcome(0, status=HELD_BACK, metadata={"outcome": HELD_BACK, "reason": reason})
