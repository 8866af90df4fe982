"""A version as its gates see it: its data, its replay, its second training, and the champion it is compared with."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

import polars as pl

from ml_platform.errors import NotFoundError
from ml_platform.evaluation.candidate import Candidate, Champion, Compared, Evidence
from ml_platform.evaluation.stored import stored_candidate, stored_champion
from ml_platform.features.definition import FeatureDefinition
from ml_platform.models import bundle as bundles
from ml_platform.runtime.workspace import Workspace
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import ledger, versions
from ml_platform.state.results import TrainingSetResult
from ml_platform.state.versions import Version
from ml_platform.steps import features
from ml_platform.steps.background_training import BackgroundTraining, training_again
from ml_platform.steps.incumbent import incumbent
from ml_platform.steps.provenance import column_origins
from ml_platform.steps.replaying import replayed
from ml_platform.training.training_set import TrainingSet


@contextmanager
def candidate_of(
    ws: Workspace, pipeline: ModelPipeline, partition: str, version: Version, wanted: Collection[Evidence]
) -> Iterator[Candidate]:
    """A version that was trained after a partition, ready to be judged with the evidence that is wanted.

    Training again goes on in another process meanwhile. Where no gate waited for it, it ends with the context. Raises
    NotFoundError when its training set is not on record, and BlobError when a blob is missing or damaged.
    """
    again = training_again(ws.blobs, version.training_set, version.bundle)
    try:
        if Evidence.REPRODUCTION in wanted:
            again.start()
        yield _with_evidence(ws, pipeline, partition, version, wanted, again)
    finally:
        again.cancel()


def _with_evidence(
    ws: Workspace,
    pipeline: ModelPipeline,
    partition: str,
    version: Version,
    wanted: Collection[Evidence],
    again: BackgroundTraining,
) -> Candidate:
    stored = training_set_of(ws, pipeline, version)
    candidate = stored_candidate(
        ws.blobs, pipeline, stored, version.bundle, version.version, wanted=wanted, threads=ws.settings.threads
    )
    holdout = candidate.holdout.frame

    def replay(examples: int) -> Compared:
        return replayed(ws, version, holdout, examples)

    champion = _champion(ws, pipeline, partition, version, holdout) if Evidence.CHAMPION in wanted else None
    return replace(
        candidate,
        champion=champion,
        parity=replay,
        provenance=lambda: column_origins(ws, pipeline, partition),
        reproduce=again.result,
    )


def training_set_of(ws: Workspace, pipeline: ModelPipeline, version: Version) -> TrainingSet:
    """The training set that the version was trained on, which need not be the newest of its partition.

    Raises NotFoundError when it is not on record.
    """
    for record in reversed(ledger.history(ws.state, f"{pipeline.name}/training_set")):
        details = record.result_as(TrainingSetResult).details
        if record.output == version.training_set and details is not None:
            return TrainingSet.from_details(dict(details))
    raise NotFoundError("training set on record", version.training_set[:12])


def _champion(
    ws: Workspace, pipeline: ModelPipeline, partition: str, version: Version, holdout: pl.DataFrame
) -> Champion | None:
    """The champion to beat. If its features differ, the candidate's holdout is computed with them."""
    number = incumbent(ws, pipeline, partition, version.version)
    if number is None or number == version.version:
        return None
    return rival(ws, pipeline, versions.version(ws.state, pipeline.name, number), holdout, version.decided_at)


def rival(
    ws: Workspace, pipeline: ModelPipeline, champion: Version, holdout: pl.DataFrame, decided_at: datetime | None
) -> Champion:
    """A version to be compared with on a holdout that has the features of the pipeline.

    If its own features differ, they are computed for these rows, as known by `decided_at`.
    """
    definition = FeatureDefinition.from_json(bundles.load(ws.blobs, champion.bundle).definition)
    theirs = None
    if definition.key != FeatureDefinition.of(pipeline).key:
        on = definition.identity
        start: Any = holdout[definition.at].min() if definition.at else None
        with features.computed(ws, definition, start, decided_at if definition.at else None) as table:
            rows = ws.lake.frame(f"FROM {table}")
        theirs = holdout.select(on).join(rows, on=on, how="left", maintain_order="left")
    return stored_champion(ws.blobs, champion, holdout=theirs, threads=ws.settings.threads)
