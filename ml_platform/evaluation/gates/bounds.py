"""Floors and ceilings of a metric, on the whole holdout and by segment (S24).

The point estimate is compared with the bound; the interval is shown.
"""

import numpy as np
import polars as pl

from ml_platform.evaluation.candidate import Candidate, Finding, Part
from ml_platform.evaluation.gates.evaluator import Evaluator
from ml_platform.evaluation.metrics import UNDEFINED
from ml_platform.naming import counted
from ml_platform.spec.gates import AtLeast, AtMost
from ml_platform.spec.metrics import higher_is_better


def _measure(gate: AtLeast | AtMost, candidate: Candidate) -> list[Finding]:
    metric, bound, by, holdout = gate.metric, gate.limit, gate.by, candidate.holdout
    if metric == "min_class_recall" and by is None:
        # Recall is accuracy among the rows of a class, so each class is a segment, with an interval of its own.
        return _sliced("recall", "accuracy", bound, "class", holdout.labels, gate.min_rows, holdout)
    if by is None:
        return [_judged(metric, metric, bound, holdout, "")]
    return _sliced(metric, metric, bound, by, holdout.frame[by], gate.min_rows, holdout)


def _sliced(
    metric: str, measure: str, bound: float, by: str, column: pl.Series, min_rows: int, holdout: Part
) -> list[Finding]:
    """`measure` in each segment of the column, reported as `metric`: the outcome first."""
    codes, levels = _levels(column)
    counts = np.bincount(codes, minlength=len(levels))
    findings = []
    for code, level in enumerate(levels):
        name = f"{by}={level}"
        if counts[code] < min_rows:
            rows = counted(int(counts[code]), "row of the holdout has", "rows of the holdout have")
            detail = f"Not judged: {rows} {name}, and min_rows={min_rows} are needed."
            findings.append(
                Finding(
                    metric,
                    None,
                    detail,
                    threshold=bound,
                    rows=int(counts[code]),
                    slice=name,
                    about=_about(metric, bound, name),
                )
            )
        else:
            findings.append(_judged(metric, measure, bound, holdout.where(codes == code), name))
    return [_outcome(metric, bound, by, findings, len(holdout)), *findings]


def _judged(metric: str, measure: str, bound: float, part: Part, name: str) -> Finding:
    measured = part.interval(measure)
    where = f"{counted(len(part), 'row')} of the holdout{f' with {name}' if name else ''}"
    about = _about(metric, bound, name)
    if measured.value is None:
        # A segment that cannot be measured counts as too small; a holdout that cannot be measured is no evidence.
        detail = f"{metric} is undefined on the {where}: {UNDEFINED[metric]}."
        return Finding(
            metric,
            None if name else False,
            f"Not judged: {detail}" if name else f"{detail} The gate fails.",
            threshold=bound,
            rows=len(part),
            slice=name,
            about=about,
        )
    passed = measured.value >= bound if higher_is_better(metric) else measured.value <= bound
    shown = f" (95 % interval {measured.low:.4g} to {measured.high:.4g})" if measured.low is not None else ""
    detail = (
        f"{metric} is {measured.value:.4g}{shown} on the {where}; {_required(metric, bound)}: "
        f"{'it' if name else 'the gate'} {'passes' if passed else 'fails'}."
    )
    return Finding(metric, passed, detail, measured.value, bound, measured.low, measured.high, len(part), name, about)


def _about(metric: str, bound: float, name: str) -> str:
    return f"{metric} at {'least' if higher_is_better(metric) else 'most'} {bound:g} for {name}" if name else ""


def _required(metric: str, bound: float) -> str:
    return f"at least {bound:g} is required" if higher_is_better(metric) else f"at most {bound:g} is allowed"


def _outcome(metric: str, bound: float, by: str, slices: list[Finding], rows: int) -> Finding:
    """The gate over all its segments: the worst of those judged; not judged when none could be."""
    judged = [f for f in slices if f.value is not None]
    failed = [f.slice for f in judged if not f.passed]
    unjudged = len(slices) - len(judged)
    judgements = f"{counted(len(judged), 'segment')} of {by} judged, {unjudged} not judged"
    if not judged:
        return Finding(
            metric, None, f"Not judged: no segment of {by} has enough rows ({judgements}).", threshold=bound, rows=rows
        )
    worst = (min if higher_is_better(metric) else max)(judged, key=lambda f: f.value if f.value is not None else 0.0)
    follows = f"the gate fails for {', '.join(failed)}" if failed else "the gate passes"
    detail = (
        f"{judgements}, on {counted(rows, 'row')} of the holdout; the worst is {worst.slice} with {metric} "
        f"{worst.value:.4g}. For each, {_required(metric, bound)}: {follows}."
    )
    return Finding(metric, not failed, detail, worst.value, bound, worst.low, worst.high, rows)


def _levels(column: pl.Series) -> tuple["np.ndarray[tuple[int], np.dtype[np.int64]]", list[str]]:
    """A code for each row, and what the codes mean, in order; null is a category of its own."""
    text = column.cast(pl.String).fill_null("null")
    levels = text.unique().sort()
    codes = text.replace_strict(levels, np.arange(len(levels)), return_dtype=pl.Int64)
    return codes.to_numpy(), levels.to_list()


AT_LEAST = Evaluator(AtLeast, _measure)
AT_MOST = Evaluator(AtMost, _measure)
