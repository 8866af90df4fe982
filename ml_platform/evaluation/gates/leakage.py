"""Too good to be true: each feature alone, and the model, against what no honest one reaches.

A feature alone is judged as the simplest model of it: the mean label of its bin (numbers, by
quantiles) or category (text, Booleans) on train, scored on the holdout. Order, direction and shape do
not matter, and nothing of the holdout is used to make it. Of several classes it is judged by the one
that it tells best. The model is not: it is judged by macro F1, because one easy class is no leak.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from ml_platform.evaluation.candidate import Candidate, Evidence, Finding, Part, Rows
from ml_platform.evaluation.gates.evaluator import Evaluator, no_evidence
from ml_platform.evaluation.metrics import metric
from ml_platform.naming import counted
from ml_platform.spec.leak_gates import Leakage

Array = npt.NDArray[Any]

BINS = 64  # quantile bins of a number, besides one for null
TRAIN_ROWS = 20_000  # evenly spread; more change no verdict
MIN_CLASS = 10  # holdout rows in and outside a class: with fewer, chance alone reaches the bounds
WARN = 0.85  # ROC AUC of a feature alone, or of one class, from which on it is said
DOMINANT = 0.5  # the share of the importance from which on a feature is said
_OF_MODEL = {"regression": "r2", "multiclass": "macro_f1", "binary": "roc_auc"}


def _measure(gate: Leakage, candidate: Candidate) -> list[Finding]:
    """The outcome, and the model's own score as a finding of its own."""
    name = "r2" if candidate.task == "regression" else "roc_auc"
    of_model = _OF_MODEL[candidate.task]
    if candidate.train is None:
        return no_evidence(name, "The training part was not loaded")
    train, holdout = candidate.train.thinned(TRAIN_ROWS), candidate.holdout
    targets = _targets(candidate.task, train, holdout)
    if not targets:
        class_rows = f"a class with {MIN_CLASS} rows in it and as many outside it"
        few = f"{2 * MIN_CLASS} rows and labels that vary" if candidate.task == "regression" else class_rows
        detail = f"Not judged: a holdout of {counted(len(holdout), 'row')} lacks {few}: too little to tell."
        return [Finding(name, None, detail, threshold=gate.feature, rows=len(holdout))]
    alone = {
        column: max(
            metric(name, actual, learned(train.frame[column], target, holdout.frame[column]))
            for target, actual in targets
        )
        for column in candidate.columns
    }
    whole = holdout.value(of_model)
    leaking = {c: v for c, v in alone.items() if v >= gate.feature}
    best = max(alone, key=lambda column: alone[column], default=None)
    problems = [
        f"{column} alone has {name} {value:.4g} (allowed: below {gate.feature:g})"
        for column, value in sorted(leaking.items())
    ]
    if whole >= gate.model:
        problems.append(f"the model has {of_model} {whole:.4g} (allowed: below {gate.model:g})")
    if problems:
        detail = (
            f"Too good to be true on {counted(len(holdout), 'row')} of the holdout: {', '.join(problems)}. The gate "
            "fails. Is it known at prediction time?"
        )
    else:
        detail = (
            f"On {counted(len(holdout), 'row')} of the holdout, the best feature alone is {best} with {name} "
            f"{alone[best]:.4g}; from {gate.feature:g} on that is too good to be true: the gate passes."
            if best
            else "There is no feature: the gate passes."
        )
    if not problems and (suspicious := _suspicious(candidate, train, alone, whole)):
        detail = f"{detail} Warning: {'; '.join(suspicious)}."
    judged, value, bound = name, (alone[best] if best else None), gate.feature
    if problems and not leaking:  # the finding shows what refused it
        judged, value, bound = of_model, whole, gate.model
    model = (
        f"The model has {of_model} {whole:.4g} on {counted(len(holdout), 'row')} of the holdout; from {gate.model:g} "
        f"on that is too good to be true: it {'passes' if whole < gate.model else 'fails'}."
    )
    return [
        Finding(judged, not problems, detail, value, bound, rows=len(holdout)),
        Finding(
            of_model,
            whole < gate.model,
            model,
            whole,
            gate.model,
            rows=len(holdout),
            slice="model",
            about=f"the model's {of_model} below {gate.model:g}",
        ),
    ]


def _suspicious(candidate: Candidate, train: Rows, alone: dict[str, float], whole: float) -> list[str]:
    """What is worth a look and fails nothing."""
    facts = []
    if candidate.task != "regression":
        of_class = " for one class" if candidate.task == "multiclass" else ""
        facts = [
            f"{column} alone has roc_auc {value:.4g}{of_class}" for column, value in alone.items() if value >= WARN
        ]
    facts += [
        f"{column} has {share:.0%} of the importance"
        for column, share in candidate.importance.items()
        if share >= DOMINANT and len(candidate.columns) > 1
    ]
    if candidate.task == "multiclass":
        alone = {column: _of_classes(train, candidate.holdout, column) for column in alone}
    best = max(alone, key=lambda column: alone[column], default=None)
    if best is not None and alone[best] > whole:
        metric_name = _OF_MODEL[candidate.task]
        facts.append(f"{best} alone ({metric_name} {alone[best]:.4g}) is better than the whole model ({whole:.4g})")
    return facts


def _of_classes(train: Rows, holdout: Part, column: str) -> float:
    """The macro F1 that a column alone reaches: each class gets its share in the bin."""
    shares = [
        learned(train.frame[column], (train.labels == c).to_numpy().astype(float), holdout.frame[column])
        for c in holdout.classes
    ]
    return metric("macro_f1", holdout.labels.to_numpy(), np.column_stack(shares), classes=holdout.classes)


def _targets(task: str, train: Rows, holdout: Part) -> list[tuple[Array, Array]]:
    """(label on train, label on holdout) as numbers; one a class, if it can be judged."""
    pairs = [(train.labels.to_numpy(), holdout.labels.to_numpy())]
    if task == "multiclass":
        pairs = [((train.labels == c).to_numpy(), (holdout.labels == c).to_numpy()) for c in holdout.classes]
    numbers = [(a.astype(float), b.astype(float)) for a, b in pairs]
    if task == "regression":
        return [t for t in numbers if len(t[1]) >= 2 * MIN_CLASS and t[1].min() < t[1].max()]
    return [t for t in numbers if min(t[1].sum(), len(t[1]) - t[1].sum()) >= MIN_CLASS]


def learned(seen: pl.Series, target: Array, asked: pl.Series) -> Array:
    """The mean target of each asked value's bin or category among the seen; an unseen one gets the overall mean."""
    if seen.dtype.is_numeric():
        numbers = seen.cast(pl.Float64).fill_nan(None)
        present = numbers.drop_nulls().to_numpy()
        edges = np.unique(np.quantile(present, np.linspace(0, 1, BINS + 1)[1:-1])) if len(present) else np.zeros(0)
        seen_bins, asked_bins = _binned(numbers, edges), _binned(asked.cast(pl.Float64).fill_nan(None), edges)
        size = len(edges) + 2
    else:
        text, other = seen.cast(pl.String).fill_null("\0"), asked.cast(pl.String).fill_null("\0")
        levels = text.unique().sort()
        size = len(levels) + 1
        codes = np.arange(len(levels))
        seen_bins, asked_bins = (
            values.replace_strict(levels, codes, default=size - 1, return_dtype=pl.Int64).to_numpy()
            for values in (text, other)
        )
    counts = np.bincount(seen_bins, minlength=size)
    sums = np.bincount(seen_bins, target, minlength=size)
    overall = float(target.mean()) if len(target) else 0.0
    means = np.divide(sums, counts, out=np.full(size, overall), where=counts > 0)
    return np.asarray(means[asked_bins])


def _binned(numbers: pl.Series, edges: Array) -> Array:
    """The bin of each number; null is the last, `len(edges) + 1`."""
    bins = np.searchsorted(edges, numbers.fill_null(0).to_numpy(), side="left")
    bins[numbers.is_null().to_numpy()] = len(edges) + 1
    return bins


LEAKAGE = Evaluator(Leakage, _measure, evidence=frozenset({Evidence.TRAIN}))
