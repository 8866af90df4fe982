"""A fitted model of a pipeline, searched for first where the trainer asks for it, and what the search was worth (S62)."""

from dataclasses import replace
from typing import Any

from ml_platform import interrupts
from ml_platform.errors import ScoringError, TrainingError
from ml_platform.evaluation.candidate import Rows
from ml_platform.evaluation.gates.comparison import compared
from ml_platform.evaluation.metrics import metric as metric_value
from ml_platform.features.definition import FeatureDefinition
from ml_platform.models.bundle import Bundle
from ml_platform.models.predictor import Predictor
from ml_platform.models.registry import trainer_of
from ml_platform.models.training_data import TrainingData, part
from ml_platform.spec.canonical import canonical
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.spec.searching_gates import searched_in
from ml_platform.state import searches
from ml_platform.state.stores import Stores
from ml_platform.training import fitting
from ml_platform.training.fitting import Trained
from ml_platform.training.training_plan import plan
from ml_platform.training.training_set import TrainingSet
from ml_platform.tuning.searching import Tell
from ml_platform.tuning.settling import replaced, settled


def make(stores: Stores, pipeline: ModelPipeline, training_set: TrainingSet, tell: Tell) -> Trained:
    """Fit the declared trainer on a stored training set, with the parameters that its searches choose.

    The bundle holds the chosen parameters, so that it is reproduced without a search. `tell` hears each trial. Raises
    what `training.fitting.make` raises, and SearchFailed.
    """
    definition, threads = FeatureDefinition.of(pipeline).to_json(), stores.settings.threads
    if not searched_in(pipeline.trainer):
        return fitting.make(stores.blobs, pipeline, training_set, definition, threads=threads)
    outcome = settled(stores, pipeline, training_set, tell)
    tell("training with the chosen parameters")
    trained = fitting.make(stores.blobs, outcome.pipeline, training_set, definition, threads=threads)
    unknown = [search for search in outcome.searches if not search.comparison]
    if unknown:
        tell("comparing with the declared parameters")
        comparison = _with_declared(stores, pipeline, outcome.pipeline, training_set, trained.bundle)
        for search in unknown:
            searches.keep_comparison(stores.state, search.id, comparison)
    chosen = ", ".join(f"search {search.id}, trial {search.best}" for search in outcome.searches)
    record = {**trained.record, "parameters": {**trained.record["parameters"], "chosen by": chosen}}
    return replace(trained, record=record)


def _with_declared(
    stores: Stores, pipeline: ModelPipeline, chosen: ModelPipeline, training_set: TrainingSet, bundle: Bundle
) -> dict[str, Any]:
    """The chosen model against that of the declared parameters on the holdout, paired, as JSON values (S25).

    `conclusion` is "better", "worse", "no difference shown", "the declared parameters were chosen", or "not compared"
    with the reason in `why`.
    """
    declared = replace(pipeline, trainer=replaced(pipeline.trainer, lambda searched: searched.trainer))
    if canonical(declared.trainer) == canonical(chosen.trainer):
        return {"conclusion": "the declared parameters were chosen"}
    metric, threads = pipeline.headline, stores.settings.threads
    planned = plan(declared, training_set)
    path = stores.blobs.get(training_set.digest)
    holdout = part(path, "holdout", [*pipeline.model_columns, "_label"])
    rows = Rows(holdout.drop("_label"), holdout["_label"], bundle.classes)
    data = TrainingData(path, planned.task, planned.columns)
    try:
        rival = trainer_of(declared.trainer).fit(data, planned.config, threads=threads)
        scores = rival.predict(rows.frame, threads=threads)
    except (TrainingError, ScoringError) as error:
        interrupts.stop_if_arrived()
        return {"conclusion": "not compared", "why": f"The declared parameters give no model: {error.what}"}
    ours = rows.scored(Predictor(bundle, threads=threads))
    difference = compared(metric, ours, scores, rival.signature.classes).difference
    if difference.value is None or difference.low is None or difference.high is None:
        return {"conclusion": "not compared", "why": f"{metric} has no interval on the holdout."}
    shown = "better" if difference.low > 0 else "worse" if difference.high < 0 else "no difference shown"
    return {
        "conclusion": shown,
        "metric": metric,
        "value": ours.value(metric),
        "declared_value": metric_value(metric, rows.labels.to_numpy(), scores, classes=rival.signature.classes),
        "difference": difference.value,
        "low": difference.low,
        "high": difference.high,
        "rows": len(rows),
    }
