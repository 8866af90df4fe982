"""Trainings, verdicts and gates for the registry's tests."""

from typing import Any

from ml_platform.spec.gates import AtLeast, Gate, Size
from ml_platform.state import verdicts, versions
from ml_platform.state.database import State
from ml_platform.state.verdicts import Verdict

RUN = "run-1"
FLOOR, SIZE = AtLeast("roc_auc", 0.68), Size(mb=20)
GATES: tuple[Gate, ...] = (FLOOR, SIZE)


def training(content_key: str = "c1", pipeline: str = "delays", **changes: Any) -> versions.Training:
    plain: dict[str, Any] = {
        "pipeline": pipeline,
        "content_key": content_key,
        "partition": "2013-03",
        "training_set": "5e7",
        "bundle": "b0",
        "bounds": {"train": {"rows": 10}},
        "decided_at": None,
        "parameters": {"num_leaves": 31},
        "metrics": {"roc_auc": 0.74, "f1": None},
        "environment": {"cpu": "x86"},
        "code_version": "abc",
        "durations": {"fit": 1.5},
        "run_id": "run-1",
    }
    return versions.Training(**{**plain, **changes})


def verdict(gate: Gate, version: int, passed: bool | None = True, **changes: Any) -> Verdict:
    plain: dict[str, Any] = {
        "pipeline": "delays",
        "version": version,
        "gate": gate.phrase,
        "gate_key": gate.key,
        "metric": "m",
        "slice": "",
        "value": 0.7,
        "threshold": 0.68,
        "low": 0.69,
        "high": 0.71,
        "passed": passed,
        "rows": 100,
        "detail": "As measured.",
        "snapshot": "5e7",
    }
    return Verdict(**{**plain, **changes})


def register_versions(state: State, count: int) -> None:
    """Versions 1 to `count`, which no gate has judged."""
    for number in range(1, count + 1):
        versions.register(state, training(f"c{number}"))


def register_passing_versions(state: State, count: int = 1) -> None:
    """Versions 1 to `count`, each with both gates passed."""
    for number in range(1, count + 1):
        registered = versions.register(state, training(f"c{number}"))
        verdicts.record(state, [verdict(gate, registered.version) for gate in GATES], RUN)
