"""The champion that a candidate has to beat, and its model card. Shared by the verdicts and champion steps."""

from datetime import timedelta

from ml_platform.errors import BlobError
from ml_platform.lake.recipes import Read
from ml_platform.runtime import reading
from ml_platform.runtime.display import written
from ml_platform.runtime.workspace import Workspace, window_of
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import promotions, versions
from ml_platform.steps import evidence as evidences
from ml_platform.views.version_card import card_of


def incumbent(ws: Workspace, pipeline: ModelPipeline, partition: str, version: int | None) -> int | None:
    """The champion that a candidate of this partition has to beat: the last one before its end.

    Where a person has a settled training replaced, and in a pipeline without partitions, which has one moment
    only: the champion before `version` became it, unless another version was promoted there since.
    """
    end = window_of(pipeline, partition)[1]
    asked = evidences.manual(ws, pipeline, partition)
    if end is not None and not (asked and asked.replaces):
        return promotions.champion_at(ws.state, pipeline.name, end - timedelta(microseconds=1))
    for entry in reversed(promotions.history(ws.state, pipeline.name)):
        if entry.version == version and entry.action == "promoted":
            return entry.previous
        if entry.partition == partition and entry.action == "promoted":
            break
    return promotions.champion_at(ws.state, pipeline.name, end)


def version_read(ws: Workspace, pipeline: ModelPipeline, number: int | None) -> list[Read]:
    """A version as a read; nothing where there is none."""
    return [] if number is None else [reading.version(versions.version(ws.state, pipeline.name, number))]


def card(ws: Workspace, pipeline: ModelPipeline, version: int) -> dict[str, str] | str:
    """The model card, stored; a sentence where its bundle cannot be read: a decision does not fail for that."""
    try:
        return written(ws, card_of(ws, pipeline, version, stored=True))
    except BlobError as error:
        return str(error)
