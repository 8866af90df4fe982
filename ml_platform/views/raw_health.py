"""Health check of raw rows: those that the lake lost, and where they can come from again."""

from collections.abc import Iterator, Sequence

from ml_platform.naming import listed
from ml_platform.sources.rereading import lost
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.spec.tables import Table
from ml_platform.state.stores import Stores
from ml_platform.views.health_finding import Finding


def lost_rows(stores: Stores, pipelines: Sequence[ModelPipeline]) -> Iterator[Finding]:
    """Files whose raw rows the lake lost: with their content still in the source, or without."""
    for pipeline in pipelines:
        for table in pipeline.tables:
            yield from _lost_of(stores, pipeline, table)


def _lost_of(stores: Stores, pipeline: ModelPipeline, table: Table) -> Iterator[Finding]:
    what = lost(stores, table)
    if what is None:
        return
    if what.readable or not what.gone:
        paths = listed(sorted(version.path for version, _ in what.readable)) or "none"
        detail = f"raw.{table.name} lost rows whose source has them still: {paths}"
        yield Finding("raw rows", "bad", detail, f"`ml-platform run {pipeline.name}` reads them again.")
    for version in what.gone:
        detail = f"raw.{table.name} lost the rows of {version.path}, and its content (SHA-256 {version.sha256}) is gone"
        if version.status == "ingested":
            again = f"`ml-platform land {pipeline.name} {table.name} FILE`"
            end = f"`ml-platform withdraw {table.name} {version.path} --why TEXT`"
            remedy = f"Land a file with this content again: {again}. Or let its rows end: {end}."
            yield Finding("raw rows", "bad", detail, remedy)
        else:  # what was screened of it stands, and nothing new is made of it
            remedy = "It was replaced since. Land the content under another name of the table only to have it again."
            yield Finding("raw rows", "warn", detail, remedy)
