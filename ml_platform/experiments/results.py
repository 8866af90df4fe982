"""What an experiment gives: its model, metrics, comparison with the champion and gates (S25, S46)."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ml_platform import interrupts
from ml_platform.evaluation.candidate import Part
from ml_platform.evaluation.curves import curves_of
from ml_platform.evaluation.gates.registry import evidence_for
from ml_platform.evaluation.metrics import scorecard
from ml_platform.evaluation.quantiles import quantile_scorecard
from ml_platform.evaluation.stored import bounds, stored_candidate
from ml_platform.experiments import judging
from ml_platform.experiments.data import ExperimentData, Tell
from ml_platform.models.predictor import Predictor
from ml_platform.runtime.workspace import Workspace
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import experiments, versions
from ml_platform.state.experiments import Details, Experiment
from ml_platform.state.versions import Version
from ml_platform.steps.candidate import recipe_of
from ml_platform.steps.judged_candidate import rival
from ml_platform.steps.provenance import column_origins
from ml_platform.steps.replaying import replayed
from ml_platform.training.training_set import TrainingSet
from ml_platform.tuning import fitting as tuned_fitting


@dataclass(frozen=True)
class _Judged:
    """How an experiment does on its holdout.

    of_quantiles: further metrics of a model of quantiles. why_incomparable: why it is not compared with the champion.
    """

    holdout: Part
    of_quantiles: dict[str, float]
    comparisons: list[judging.Comparison]
    why_incomparable: str
    verdicts: list[dict[str, Any]]
    curves: dict[str, Any]


def result_of(
    ws: Workspace,
    data: ExperimentData,
    one: Experiment,
    champion: Version | None,
    *,
    by: Sequence[str],
    every_gate: bool,
    tell: Tell,
) -> tuple[Experiment, Details]:
    """Train and judge the variant of an experiment that is on record as running: the experiment as done, its details.

    by, every_gate: see `trying.Request`. Raises TrainingError when no model can be made, and OrderError when the data
    change meanwhile.
    """
    pipeline, started = data.variant.model, time.perf_counter()
    stored = data.training_set(tell)
    interrupts.stop_if_arrived()
    gathered = time.perf_counter()
    training_key = recipe_of(pipeline, stored.digest).content_key
    bundle, record = _bundle(ws, pipeline, stored, training_key, tell)
    interrupts.stop_if_arrived()
    trained = time.perf_counter()
    tell("comparing")
    one = replace(one, training_key=training_key, training_set=stored.digest, bundle=bundle)
    experiments.trained(ws.state, one)
    judged = _judged(ws, data, stored, one, champion, by=by, every_gate=every_gate)
    ended = time.perf_counter()
    holdout = judged.holdout
    metrics = scorecard(pipeline.task, holdout.labels, holdout.scores, holdout.classes) | judged.of_quantiles
    head = next((row for row in judged.comparisons if row.metric == one.metric and not row.slice), None)
    done = replace(
        one,
        status="done",
        value=metrics[one.metric],
        difference=None if head is None else head.difference,
        low=None if head is None else head.low,
        high=None if head is None else head.high,
        parameters=record["parameters"],
        metrics=metrics,
    )
    parts = {"data": gathered - started, "training": trained - gathered, "comparing": ended - trained}
    details = Details(
        bounds=bounds(stored, pipeline.split),
        environment=record["environment"],
        durations={name: round(seconds, 4) for name, seconds in parts.items()},
        comparisons=[judging.as_json(row) for row in judged.comparisons],
        verdicts=judged.verdicts,
        curves=judged.curves,
        why_incomparable=judged.why_incomparable,
    )
    return done, details


def _bundle(
    ws: Workspace, pipeline: ModelPipeline, stored: TrainingSet, training_key: str, tell: Tell
) -> tuple[str, dict[str, Any]]:
    """The digest of the model and the record of its training; that of an equal training, if there is one."""
    version = versions.by_key(ws.state, pipeline.name, training_key)
    if version is not None and ws.blobs.renewed(version.bundle):
        return version.bundle, {"parameters": version.parameters, "environment": version.environment}
    earlier = experiments.done_by_training(ws.state, training_key)
    if earlier is not None and ws.blobs.renewed(earlier.bundle):  # somebody may remove it meanwhile
        environment = experiments.details(ws.state, earlier.id).environment
        return earlier.bundle, {"parameters": earlier.parameters, "environment": environment}
    tell("training")
    fitted = tuned_fitting.make(ws, pipeline, stored, tell)
    return fitted.digest, fitted.record


def _judged(
    ws: Workspace,
    data: ExperimentData,
    stored: TrainingSet,
    one: Experiment,
    champion: Version | None,
    *,
    by: Sequence[str],
    every_gate: bool,
) -> _Judged:
    pipeline, other = data.variant.model, judging.other_label(data.base, data.variant.model)
    gates = judging.gates_measured(pipeline, every=every_gate, champion=not other)
    candidate = stored_candidate(
        ws.blobs, pipeline, stored, one.bundle, 0, wanted=evidence_for(gates), threads=ws.settings.threads
    )
    holdout, compared, why_not = candidate.holdout, list[judging.Comparison](), ""
    if champion is not None and other:
        why_not = "the experiment predicts another label"
    elif champion is not None:
        against = rival(ws, data.variant.data, champion, holdout.frame, stored.decided_at)
        candidate = replace(candidate, champion=against)
        why_not = judging.why_incomparable(candidate, against)
        if not why_not:
            segments = judging.segments_of(pipeline, by)
            compared = judging.comparisons(pipeline, candidate, against, segments)
    as_version = _as_version(one, stored)
    candidate = replace(
        candidate,
        parity=lambda examples: replayed(ws, as_version, holdout.frame, examples),
        provenance=lambda: column_origins(ws, pipeline, one.partition),
    )
    verdicts = judging.verdicts(pipeline, candidate, gates)
    predictor, of_quantiles = candidate.predictor, dict[str, float]()
    if isinstance(predictor, Predictor) and predictor.levels:
        values = predictor.quantiles(holdout.frame)
        of_quantiles = quantile_scorecard(holdout.labels.to_numpy(), values, predictor.levels)
    return _Judged(holdout, of_quantiles, compared, why_not, verdicts, curves_of(pipeline.task, holdout))


def _as_version(one: Experiment, stored: TrainingSet) -> Version:
    """The experiment in the form of a version that no pipeline has, for the replay of its examples."""
    return Version(
        pipeline=one.pipeline,
        content_key=one.training_key,
        partition=one.partition,
        training_set=one.training_set,
        bundle=one.bundle,
        bounds={},
        decided_at=stored.decided_at,
        parameters={},
        metrics={},
        environment={},
        code_version="",
        durations={},
        run_id="",
        version=0,
        created_at=one.started_at,
    )
