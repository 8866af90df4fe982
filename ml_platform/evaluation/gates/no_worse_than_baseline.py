"""No worse than a linear model of the same columns, which is fitted for this comparison alone and not kept."""

from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl

from ml_platform.evaluation.candidate import Candidate, Evidence, Finding, Rows
from ml_platform.evaluation.gates.comparison import compared
from ml_platform.evaluation.gates.evaluator import Evaluator, no_evidence
from ml_platform.evaluation.metrics import UNDEFINED
from ml_platform.evaluation.metrics import metric as value_of
from ml_platform.models.baseline import fit_baseline
from ml_platform.models.protocol import Model
from ml_platform.naming import counted
from ml_platform.spec.gates import NoWorseThanBaseline


def _measure(gate: NoWorseThanBaseline, candidate: Candidate) -> list[Finding]:
    """Fails when the upper bound of (candidate - baseline), in the good direction, is below -tolerance."""
    metric, bound, holdout, train = gate.metric, 0.0 - gate.tolerance, candidate.holdout, candidate.train
    if train is None:
        return no_evidence(metric, "The training part was not loaded")
    baseline = _baseline(candidate, train)
    scores, classes = baseline.predict(holdout.frame), baseline.signature.classes
    comparison = compared(metric, holdout, scores, classes)
    difference = comparison.difference
    if difference.value is None or difference.low is None or difference.high is None:
        detail = (
            f"{metric} cannot be compared with a linear baseline on the holdout: {UNDEFINED[metric]}. The gate fails."
        )
        return [Finding(metric, False, detail, difference.value, bound, rows=len(holdout))]
    passed = comparison.conclusion(gate.tolerance) != "shown worse"
    ours, theirs = holdout.value(metric), value_of(metric, holdout.labels.to_numpy(), scores, classes=classes)
    rival = (
        f"that of a linear baseline fitted on {counted(len(train), 'training row')}: {ours:.4g} against {theirs:.4g}"
    )
    settled = "this gate fails only what is shown to be worse"
    detail = (
        f"{comparison.measured(metric, rival, gate.tolerance)} "
        f"{comparison.follows(gate.tolerance, passed=passed, settled=settled)}"
    )
    return [Finding(metric, passed, detail, difference.value, bound, difference.low, difference.high, len(holdout))]


def _baseline(candidate: Candidate, train: Rows) -> Model:
    """The linear model of the candidate's columns. Raises TrainingError where the rows fit none."""
    rows = train.frame.select(candidate.columns)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "train.parquet"
        rows.with_columns(train.labels.alias("_label"), _part=pl.lit("train")).write_parquet(path)
        return fit_baseline(path, candidate.task, {name: str(dtype) for name, dtype in rows.schema.items()})


NO_WORSE_THAN_BASELINE = Evaluator(NoWorseThanBaseline, _measure, evidence=frozenset({Evidence.TRAIN}))
