"""A candidate: fit and bundle, with the record of how it was made."""

import os
import time
from dataclasses import dataclass
from typing import Any

from ml_platform.lake.blobs import Blobs
from ml_platform.models.bundle import Bundle, save
from ml_platform.models.registry import trainer_of
from ml_platform.models.training_data import TrainingData
from ml_platform.spec.contract_rules import contract_rules
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.spec.searching_gates import keyed_for_search
from ml_platform.training.environment import environment
from ml_platform.training.training_plan import plan
from ml_platform.training.training_set import TrainingSet


@dataclass(frozen=True)
class Trained:
    """A fitted, stored version that no gate has judged yet.

    `record` is what is kept of the run, as JSON values: parameters, evaluations, environment,
    code_version, durations (seconds), format (of the model), bytes (of the bundle), contract (in the bundle).
    """

    bundle: Bundle
    digest: str
    record: dict[str, Any]


def declaration(pipeline: ModelPipeline) -> tuple[Any, ...]:
    """The parts of the declaration that a candidate depends on besides its training set, for its content key."""
    code_version = trainer_of(pipeline.learner).code_version(pipeline.learner, pipeline.task)
    return (code_version, pipeline.learner, list(pipeline.model_columns), *keyed_for_search(pipeline))


def make(
    blobs: Blobs, pipeline: ModelPipeline, training_set: TrainingSet, definition: str, *, threads: int = 0
) -> Trained:
    """Fit the declared trainer on a stored training set and store the bundle.

    `definition` is the feature definition's JSON. Raises TrainingError when no model can be made,
    BlobError when the training set is missing or damaged.
    """
    started = time.perf_counter()
    trainer, planned = trainer_of(pipeline.learner), plan(pipeline, training_set)
    data = TrainingData(blobs.get(training_set.digest), planned.task, planned.columns)
    model = trainer.fit(data, planned.config, threads=threads)
    fitted = time.perf_counter()
    bundle = Bundle(
        pipeline=pipeline.name,
        signature=model.signature,
        model_format=model.format,
        model=model.to_bytes(),
        definition=definition,
        training=planned.to_json(),
        versions=environment(model.libraries),
        contract=contract_rules(pipeline.table(pipeline.examples.table).contract, pipeline.row_schema),
    )
    digest = save(blobs, bundle)
    record = {
        "parameters": dict(model.report.parameters),
        "evaluations": dict(model.report.evaluations),
        "environment": {**bundle.versions, "threads": threads or os.cpu_count() or 1},
        "code_version": planned.code_version,
        "durations": {"fit": round(fitted - started, 4), "total": round(time.perf_counter() - started, 4)},
        "format": bundle.model_format,
        "bytes": bundle.size,
        "contract": bundle.contract,
    }
    return Trained(bundle, digest, record)
