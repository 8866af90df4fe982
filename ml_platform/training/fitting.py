"""A candidate: fit and bundle, with the record of how it was made."""

import time
from dataclasses import dataclass
from typing import Any

from ml_platform.lake.blobs import Blobs
from ml_platform.models.bundle import Bundle, save
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.training.environment import environment
from ml_platform.training.trainer import fit
from ml_platform.training.training_plan import CODE_VERSION, plan
from ml_platform.training.training_set import TrainingSet


@dataclass(frozen=True)
class Trained:
    """A fitted, stored version that no gate has judged yet.

    `record` is what is kept of the run, as JSON values: parameters, rounds, evaluations,
    environment, code_version, durations (seconds), bytes.
    """

    bundle: Bundle
    digest: str
    record: dict[str, Any]


def declaration(pipeline: ModelPipeline) -> tuple[Any, ...]:
    """The parts of the declaration that a candidate depends on besides its training set, for its content key."""
    return (CODE_VERSION, pipeline.trainer, list(pipeline.model_columns))


def make(
    blobs: Blobs, pipeline: ModelPipeline, training_set: TrainingSet, definition: str, *, threads: int = 0
) -> Trained:
    """Fit the declared trainer on a stored training set and store the bundle.

    `definition` is the feature definition's JSON. Raises TrainingError when no model can be made,
    BlobError when the training set is missing or damaged.
    """
    started = time.perf_counter()
    planned, path = plan(pipeline, training_set), blobs.get(training_set.digest)
    fitted = fit(path, planned, threads=threads)
    parts: dict[str, Any] = {
        "pipeline": pipeline.name,
        "task": planned.task,
        "columns": planned.columns,
        "levels": fitted.levels,
        "classes": fitted.classes,
        "model": fitted.model,
        "definition": definition,
        "training": planned.to_json(),
        "versions": environment(threads),
    }
    bundle = Bundle(**parts)
    digest = save(blobs, bundle)
    durations = {**fitted.durations, "total": round(time.perf_counter() - started, 4)}
    record = {
        "parameters": planned.parameters,
        "rounds": fitted.rounds,
        "evaluations": fitted.evaluations,
        "environment": dict(bundle.versions),
        "code_version": CODE_VERSION,
        "durations": durations,
        "bytes": bundle.size,
    }
    return Trained(bundle, digest, record)
