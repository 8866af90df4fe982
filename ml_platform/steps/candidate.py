"""The candidate step: a version fitted on the training set, with its number."""

from collections.abc import Iterable
from dataclasses import asdict, replace
from typing import Any

from ml_platform.evaluation.candidate import Evidence
from ml_platform.evaluation.gates.registry import evidence_for
from ml_platform.evaluation.metrics import scorecard
from ml_platform.evaluation.quantiles import quantile_scorecard
from ml_platform.evaluation.stored import bounds
from ml_platform.features.definition import FeatureDefinition
from ml_platform.lake.recipes import Read, Recipe, recipe
from ml_platform.lake.transaction import Author
from ml_platform.models import bundle as bundles
from ml_platform.models.predictor import Predictor
from ml_platform.models.registry import trainer_of
from ml_platform.models.training_data import part
from ml_platform.plots.importance import importance as importance_plot
from ml_platform.runtime import progress, reading
from ml_platform.runtime.display import drawn
from ml_platform.runtime.step import Asset, Step, own
from ml_platform.runtime.workspace import Outcome, Workspace, record
from ml_platform.spec.canonical import libraries
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state.results import CandidateResult
from ml_platform.state.versions import Training, Version, by_key, register
from ml_platform.steps.background_training import begin_to_train_again, cancelled_on_error
from ml_platform.steps.decision import of as decision_of
from ml_platform.steps.search_display import search_display
from ml_platform.steps.training_set import SKIPPED_KEY, skipped, stored_training_set
from ml_platform.training import fitting
from ml_platform.training.training_set import TrainingSet
from ml_platform.tuning import fitting as tuned_fitting
from ml_platform.views.feature_sources import all_uses

_KEPT = ("evaluations", "format", "bytes", "contract")  # of a fit, beside the metrics


class CandidateStep(Step):
    """A trained version that no gate has judged yet."""

    name = "candidate"
    job = "train"
    result = CandidateResult
    summary = "A trained version that no gate has judged yet."
    explanation = "It cannot serve before every gate has passed. *feature importance* shows the share of each feature."
    changes_with = "the training set, the trainer or the features"
    advice = "a feature that dominates all others is suspect: it may leak the label."

    def badges(self, pipeline: ModelPipeline) -> tuple[str, ...]:
        return trainer_of(pipeline.learner).libraries(pipeline.learner)

    def upstream(self, pipeline: ModelPipeline) -> tuple[Asset, ...]:
        return own(pipeline, "training_set")

    def key(self, ws: Workspace, pipeline: ModelPipeline, partition: str) -> Recipe:
        """From the bytes of the training set, the trainer and the feature definition (S22)."""
        stored = stored_training_set(ws, pipeline, partition)
        reads = reading.own(ws, pipeline, "training_set", [partition])
        if stored is None:
            return recipe("candidate", SKIPPED_KEY, by_content=reads)
        return recipe_of(pipeline, stored.digest, reads)

    def make(self, ws: Workspace, pipeline: ModelPipeline, partition: str, author: Author) -> Outcome:
        """Fit, bundle and register. Each content key gets one version number."""
        stored = stored_training_set(ws, pipeline, partition)
        if stored is None:
            return record(ws, author, skipped(decision_of(ws, pipeline, partition).reason, CandidateResult()))
        version = by_key(ws.state, pipeline.name, author.content_key)
        with cancelled_on_error(ws.blobs, stored.digest):
            if version is None:
                version = register(ws.state, _trained(ws, pipeline, partition, author, stored))
            elif not ws.blobs.whole(version.bundle):
                _store_again(ws, version, _trained(ws, pipeline, partition, author, stored))
            return record(ws, author, _outcome(ws, pipeline, version))


def recipe_of(pipeline: ModelPipeline, training_set: str, reads: Iterable[Read] = ()) -> Recipe:
    """The recipe of a model of the declaration on the training set with that digest."""
    return recipe(
        "candidate",
        fitting.declaration(pipeline),
        FeatureDefinition.of(pipeline).key,
        training_set,
        libraries(*trainer_of(pipeline.learner).libraries(pipeline.learner), "polars", "pyarrow"),
        by_content=reads,
    )


def version_of(ws: Workspace, pipeline: ModelPipeline, partition: str) -> Version | None:
    """The version that was trained after the partition; None when it was skipped."""
    return by_key(ws.state, pipeline.name, reading.latest(ws, pipeline, "candidate", partition).content_key)


def _trained(ws: Workspace, pipeline: ModelPipeline, partition: str, author: Author, stored: TrainingSet) -> Training:
    fitted = tuned_fitting.make(ws, pipeline, stored, progress.stage)
    if Evidence.REPRODUCTION in evidence_for(pipeline.all_gates):
        begin_to_train_again(ws.blobs, stored.digest, fitted.digest)  # while the holdout is scored here
    holdout = part(ws.blobs.path(stored.digest), "holdout", [*pipeline.model_columns, "_label"])
    predictor = Predictor(fitted.bundle, threads=ws.settings.threads)
    metrics = scorecard(pipeline.task, holdout["_label"], predictor.scores(holdout), fitted.bundle.classes)
    if predictor.levels:
        metrics |= quantile_scorecard(holdout["_label"].to_numpy(), predictor.quantiles(holdout), predictor.levels)
    return Training(
        pipeline=pipeline.name,
        content_key=author.content_key,
        partition=partition,
        training_set=stored.digest,
        bundle=fitted.digest,
        bounds=bounds(stored, pipeline.split),
        decided_at=stored.decided_at,
        parameters=fitted.record["parameters"],
        metrics={"holdout": metrics, **{name: fitted.record[name] for name in _KEPT}},
        environment=fitted.record["environment"],
        code_version=str(fitted.record["code_version"]),
        durations=fitted.record["durations"],
        run_id=author.run_id,
    )


def _store_again(ws: Workspace, version: Version, again: Training) -> None:
    """Store a lost bundle under its digest, with the contract of its time, which changes no content key.

    Early ones had no contract, and the number of threads beside the libraries.
    """
    if again.bundle == version.bundle:
        return
    repeated = replace(bundles.load(ws.blobs, again.bundle), contract=version.metrics.get("contract", {}))
    for early in (repeated, replace(repeated, versions=version.environment)):
        if early.digest == version.bundle:
            bundles.save(ws.blobs, early)


def _outcome(ws: Workspace, pipeline: ModelPipeline, version: Version) -> Outcome:
    holdout: dict[str, Any] = version.metrics["holdout"]
    measured = {f"holdout {name}": value for name, value in holdout.items() if value is not None}
    shares = bundles.load(ws.blobs, version.bundle).fitted.importance()
    display = {
        "version": version.name,
        **measured,
        "feature importance": drawn(ws, lambda: importance_plot(shares)),
        "bundle": {"blob": version.bundle},
        "training set": {"blob": version.training_set},
        "trained in run": {"run": version.run_id},
        "kilobytes": round(version.metrics["bytes"] / 1e3),
        "seconds": version.durations.get("total"),
        **search_display(ws, pipeline, version.training_set),
    }
    reads = tuple({**asdict(use), "features": list(use.features)} for use in all_uses(pipeline))
    result = CandidateResult(version.version, version.training_set, reads)
    return Outcome(1, output=version.bundle, result=result, display=display)
