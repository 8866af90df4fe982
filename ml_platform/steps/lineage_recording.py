"""Lineage of outputs from before lineage was kept: added where today's reads still give the recorded key."""

from dataclasses import dataclass

from ml_platform.errors import NotFoundError, OrderError
from ml_platform.lake.recipes import Recipe
from ml_platform.lake.transaction import Author, write
from ml_platform.runtime.workspace import Workspace, stamp
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import ledger
from ml_platform.state.lineage import graph
from ml_platform.steps.pipeline_steps import steps_of
from ml_platform.validation.file_plans import validated_recipe


@dataclass(frozen=True)
class Recorded:
    """How many outputs have their reads on record now, and those that never will: they were made from what is gone."""

    recorded: int
    lost: list[str]


def record_missing(ws: Workspace, pipeline: ModelPipeline) -> Recorded:
    """Keep the reads of the pipeline's outputs, and of its tables', that were made without; nothing else is written.

    A key that is found again is proof: it hashes what was read. Whatever was replaced since is left alone.
    """
    found, lost = [], []
    with ws.lake.reading():
        for node in graph(ws.lake).nodes.values():
            if node.reads is not None or not node.asset.startswith(("validated/", f"{pipeline.name}/")):
                continue
            recipe = _recipe(ws, pipeline, node.asset, node.partition)
            if recipe is not None and recipe.content_key == node.content_key:
                found.append(Author(node.asset, node.partition, node.content_key, reads=recipe.reads))
            else:
                lost.append(f"{node.asset} {node.partition}")
    if found:
        with write(ws.lake, Author("lineage")) as tx:
            for author in found:
                ledger.record_reads(tx, author, stamp())
    return Recorded(len(found), sorted(set(lost)))


def _recipe(ws: Workspace, pipeline: ModelPipeline, asset: str, partition: str) -> Recipe | None:
    """What the output would be made from today; None when that cannot be told."""
    layer, _, name = asset.partition("/")
    if layer == "validated":
        table = next((table for table in pipeline.tables if table.name == name), None)
        return validated_recipe(ws.lake, table, ws.slices.get(name), partition) if table else None
    step = next((step for step in steps_of(pipeline) if step.name == name), None)
    try:
        return step.key(ws, pipeline, partition) if step else None
    except (OrderError, NotFoundError):
        return None  # something before it is not there any more
