"""Adds inputs to records that lack them, where the current reads still give the recorded content key."""

from collections.abc import Sequence
from dataclasses import dataclass

from ml_platform.errors import NotFoundError, OrderError
from ml_platform.lake.recipes import Read, Recipe
from ml_platform.runtime.step import Step
from ml_platform.runtime.workspace import Workspace
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import ledger
from ml_platform.state.publishing import publish_reads
from ml_platform.validation.file_plans import validated_recipe


@dataclass(frozen=True)
class Recorded:
    """How many outputs got their inputs recorded, and which ones cannot because their inputs were replaced."""

    recorded: int
    lost: list[str]


def record_missing(ws: Workspace, pipeline: ModelPipeline, steps: Sequence[Step]) -> Recorded:
    """Record missing inputs of the outputs of the pipeline and its tables. Nothing else is written.

    A content key that is computed again proves the inputs, because it hashes them. Replaced outputs are skipped.
    """
    inputs: dict[int, Sequence[Read]] = {}
    lost: list[str] = []
    assets = [step.asset(pipeline) for step in steps] + [f"validated/{table.name}" for table in pipeline.tables]
    with ws.reading():
        for asset in assets:
            for record in ledger.history(ws.state, asset):
                if ledger.details(ws.state, record.id).reads is not None:
                    continue
                recipe = _recipe(ws, pipeline, steps, asset, record.partition)
                if recipe is not None and recipe.content_key == record.content_key:
                    inputs[record.id] = recipe.reads
                else:
                    lost.append(f"{asset} {record.partition}")
    if inputs:
        ledger.set_reads(ws.state, inputs)
        publish_reads(ws, list(inputs))
    return Recorded(len(inputs), sorted(set(lost)))


def _recipe(ws: Workspace, pipeline: ModelPipeline, steps: Sequence[Step], asset: str, partition: str) -> Recipe | None:
    """The current inputs of the output; None when they are unknown."""
    layer, _, name = asset.partition("/")
    if layer == "validated":
        return validated_recipe(ws.state, pipeline.table(name), ws.slices.get(name), partition)
    step = next(step for step in steps if step.name == name)
    try:
        return step.key(ws, pipeline, partition)
    except (OrderError, NotFoundError):
        return None  # something before it is not there any more
