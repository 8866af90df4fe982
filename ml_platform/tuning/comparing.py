"""What a search was worth: the chosen parameters against the declared ones on the holdout (S25, S62)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ml_platform import interrupts
from ml_platform.errors import ScoringError, TrainingError
from ml_platform.evaluation.candidate import Rows
from ml_platform.evaluation.gates.comparison import compared
from ml_platform.evaluation.metrics import metric as metric_value
from ml_platform.models.bundle import Bundle
from ml_platform.models.predictor import Predictor
from ml_platform.models.registry import trainer_of
from ml_platform.models.training_data import TrainingData, part
from ml_platform.naming import counted
from ml_platform.spec.canonical import canonical
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state.stores import Stores
from ml_platform.training.training_plan import plan
from ml_platform.training.training_set import TrainingSet
from ml_platform.tuning.settling import replaced


def with_declared(
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
        rival = trainer_of(declared.learner).fit(data, planned.config, threads=threads)
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


def in_words(comparison: Mapping[str, Any]) -> str:
    """A comparison as a sentence.

    >>> numbers = {"metric": "rmse", "difference": 0.5, "low": 0.25, "high": 0.75, "rows": 900}
    >>> in_words({"conclusion": "better", **numbers})
    'Shown better on 900 rows of the holdout: rmse better by 0.5 (95 % interval: 0.25 to 0.75).'
    >>> in_words({"conclusion": "the declared parameters were chosen"})
    'The declared parameters were chosen: no trial was better on the folds.'
    """
    if "difference" not in comparison:
        if comparison.get("why"):
            return f"Not compared on the holdout. {comparison['why']}"
        if not comparison:
            return "Not compared yet."
        return "The declared parameters were chosen: no trial was better on the folds."
    shown = {"better": "Shown better", "worse": "Shown worse"}.get(comparison["conclusion"], "No difference shown")
    return (
        f"{shown} on {counted(comparison['rows'], 'row')} of the holdout: {comparison['metric']} better by "
        f"{comparison['difference']:.4g} (95 % interval: {comparison['low']:.4g} to {comparison['high']:.4g})."
    )
