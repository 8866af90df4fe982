"""An experiment from beginning to end, on record at each moment: running, done, failed or interrupted (S46)."""

import getpass
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from ml_platform import interrupts
from ml_platform.errors import NotFoundError, OrderError
from ml_platform.evaluation.candidate import Part
from ml_platform.evaluation.curves import curves_of
from ml_platform.evaluation.gates.registry import evidence_for
from ml_platform.evaluation.metrics import scorecard
from ml_platform.evaluation.stored import bounds, stored_candidate
from ml_platform.experiments import declared, judging
from ml_platform.experiments.changing import Variant
from ml_platform.experiments.data import ExperimentData, Tell, data_of
from ml_platform.features.definition import FeatureDefinition
from ml_platform.lake.work_marks import marked
from ml_platform.models.registry import trainer_of
from ml_platform.redaction import without_secrets
from ml_platform.runtime.workspace import Workspace, window_of
from ml_platform.spec.canonical import canonical, content_key, libraries
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import annotations, experiments, ledger, promotions, versions
from ml_platform.state.experiments import Details, Experiment
from ml_platform.state.versions import Version
from ml_platform.steps.candidate import recipe_of
from ml_platform.steps.judged_candidate import rival
from ml_platform.steps.provenance import column_origins
from ml_platform.steps.replaying import replayed
from ml_platform.training import fitting
from ml_platform.training.training_set import TrainingSet


@dataclass(frozen=True)
class Request:
    """What is asked of an experiment besides its changes.

    partition:  the last one whose data count; None: the last one that the pipeline decided on.
    by:         columns whose segments are compared, besides those of the gates.
    every_gate: whether the gates that train again, replay examples or measure time are measured, too.
    """

    partition: str | None = None
    name: str = ""
    note: str = ""
    tags: tuple[str, ...] = ()
    by: tuple[str, ...] = ()
    every_gate: bool = False


@dataclass(frozen=True)
class Tried:
    """An experiment on record. `known`: it was before, and nothing was computed."""

    experiment: Experiment
    known: bool


@dataclass(frozen=True)
class _Judged:
    """How an experiment does on its holdout. incomparable: why it is not compared with the champion."""

    holdout: Part
    comparisons: list[judging.Comparison]
    incomparable: str
    verdicts: list[dict[str, Any]]
    curves: dict[str, Any]


def partition_of(ws: Workspace, pipeline: ModelPipeline, wanted: str | None) -> str:
    """The partition at whose end the experiment is trained. Raises OrderError when the pipeline did not run so far."""
    made = sorted(ledger.partitions(ws.state, f"{pipeline.name}/decision"))
    if not made:
        raise OrderError(
            f"{pipeline.name} has no data yet.", remedy=f"Run it first: `ml-platform run {pipeline.name}`."
        )
    if wanted is None:
        return made[-1]
    if wanted not in made:
        raise OrderError(
            f"{pipeline.name} did not run through {wanted}.", remedy=f"It ran through {made[-1]}; name one until then."
        )
    return wanted


def attempt(ws: Workspace, base: ModelPipeline, variant: Variant, request: Request, tell: Tell) -> Tried:
    """Train and judge a variant of a pipeline, unless the same experiment is on record.

    `ws` has a lake that is open for reading only, and a state that is open for writing. `tell` hears the name of each
    stage. What fails or is interrupted is put on record as that, and raised.
    """
    experiments.end_dead(ws.state)
    partition = partition_of(ws, base, request.partition)
    columns = {**variant.data.row_schema, **variant.data.feature_schema}
    for column in request.by:
        if column not in columns:
            raise NotFoundError(f"input or feature of {base.name}", column, list(columns))
    data = data_of(ws, base, variant, partition)
    number = promotions.champion_at(ws.state, base.name, window_of(base, partition)[1])
    champion = None if number is None else versions.version(ws.state, base.name, number)
    key = _key(data, variant.model, champion, request)
    earlier = experiments.done_by_key(ws.state, key)
    if earlier is not None and ws.blobs.whole(earlier.bundle):
        return Tried(_annotated(ws, earlier, request), known=True)
    flat = declared.flat(base)
    begun = Experiment(
        pipeline=base.name,
        partition=partition,
        content_key=key,
        training_key="",
        base=ws.blobs.put_bytes(_text(flat)),
        changes=declared.differences(flat, declared.flat(variant.model)),
        metric=variant.model.headline,
        who=getpass.getuser(),
        started_at=datetime.now(UTC),
        name=request.name,
        champion=number,
    )
    with _on_record(ws, begun, data) as running:
        annotated = _annotated(ws, running, request)
        done, details = _tried(ws, data, annotated, champion, request, tell)
        return Tried(experiments.finish(ws.state, done, details, data.uses), known=False)


@contextmanager
def _on_record(ws: Workspace, begun: Experiment, data: ExperimentData) -> Iterator[Experiment]:
    with ExitStack() as held:
        with ws.state.writing():  # whoever sees the row sees the mark
            one = experiments.begin(ws.state, begun)
            held.enter_context(marked(ws.settings.lake, f"{experiments.MARK}{one.id}"))
        with _end_on_record(ws, one, data):
            yield one


@contextmanager
def _end_on_record(ws: Workspace, one: Experiment, data: ExperimentData) -> Iterator[None]:
    """Put the end of an experiment that raised on record, with what was made for it."""
    try:
        yield
    except BaseException as error:  # an interrupt too, which is on record as that
        stopped = interrupts.arrived() or isinstance(error, KeyboardInterrupt)
        why = "Stopped." if stopped else without_secrets(f"{type(error).__name__}: {error}")
        there = experiments.experiment(ws.state, one.id)
        ended = replace(there, status="interrupted" if stopped else "failed", error=why)
        experiments.finish(ws.state, ended, uses=data.uses)
        raise


def _tried(
    ws: Workspace, data: ExperimentData, one: Experiment, champion: Version | None, request: Request, tell: Tell
) -> tuple[Experiment, Details]:
    pipeline, started = data.variant.model, time.perf_counter()
    stored = data.made(tell)
    interrupts.stop_if_arrived()
    gathered = time.perf_counter()
    training_key = recipe_of(pipeline, stored.digest).content_key
    bundle, record = _bundle(ws, pipeline, stored, training_key, tell)
    interrupts.stop_if_arrived()
    trained = time.perf_counter()
    tell("comparing")
    one = replace(one, training_key=training_key, training_set=stored.digest, bundle=bundle)
    judged = _judged(ws, data, stored, one, champion, request)
    ended = time.perf_counter()
    holdout = judged.holdout
    metrics = scorecard(pipeline.task, holdout.labels, holdout.scores, holdout.classes)
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
        incomparable=judged.incomparable,
    )
    return done, details


def _bundle(
    ws: Workspace, pipeline: ModelPipeline, stored: TrainingSet, training_key: str, tell: Tell
) -> tuple[str, dict[str, Any]]:
    """The digest of the model and the record of its training; that of an equal training, if there is one."""
    version = versions.by_key(ws.state, pipeline.name, training_key)
    if version is not None and ws.blobs.whole(version.bundle):
        return version.bundle, {"parameters": version.parameters, "environment": version.environment}
    earlier = experiments.done_by_training(ws.state, training_key)
    if earlier is not None and ws.blobs.whole(earlier.bundle):
        made_in = experiments.details(ws.state, earlier.id).environment
        return earlier.bundle, {"parameters": earlier.parameters, "environment": made_in}
    tell("training")
    definition = FeatureDefinition.of(pipeline).to_json()
    made = fitting.make(ws.blobs, pipeline, stored, definition, threads=ws.settings.threads)
    return made.digest, made.record


def _judged(
    ws: Workspace,
    data: ExperimentData,
    stored: TrainingSet,
    one: Experiment,
    champion: Version | None,
    request: Request,
) -> _Judged:
    pipeline, other = data.variant.model, judging.other_label(data.base, data.variant.model)
    gates = judging.gates_measured(pipeline, every=request.every_gate, champion=not other)
    candidate = stored_candidate(
        ws.blobs, pipeline, stored, one.bundle, 0, wanted=evidence_for(gates), threads=ws.settings.threads
    )
    holdout, compared, why_not = candidate.holdout, list[judging.Comparison](), ""
    if champion is not None and other:
        why_not = "the experiment predicts another label"
    elif champion is not None:
        against = rival(ws, data.variant.data, champion, holdout.frame, stored.decided_at)
        candidate = replace(candidate, champion=against)
        why_not = judging.incomparable(candidate, against)
        if not why_not:
            segments = judging.segments_of(pipeline, request.by)
            compared = judging.comparisons(pipeline, candidate, against, segments)
    as_version = _as_version(one, stored)
    candidate = replace(
        candidate,
        parity=lambda examples: replayed(ws, as_version, holdout.frame, examples),
        provenance=lambda: column_origins(ws, pipeline, one.partition),
    )
    verdicts = judging.verdicts(pipeline, candidate, gates)
    return _Judged(holdout, compared, why_not, verdicts, curves_of(pipeline.task, holdout))


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


def _key(data: ExperimentData, pipeline: ModelPipeline, champion: Version | None, request: Request) -> str:
    """The content key of an experiment: of its training, the champion and what is measured."""
    return content_key(
        "experiment",
        judging.CODE_VERSION,
        pipeline.name,
        data.key,
        fitting.declaration(pipeline),
        FeatureDefinition.of(pipeline).key,
        libraries(*trainer_of(pipeline.trainer).libraries(pipeline.trainer), "polars", "pyarrow"),
        None if champion is None else [champion.version, champion.bundle],
        [[canonical(gate), gate.severity] for gate in pipeline.all_gates],
        judging.segments_of(pipeline, request.by),
        pipeline.headline,
        request.every_gate,
    )


def _annotated(ws: Workspace, one: Experiment, request: Request) -> Experiment:
    """The experiment with the note and tags that were asked for."""
    if request.note:
        annotations.note(ws.state, one.id, request.note, getpass.getuser())
    return replace(one, tags=annotations.tag(ws.state, one.id, request.tags)) if request.tags else one


def _text(flat: dict[str, Any]) -> bytes:
    return json.dumps(flat, ensure_ascii=False, indent=1).encode()
