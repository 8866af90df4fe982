"""Which evaluator measures which gate."""

from collections.abc import Iterable
from typing import Any

from ml_platform.evaluation.candidate import Evidence
from ml_platform.evaluation.gates import (
    beats_baseline,
    bounds,
    latency,
    leakage,
    no_worse_than_baseline,
    no_worse_than_champion,
    overfit_gap,
    parity,
    provenance,
    reproduction,
    size,
)
from ml_platform.evaluation.gates.evaluator import Evaluator, Turn
from ml_platform.spec.gates import Gate

_EVALUATORS: tuple[Evaluator[Any], ...] = (
    beats_baseline.BEATS_BASELINE,
    bounds.AT_LEAST,
    bounds.AT_MOST,
    latency.LATENCY,
    leakage.LEAKAGE,
    no_worse_than_baseline.NO_WORSE_THAN_BASELINE,
    no_worse_than_champion.NO_WORSE_THAN_CHAMPION,
    overfit_gap.OVERFIT_GAP,
    parity.PARITY,
    provenance.PROVENANCE,
    reproduction.REPRODUCTION,
    size.SIZE,
)
_BY_GATE: dict[type, Evaluator[Any]] = {evaluator.gate: evaluator for evaluator in _EVALUATORS}


def evaluator_of(gate: Gate) -> Evaluator[Any]:
    """The evaluator of a declared gate."""
    return _BY_GATE[type(gate)]


def turn_of(gate: Gate) -> Turn:
    """When the gate is measured."""
    return evaluator_of(gate).turn


def evidence_for(gates: Iterable[Gate]) -> frozenset[Evidence]:
    """All that the gates read of a candidate besides its holdout."""
    return frozenset[Evidence]().union(*(evaluator_of(gate).evidence for gate in gates))
