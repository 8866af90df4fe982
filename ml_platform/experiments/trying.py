"""An experiment from beginning to end, on record at each moment: running, done, failed or interrupted (S46)."""

import getpass
import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from ml_platform import interrupts
from ml_platform.errors import NotFoundError, OrderError
from ml_platform.experiments import declared, judging
from ml_platform.experiments.changing import Variant
from ml_platform.experiments.data import ExperimentData, Tell, data_of
from ml_platform.experiments.results import result_of
from ml_platform.features.definition import FeatureDefinition
from ml_platform.lake.work_marks import marked
from ml_platform.models.registry import trainer_of
from ml_platform.redaction import without_secrets
from ml_platform.runtime.workspace import Workspace, window_of
from ml_platform.spec.canonical import canonical, content_key, libraries
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import annotations, experiments, ledger, promotions, versions
from ml_platform.state.experiments import Experiment
from ml_platform.state.versions import Version
from ml_platform.training import fitting


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
    """An experiment on record. `reused`: it was before, and nothing was computed."""

    experiment: Experiment
    reused: bool


def partition_of(ws: Workspace, pipeline: ModelPipeline, wanted: str | None) -> str:
    """The partition at whose end the experiment is trained. Raises OrderError when the pipeline did not run so far."""
    decided = sorted(ledger.partitions(ws.state, f"{pipeline.name}/decision"))
    if not decided:
        raise OrderError(
            f"{pipeline.name} has no data yet.", remedy=f"Run it first: `ml-platform run {pipeline.name}`."
        )
    if wanted is None:
        return decided[-1]
    if wanted not in decided:
        raise OrderError(
            f"{pipeline.name} did not run through {wanted}.",
            remedy=f"It ran through {decided[-1]}; name one until then.",
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
        return Tried(_annotated(ws, earlier, request), reused=True)
    flat = declared.flat(base)
    begun = Experiment(
        pipeline=base.name,
        partition=partition,
        content_key=key,
        training_key="",
        base_declaration=ws.blobs.put_bytes(_text(flat)),
        changes=declared.differences(flat, declared.flat(variant.model)),
        metric=variant.model.headline,
        actor=getpass.getuser(),
        started_at=datetime.now(UTC),
        name=request.name,
        champion=number,
    )
    with _on_record(ws, begun, data) as running:
        annotated = _annotated(ws, running, request)
        done, details = result_of(
            ws, data, annotated, champion, by=request.by, every_gate=request.every_gate, tell=tell
        )
        return Tried(experiments.finish(ws.state, done, details, data.uses), reused=False)


@contextmanager
def _on_record(ws: Workspace, begun: Experiment, data: ExperimentData) -> Iterator[Experiment]:
    with ExitStack() as open_marks:
        with ws.state.writing():  # whoever sees the row sees the mark
            one = experiments.begin(ws.state, begun)
            open_marks.enter_context(marked(ws.settings.lake, f"{experiments.MARK}{one.id}"))
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
        recorded = experiments.without_result(experiments.experiment(ws.state, one.id))
        ended = replace(recorded, status="interrupted" if stopped else "failed", error=why)
        experiments.finish(ws.state, ended, uses=data.uses)
        raise


def _key(data: ExperimentData, pipeline: ModelPipeline, champion: Version | None, request: Request) -> str:
    """The content key of an experiment: of its training, the champion and what is measured."""
    return content_key(
        "experiment",
        judging.CODE_VERSION,
        pipeline.name,
        data.key,
        fitting.declaration(pipeline),
        FeatureDefinition.of(pipeline).key,
        libraries(*trainer_of(pipeline.learner).libraries(pipeline.learner), "polars", "pyarrow"),
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
