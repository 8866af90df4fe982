"""The training set step: features and labels as known at the decision, stored as one blob."""

from collections.abc import Iterable

import polars as pl

from ml_platform.lake.recipes import Read, Recipe, recipe
from ml_platform.lake.transaction import Author
from ml_platform.plots.markdown import ROWS
from ml_platform.runtime import reading
from ml_platform.runtime.display import previewed
from ml_platform.runtime.step import Asset, Step, own
from ml_platform.runtime.workspace import Outcome, Workspace, record, window_of
from ml_platform.spec.canonical import libraries
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state.results import Result, TrainingSetResult
from ml_platform.steps.decision import of as decision_of
from ml_platform.training import training_set
from ml_platform.training.training_set import TrainingSet
from ml_platform.validation.version_order import with_paths

SKIPPED_KEY = "held back"  # stands in the content keys of lakes that exist, whatever the word is today


class TrainingSetStep(Step):
    """Features and labels as known at the decision: the blob that reproduces a model."""

    name = "training_set"
    job = "train"
    result = TrainingSetResult
    kinds = ("parquet",)
    summary = "Features and labels as known at the decision, stored as the blob from which a model is reproduced."
    explanation = (
        "It holds the examples whose labels were known by then, split by time into train, validation (for early "
        "stopping) and holdout (for the gates only)."
    )
    changes_with = "the decision, the features so far or the labels known by then"
    advice = "*immature* examples had no final label yet and are left out."

    def upstream(self, pipeline: ModelPipeline) -> tuple[Asset, ...]:
        return own(pipeline, "decision")

    def key(self, ws: Workspace, pipeline: ModelPipeline, partition: str) -> Recipe:
        """From the feature rows so far and the labels known by the decision. Constant when it was skipped."""
        decision = reading.own(ws, pipeline, "decision", [partition])
        if not decision_of(ws, pipeline, partition).trains:
            return recipe("training_set", SKIPPED_KEY, by_content=decision)
        features = reading.own(ws, pipeline, "features", pipeline.partition_keys_upto(partition))
        return recipe_of(ws, pipeline, partition, features, decision)

    def make(self, ws: Workspace, pipeline: ModelPipeline, partition: str, author: Author) -> Outcome:
        """Store the training set as a blob; a skipped partition has none (S21)."""
        decision = decision_of(ws, pipeline, partition)
        if not decision.trains:
            return record(ws, author, skipped(decision.reason, TrainingSetResult()))
        built = training_set.build(
            ws.lake,
            ws.blobs,
            pipeline,
            label_rows=with_paths(ws.state, pipeline.label_table),
            decided_at=window_of(pipeline, partition)[1],
            partitions_upto=pipeline.partition_keys_upto(partition),
        )
        display = {
            **built.parts,
            "immature": built.immature,
            "decided at": {"time": built.decided_at.isoformat()},
            "preview": previewed(ws, pl.scan_parquet(ws.blobs.path(built.digest)).head(ROWS).collect(), built.rows),
            "megabytes": round(built.bytes / 1e6, 1),
        }
        result = TrainingSetResult(built.to_details())
        return record(ws, author, Outcome(built.rows, output=built.digest, result=result, display=display))


def recipe_of(
    ws: Workspace, pipeline: ModelPipeline, partition: str, features: list[Read], decision: Iterable[Read] = ()
) -> Recipe:
    """The recipe of a training set from these feature rows and the labels known by the end of the partition."""
    end = window_of(pipeline, partition)[1]
    reads, made_with = [*features, *reading.labels(ws, pipeline, end)], libraries("polars", "pyarrow")
    declared = training_set.declaration(pipeline)
    return recipe("training_set", declared, end, reads, made_with, by_content=decision)


def skipped(reason: str, result: Result) -> Outcome:
    """The outcome of a training step whose decision was skipped."""
    return Outcome(0, "skipped", result=result, display={"outcome": "skipped", "reason": reason})


def stored_training_set(ws: Workspace, pipeline: ModelPipeline, partition: str) -> TrainingSet | None:
    """The training set on record for the partition; None when its decision was skipped."""
    details = reading.latest(ws, pipeline, "training_set", partition).result_as(TrainingSetResult).details
    return None if details is None else TrainingSet.from_details(dict(details))
