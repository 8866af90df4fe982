"""The declared gates as constraints of a search: measured on a fold's validation rows in place of the holdout (S62)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
import polars as pl

from ml_platform.evaluation.candidate import Candidate, Part, Rows
from ml_platform.evaluation.gates import latency
from ml_platform.evaluation.gates.registry import evaluator_of
from ml_platform.evaluation.stored import TRAIN_ROWS
from ml_platform.models.bundle import Bundle
from ml_platform.models.predictor import Predictor
from ml_platform.spec.gates import Gate, Latency, OverfitGap
from ml_platform.spec.searching_gates import constraining
from ml_platform.tuning.fold_fits import FoldedData

_SLOW = 1.0  # violation of a latency that is beyond doubt: how slow is a matter of the machine


@dataclass(frozen=True)
class Constraint:
    """What came of one gate on one trial.

    violation: above 0 where the gate is missed, and by how much of its bound; 0 where it is not judged.
    detail:    in the gate's own words.
    """

    gate: str
    value: float | None
    violation: float
    detail: str


def constraints(data: FoldedData, fold: str, bundle: Bundle, scores: npt.NDArray[Any]) -> list[Constraint]:
    """Every blocking floor, ceiling, gap, size and latency of the pipeline, measured on that fold."""
    gates = constraining(data.pipeline)
    if not gates:
        return []
    candidate = _candidate(data, fold, bundle, scores, train=any(isinstance(gate, OverfitGap) for gate in gates))
    return [_constraint(gate, candidate) for gate in gates]


def violation_of(measured: Sequence[Mapping[str, Any]]) -> float:
    """The sum of what is missed, 0 for a trial that misses nothing."""
    return sum(max(0.0, float(one["violation"])) for one in measured)


def _constraint(gate: Gate, candidate: Candidate) -> Constraint:
    if isinstance(gate, Latency):
        return _latency(gate, candidate)
    finding = evaluator_of(gate).measure(gate, candidate)[0]
    detail = finding.detail.replace("the holdout", "the fold")
    if finding.passed is None or finding.value is None or finding.threshold is None:
        return Constraint(gate.phrase, finding.value, 0.0, detail)
    missed_by = abs(finding.value - finding.threshold) / (abs(finding.threshold) or 1.0)
    return Constraint(gate.phrase, finding.value, -missed_by if finding.passed else max(missed_by, 1e-9), detail)


def _latency(gate: Latency, candidate: Candidate) -> Constraint:
    """Missed only where no other work on the machine explains the time (S40); otherwise it is ignored, and said so."""
    least = latency.least_p99(candidate, gate.p99_ms)
    if least is None:
        return Constraint(gate.phrase, None, 0.0, "Not judged: the fold has no rows to score.")
    measured = f"The p99 of a single row is {least:.3g} ms of CPU time; {gate.p99_ms:g} ms are allowed"
    if least <= gate.p99_ms:
        return Constraint(gate.phrase, least, 0.0, f"{measured}.")
    if least > latency.INFLATED * gate.p99_ms:
        return Constraint(gate.phrase, least, _SLOW, f"{measured}: it is missed beyond doubt.")
    return Constraint(gate.phrase, least, 0.0, f"{measured}. Ignored: a busy machine could explain it.")


def _candidate(data: FoldedData, fold: str, bundle: Bundle, scores: npt.NDArray[Any], *, train: bool) -> Candidate:
    predictor = Predictor(bundle, threads=data.threads)
    stored = pl.scan_parquet(data.file)

    def rows(part: str, step: int = 1) -> Rows:
        frame = stored.filter(pl.col(fold) == part).gather_every(step).collect(engine="streaming")
        return Rows(frame.drop("_label"), frame["_label"], predictor.classes)

    judged = rows("validation")
    learnt = stored.filter(pl.col(fold) == "train").select(pl.len()).collect().item() if train else 0
    return Candidate(
        pipeline=data.pipeline.name,
        version=0,
        task=data.pipeline.task,
        columns=predictor.columns,
        predictor=predictor,
        holdout=Part(judged.frame, judged.labels, judged.classes, scores),
        snapshot="",
        bundle_bytes=bundle.size,
        cut_off=None,
        holdout_start=None,
        split="",
        train=rows("train", max(1, -(-learnt // TRAIN_ROWS))) if train else None,
    )
