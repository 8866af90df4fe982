"""A pipeline's own steps, in order: what each is called, reads, makes and checks."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from ml_platform.lake.recipes import Recipe
from ml_platform.lake.transaction import Author
from ml_platform.models.registry import trainer_of
from ml_platform.monitoring.drift_checks import check_names
from ml_platform.runtime.workspace import Outcome, Workspace, already_made
from ml_platform.spec.gate_wording import in_words, short_name, why
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.steps import deciding, drift, features, judging, performance, predictions, report, training

Upstream = tuple[str, str]


@dataclass(frozen=True)
class Step:
    """One asset of a pipeline: `key` from the ledger alone, with the reads behind it; `make` the work (S31).

    `table` is the lake table it fills, `schema.name`; `checks` are names and descriptions.
    """

    name: str
    job: Literal["data", "train"]
    description: str
    kinds: tuple[str, ...]
    upstream: tuple[Upstream, ...]
    key: Callable[[Workspace, ModelPipeline, str], Recipe]
    make: Callable[[Workspace, ModelPipeline, str, Author], Outcome]
    table: str | None = None
    checks: tuple[tuple[str, str], ...] = ()

    def run(self, ws: Workspace, pipeline: ModelPipeline, partition: str, run_id: str) -> Outcome:
        """Do the work, or nothing when its content key is already there."""
        asset = f"{pipeline.name}/{self.name}"
        with ws.lake.reading():
            recipe = self.key(ws, pipeline, partition)
            author = Author(asset, partition, recipe.content_key, run_id, recipe.reads)
            made = already_made(ws, author, self.table)
        return made or replace(self.make(ws, pipeline, partition, author), content_key=author.content_key)


def steps_of(pipeline: ModelPipeline) -> tuple[Step, ...]:
    """Every step of the pipeline, upstream first."""
    name, trained_by = pipeline.name, trainer_of(pipeline.trainer).model.libraries

    def own(*steps: str) -> tuple[Upstream, ...]:
        return tuple((name, step) for step in steps)

    tables = tuple(("validated", table.name) for table in pipeline.tables if not _only_needed(pipeline, table.name))
    gates = tuple((short_name(gate), f"{_sentence(in_words(gate))} {why(gate)}") for gate in pipeline.all_gates)
    return (
        Step(
            "features",
            "data",
            "One row per example with every declared feature, as known at its prediction time.",
            ("duckdb", "polars"),
            tables,
            features.key,
            features.make,
            f"{name}.features",
        ),
        Step(
            "predictions",
            "data",
            "The champion of the start of the partition scores its examples.",
            trained_by,
            own("features"),
            predictions.key,
            predictions.make,
            f"{name}.predictions",
        ),
        Step(
            "performance",
            "data",
            "What the predictions were worth, once labels are known, with 95 % intervals.",
            ("duckdb",),
            own("predictions"),
            performance.key,
            performance.make,
            f"{name}.performance",
        ),
        Step(
            "drift",
            "data",
            "How far the examples and the scores of the partition are from what its champion learnt from.",
            ("duckdb", "polars"),
            own("features", "predictions"),
            drift.key,
            drift.make,
            f"{name}.drift",
            checks=tuple(check_names(pipeline.drift)),
        ),
        Step(
            "report",
            "data",
            "Drift and performance of the partition as a page to read: `ml-platform reports` serves it.",
            ("evidently",),
            own("performance", "drift"),
            report.key,
            report.make,
            checks=report.CHECKS,
        ),
        Step(
            "decision",
            "data",
            "Whether to train after this partition, with evidence and reason.",
            ("duckdb",),
            own("features", "performance", "drift"),
            deciding.key,
            deciding.make,
            f"{name}.decisions",
        ),
        Step(
            "training_set",
            "train",
            "Features and labels as known at the decision: the blob that reproduces a model.",
            ("parquet",),
            own("decision"),
            training.training_set_key,
            training.make_training_set,
        ),
        Step(
            "candidate",
            "train",
            "A trained version that no gate has judged yet.",
            trained_by,
            own("training_set"),
            training.candidate_key,
            training.make_candidate,
        ),
        Step(
            "verdicts",
            "train",
            "What every gate found about the candidate; the checks show the same rows.",
            ("duckdb",),
            own("candidate"),
            judging.verdicts_key,
            judging.make_verdicts,
            checks=gates,
        ),
        Step(
            "champion",
            "train",
            "The version that serves from the end of this partition: promoted, or kept and why.",
            trained_by,
            own("verdicts"),
            judging.champion_key,
            judging.make_champion,
        ),
    )


def _sentence(phrase: str) -> str:
    return f"The gate asks: {phrase}."


def _only_needed(pipeline: ModelPipeline, table: str) -> bool:
    """Whether a table only helps to clean others: no feature, example or label reads it."""
    label = getattr(pipeline.examples.label, "table", None)
    read = {getattr(feature, "table", None) for feature in pipeline.features}
    return table not in {pipeline.examples.table, label, *read}
