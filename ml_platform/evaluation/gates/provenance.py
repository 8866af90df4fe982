"""Whether an input or a clock is made of what the label is made of (S41)."""

from collections.abc import Iterator

import polars as pl

from ml_platform.evaluation.candidate import Candidate, ColumnOrigins, Evidence, Finding
from ml_platform.evaluation.gates.evaluator import Evaluator, no_evidence
from ml_platform.naming import counted
from ml_platform.spec.leak_gates import Provenance

METRIC = "columns"
ASSUMED = 0.5  # the share of examples from which on a lookup is said to be assumed
_TOGETHER = (0.9, 0.5)  # of the input's nulls those with a null outcome, and of the outcome's those with a null input
_FEW_NULLS = 20  # fewer tell nothing


def _measure(gate: Provenance, candidate: Candidate) -> list[Finding]:
    """The outcome, then every suspicious column: failed, acknowledged, or said as a warning."""
    if candidate.provenance is None:
        return no_evidence(METRIC, "The raw rows were not read")
    origins = candidate.provenance()
    rows = origins.movements.sample.height
    if not rows:
        return [Finding(METRIC, None, "Not judged: there are no raw rows that `clean` takes.", threshold=0.0)]
    made_of, looks_like = dict(_made_of_outcomes(origins)), dict(_warnings(origins))
    findings = []
    for name, sentence in {**looks_like, **made_of}.items():
        reason, blocks = gate.acknowledged.get(name), name in made_of
        detail = f"Acknowledged: {reason} ({sentence})" if reason else f"{'' if blocks else 'Warning: '}{sentence}"
        about = f"{name} is known at the prediction"
        findings.append(Finding(METRIC, bool(reason) or not blocks, detail, rows=rows, slice=name, about=about))
    failed = [f.slice for f in findings if not f.passed]
    passed = [f"{f.detail}" for f in findings if f.passed]
    if failed:
        detail = (
            f"In {counted(rows, 'raw row')}: {' '.join(made_of[name] for name in failed)} None may: the gate fails. "
            f"{_remedy(failed)}"
        )
    else:
        detail = f"No input or clock moves with the outcome in {counted(rows, 'raw row')}: the gate passes."
    if origins.movements.unjudged:
        passed.append(f"Not judged, because clean refuses other values: {', '.join(origins.movements.unjudged)}.")
    return [Finding(METRIC, not failed, " ".join([detail, *passed]), float(len(failed)), 0.0, rows=rows), *findings]


def _remedy(names: list[str]) -> str:
    return (
        f"Remove {'them' if len(names) > 1 else 'it'}, or declare "
        f"Provenance(acknowledged={{{names[0]!r}: 'why it is known at the prediction'}})."
    )


def _made_of_outcomes(origins: ColumnOrigins) -> Iterator[tuple[str, str]]:
    """Column → why it gives the answer away.

    What moves the prediction time or the key is known at the prediction, even if the label is made of it too: a
    duration is made of its start. Unless nothing else moves the label: then the prediction time is made of the answer.
    """
    moves = origins.movements.of
    label = moves(*origins.outcomes)
    before = (*origins.keys, *((origins.at,) if origins.at else ()))
    answer = label - moves(*before)
    if label and not answer:
        answer = label
        for name in dict.fromkeys(before):
            if moves(name) & answer:
                yield name, _moves_with(name, moves(name) & answer)
    for name in origins.inputs:
        if name not in before and moves(name) & answer:
            yield name, _moves_with(name, moves(name) & answer)
    if origins.known_at is not None and origins.known_at not in before:
        clock = moves(origins.known_at)
        if not clock & answer and clock <= moves(*before, *origins.inputs):
            of = f"made of {', '.join(sorted(clock))}, which are known at the prediction" if clock else "a constant"
            yield origins.known_at, f"{origins.known_at} is declared as known_at, and it is {of}: no outcome moves it."


def _moves_with(name: str, raw: frozenset[str]) -> str:
    return f"{name} moves with the raw column {', '.join(sorted(raw))}, which the label is made of."


def _warnings(origins: ColumnOrigins) -> Iterator[tuple[str, str]]:
    """Column or table → what looks suspicious about it, though nothing is proven."""
    sample = origins.movements.sample
    for name in origins.inputs:
        share = max((_null_together(sample, name, outcome) for outcome in origins.outcomes), default=0.0)
        if share:
            yield name, f"{name} is null where the outcome is ({share:.0%} of its nulls): is it written with it?"
    if origins.known_at is not None and origins.at is not None and origins.known_at != origins.at:
        ahead = (sample[origins.known_at] - sample[origins.at]).drop_nulls()
        if len(ahead) > 1 and ahead.n_unique() == 1:
            yield (
                origins.known_at,
                f"{origins.known_at} is always {ahead[0]} after {origins.at}: is that when the outcome is known?",
            )
    for table, share in origins.assumed.items():
        if share > ASSUMED:
            yield (
                table,
                f"{share:.0%} of the examples are older than the first file of {table}, whose rows are assumed for "
                "them: they may hold what was known only later.",
            )


def _null_together(sample: pl.DataFrame, name: str, outcome: str) -> float:
    """Of the outcome's nulls the share with a null input; 0 unless nearly all of the input's nulls are among them."""
    if name == outcome:
        return 0.0
    mine, theirs = sample[name].is_null(), sample[outcome].is_null()
    both, of_mine, of_theirs = (int(mask.sum()) for mask in (mine & theirs, mine, theirs))
    if min(of_mine, of_theirs) < _FEW_NULLS or of_theirs == sample.height:
        return 0.0
    least_mine, least_theirs = _TOGETHER
    return both / of_theirs if both / of_mine >= least_mine and both / of_theirs >= least_theirs else 0.0


PROVENANCE = Evaluator(Provenance, _measure, evidence=frozenset({Evidence.PROVENANCE}))
