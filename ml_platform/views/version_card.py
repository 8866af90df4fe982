"""The model card of a version, from its recorded facts."""

import math

from ml_platform.escaping import markdown_code, markdown_text
from ml_platform.evaluation.card import model_card
from ml_platform.evaluation.intervals import Interval
from ml_platform.features.definition import FeatureDefinition
from ml_platform.features.offline import outputs_since
from ml_platform.models import bundle as bundles
from ml_platform.naming import capitalized
from ml_platform.runtime import reading
from ml_platform.runtime.data_blocks import data_blocks
from ml_platform.runtime.workspace import Workspace
from ml_platform.spec.examples import Label
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import promotions, verdicts, versions


def card_of(ws: Workspace, pipeline: ModelPipeline, number: int, *, stored: bool = False) -> str:
    """The model card of one version, with whether it serves now, unless it is to be `stored`.

    Raises NotFoundError when the version does not exist, BlobError without its bundle.
    """
    version = versions.version(ws.state, pipeline.name, number)
    bundle = bundles.load(ws.blobs, version.bundle)
    definition = FeatureDefinition.from_json(bundle.definition)
    gate_verdicts = verdicts.of(ws.state, pipeline.name, number)
    holdout = {name: value for name, value in version.metrics["holdout"].items() if value is not None}
    metrics = {name: _interval(name, value, gate_verdicts) for name, value in holdout.items()}
    return model_card(
        version,
        description=pipeline.description,
        owners=pipeline.owners,
        metrics=metrics,
        verdicts=gate_verdicts,
        features=outputs_since(definition, reading.available_since(ws, definition)),
        importance=bundle.fitted.importance(),
        limits=[*_limits(pipeline, bundle), *_forgotten(ws, version)],
        data=_failed_checks(ws, pipeline, number),
        serves="" if stored else _serves(ws, pipeline.name, number),
    )


def _serves(ws: Workspace, pipeline: str, number: int) -> str:
    champion = promotions.champion_at(ws.state, pipeline)
    if champion == number:
        return "yes"
    return f"no; the champion is {pipeline}@{champion}" if champion else "no; there is no champion"


def _failed_checks(ws: Workspace, pipeline: ModelPipeline, number: int) -> list[str]:
    """The failed checks on its data that keep it from serving, or that a person passed over."""
    champion = promotions.champion_at(ws.state, pipeline.name)
    log = promotions.changes(promotions.history(ws.state, pipeline.name))
    mine = [entry for entry in log if entry.version == number]
    if not mine:
        return [capitalized(block.phrase) for block in data_blocks(ws, pipeline, number, champion)]
    return [f"Promoted by {entry.actor} ({entry.reason}) over: {entry.overrides}" for entry in mine if entry.overrides]


def _interval(metric: str, value: float, gate_verdicts: list[verdicts.Verdict]) -> Interval:
    """The metric with the interval of a gate that measured the same value, if any."""
    for verdict in gate_verdicts:
        own = verdict.metric == metric and not verdict.slice and verdict.low is not None
        if own and math.isclose(verdict.value or math.nan, value, rel_tol=1e-9):
            return Interval(value, verdict.low, verdict.high)
    return Interval(value, None, None)


def _forgotten(ws: Workspace, version: versions.Version) -> list[str]:
    """That it cannot be made again, where rows that it learnt from were forgotten (S47)."""
    rewriting = ws.blobs.rewriting(version.training_set)
    if rewriting is None:
        return []
    return [f"It cannot be reproduced since {rewriting.at}: rows of its training set were forgotten."]


def _limits(pipeline: ModelPipeline, bundle: bundles.Bundle) -> list[str]:
    """The model's known limits, from its declaration, as Markdown."""
    examples = pipeline.examples
    limits = [
        f"{markdown_code(gate.phrase)}: {markdown_text(gate.error_rates)}"
        for gate in pipeline.gates
        if gate.error_rates
    ]
    if examples.at:
        limits.append(f"It predicts as of {markdown_code(examples.at)} and uses nothing that became known later.")
    levels = {name: len(categories) for name, categories in bundle.levels.items()}
    if levels:
        counted = ", ".join(f"{markdown_text(name)} ({count})" for name, count in levels.items())
        limits.append(f"Categories unseen in training count as missing. Known categories: {counted}.")
    if isinstance(examples.label, Label) and examples.label.matures_after:
        limits.append(f"A label is final only after {examples.label.matures_after}.")
    return limits
