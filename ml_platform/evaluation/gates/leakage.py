"""Too good to be true: each feature alone, and the model, against what no honest one reaches.

A feature alone is judged as the simplest model of it: the mean label of its bin (numbers, by
quantiles) or category (text, Booleans) on train, scored on the holdout. Order, direction and shape do
not matter, and nothing of the holdout is used to make it.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from ml_platform.evaluation.candidate import Candidate, Evidence, Finding, Part, Rows
from ml_platform.evaluation.gates.evaluator import Evaluator, no_evidence
from ml_platform.evaluation.metrics import metric
from ml_platform.spec.gates import Leakage

Array = npt.NDArray[Any]

BINS = 64  # quantile bins of a number, besides one for null
TRAIN_ROWS = 20_000  # evenly spread; more change no verdict
MIN_CLASS = 10  # holdout rows in and outside a class: with fewer, chance alone reaches the bounds


def _measure(gate: Leakage, candidate: Candidate) -> list[Finding]:
    """The outcome, and the model's own score as a finding of its own."""
    name = "r2" if candidate.task == "regression" else "roc_auc"
    if candidate.train is None:
        return no_evidence(name, "The training part was not loaded")
    train, holdout = candidate.train.thinned(TRAIN_ROWS), candidate.holdout
    targets = _targets(candidate.task, train, holdout)
    if not targets:
        few = {
            "r2": f"{2 * MIN_CLASS} rows and labels that vary",
            "roc_auc": f"a class with {MIN_CLASS} rows in it and as many outside it",
        }[name]
        detail = f"Not judged: a holdout of {len(holdout)} rows lacks {few}: too little to tell."
        return [Finding(name, None, detail, threshold=gate.feature, rows=len(holdout))]
    alone = {
        column: max(
            metric(name, actual, learned(train.frame[column], target, holdout.frame[column]))
            for target, actual, _ in targets
        )
        for column in candidate.columns
    }
    whole = max(metric(name, actual, scores) for _, actual, scores in targets)
    leaking = {c: v for c, v in alone.items() if v >= gate.feature}
    best = max(alone, key=lambda column: alone[column], default=None)
    problems = [f"{column} alone has {name} {value:.4g}" for column, value in sorted(leaking.items())]
    if whole >= gate.model:
        problems.append(f"the model has {name} {whole:.4g}")
    if problems:
        detail = f"Too good to be true on the holdout: {', '.join(problems)}. Is it known at prediction time?"
    else:
        detail = f"The best feature alone is {best} with {name} {alone[best]:.4g}." if best else "There is no feature."
    value, bound = (alone[best] if best else None), gate.feature
    if problems and not leaking:  # the finding shows what refused it
        value, bound = whole, gate.model
    model = f"The model has {name} {whole:.4g} on the holdout; from {gate.model:g} on that is too good to be true."
    return [
        Finding(name, not problems, detail, value, bound, rows=len(holdout)),
        Finding(
            name,
            whole < gate.model,
            model,
            whole,
            gate.model,
            rows=len(holdout),
            slice="model",
            about=f"the model's {name} below {gate.model:g}",
        ),
    ]


def _targets(task: str, train: Rows, holdout: Part) -> list[tuple[Array, Array, Array]]:
    """(label on train, label on holdout, model score on holdout) as numbers; one a class, if it can be judged."""
    if task == "multiclass":
        pairs = [
            ((train.labels == c).to_numpy(), (holdout.labels == c).to_numpy(), holdout.scores[:, i])
            for i, c in enumerate(holdout.classes)
        ]
    else:
        pairs = [(train.labels.to_numpy(), holdout.labels.to_numpy(), holdout.scores)]
    numbers = [(a.astype(float), b.astype(float), scores) for a, b, scores in pairs]
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
