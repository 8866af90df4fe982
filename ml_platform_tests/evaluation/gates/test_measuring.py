"""A gate is measured once for a version, and one that breaks is a failed verdict (S23)."""

import errno
from dataclasses import replace
from typing import Any

import duckdb

from ml_platform.errors import ProcessKilled
from ml_platform.evaluation.candidate import Candidate, Evidence
from ml_platform.evaluation.gates.measuring import evaluate, measure_again
from ml_platform.evaluation.gates.registry import evidence_for, turn_of
from ml_platform.spec.gates import (
    AtLeast,
    Latency,
    Leakage,
    NoWorseThanChampion,
    OverfitGap,
    Parity,
    Reproduction,
    Size,
)
from ml_platform.state import verdicts, versions
from ml_platform.state.database import State
from ml_platform_tests.evaluation.candidates import Outcome, candidate, outcome
from ml_platform_tests.state.registry_rows import training


def registered(state: State, **changes: Any) -> Candidate:
    """A candidate whose version is on record."""
    version = versions.register(state, training())
    return candidate(version=version.version, **changes)


def test_a_verdict_says_what_was_measured_of_whom_on_what() -> None:
    gate = AtLeast("roc_auc", 0.68)
    verdict = outcome(gate)
    assert (verdict.pipeline, verdict.version, verdict.snapshot, verdict.rows) == ("delays", 4, "5e7", 3000)
    assert (verdict.gate, verdict.gate_key, verdict.metric) == ("roc_auc at least 0.68", gate.key, "roc_auc")
    assert verdict.gate_key != AtLeast("roc_auc", 0.69).key
    assert "95 % interval" in verdict.detail and "at least 0.68 is required" in verdict.detail


def test_a_gate_that_breaks_is_a_failed_verdict_with_the_reason() -> None:
    verdict = outcome(AtLeast("roc_auc", 0.5, by="gate"))
    assert (verdict.passed, verdict.measured) == (False, False)
    assert "ColumnNotFoundError" in verdict.detail and "gate" in verdict.detail


def test_a_gate_is_measured_once_for_a_version_and_others_are_judged_though_one_breaks(state: State) -> None:
    calls = []

    def parity(examples: int) -> Outcome:
        calls.append(examples)
        if len(calls) == 1:
            raise OSError("disk full")
        return Outcome(compared=examples)

    gates = [Parity(), Latency(p99_ms=50), AtLeast("roc_auc", 0.6, by="origin")]
    judged = registered(state, parity=parity)
    first = evaluate(state, "r1", gates, judged)
    assert [v.passed for v in first] == [False, True, True, True, True, True]
    assert [v.slice for v in first] == ["", "", "", "origin=EWR", "origin=JFK", "origin=LGA"]
    assert "disk full" in first[0].detail
    second = evaluate(state, "r1", gates, judged)  # what broke is judged again, the rest is as it was
    assert {v.gate_key: v.passed for v in second if v.slice == ""} == {g.key: True for g in gates}
    assert {v for v in first if v.measured} < set(second)
    assert evaluate(state, "r1", gates, judged) == second and len(calls) == 2


def test_another_definition_of_the_gate_is_measured_anew(state: State) -> None:
    judged = registered(state)
    assert [v.passed for v in evaluate(state, "r1", [AtLeast("roc_auc", 0.7)], judged)] == [True]
    assert [v.passed for v in evaluate(state, "r1", [AtLeast("roc_auc", 0.99)], judged)] == [False]


def test_only_the_evidence_that_some_gate_wants_is_asked_for() -> None:
    assert evidence_for([AtLeast("roc_auc", 0.6), Size(mb=5), Latency(p99_ms=5)]) == set()
    assert evidence_for([OverfitGap("roc_auc", at_most=0.1), Leakage()]) == {Evidence.TRAIN}
    wanted = evidence_for([NoWorseThanChampion("roc_auc"), Parity(), Reproduction()])
    assert wanted == {Evidence.CHAMPION, Evidence.REPLAY, Evidence.REPRODUCTION}


def test_every_kind_of_evidence_is_a_field_of_the_candidate() -> None:
    assert all(hasattr(candidate(), evidence) for evidence in Evidence)


def test_training_again_is_waited_for_after_the_cheap_gates_and_time_is_measured_last() -> None:
    gates = [Latency(p99_ms=5), Reproduction(), AtLeast("roc_auc", 0.6), Parity()]
    assert [gate.short_name for gate in sorted(gates, key=turn_of)] == [
        "roc_auc_at_least_0_6",
        "parity",
        "reproduction",
        "latency",
    ]


def test_without_the_training_part_the_gates_that_look_at_it_have_no_evidence() -> None:
    for gate in (OverfitGap("roc_auc", at_most=0.1), Leakage()):
        verdict = outcome(gate, train=None)
        assert (verdict.passed, verdict.measured) == (False, False) and "no evidence" in verdict.detail


def test_what_the_machine_stopped_is_not_judged_and_measured_again(state: State) -> None:
    faults: list[Exception] = [
        MemoryError(),
        OSError(errno.ENOSPC, "No space left on device"),
        ProcessKilled("The fresh process was ended by SIGKILL."),
        duckdb.IOException(
            "IO Error: Failed to execute query: FATAL: terminating connection due to administrator command"
        ),
    ]

    def reproduce() -> Outcome:
        if faults:
            raise faults.pop()
        return Outcome(identical=True)

    judged = registered(state, reproduce=reproduce)
    for _ in range(4):
        (verdict,) = evaluate(state, "r1", [Reproduction()], judged)
        assert verdict.waits and verdict.detail.startswith("Not judged: the machine stopped it")
    (verdict,) = evaluate(state, "r1", [Reproduction()], judged)
    assert (verdict.passed, verdict.measurement) == (True, 5)


def test_a_bug_of_a_gate_that_quotes_a_lost_connection_is_a_failed_verdict_and_does_not_wait(state: State) -> None:
    def reproduce() -> Outcome:
        raise ValueError("not a number: 'connection refused'")

    (verdict,) = evaluate(state, "r1", [Reproduction()], registered(state, reproduce=reproduce))
    assert (verdict.passed, verdict.waits) == (False, False)
    assert verdict.detail.startswith("The gate raised an error, which counts as failed: ValueError")


def test_a_gate_that_is_measured_anew_counts_by_its_newest_verdict(state: State) -> None:
    gate, judged = Size(mb=1), registered(state, bundle_bytes=1_500_000)
    assert [v.passed for v in evaluate(state, "r1", [gate], judged)] == [False]
    smaller = replace(judged, bundle_bytes=900_000)
    assert [v.passed for v in evaluate(state, "r1", [gate], smaller)] == [False], "it was measured"
    again = measure_again(state, "asked by ada", [gate], smaller)
    assert [(v.passed, v.measurement, v.run_id) for v in again] == [(True, 2, "asked by ada")]
    assert evaluate(state, "r1", [gate], judged) == again
    assert [v.passed for v in verdicts.history(state, "delays", 1)] == [False, True]


def test_a_gate_that_only_warns_is_recorded_as_a_warning_and_again_when_that_changes(state: State) -> None:
    judged = registered(state)
    strict, mild = AtLeast("roc_auc", 0.99), AtLeast("roc_auc", 0.99, severity="warn")
    assert strict.key == mild.key
    (verdict,) = evaluate(state, "r1", [strict], judged)
    assert (verdict.outcome, verdict.severity) == ("failed", "block")
    (verdict,) = evaluate(state, "r1", [mild], judged)
    assert (verdict.outcome, verdict.severity, verdict.measurement) == ("warning", "warn", 1)
    (verdict,) = evaluate(state, "r1", [strict], judged)
    assert (verdict.outcome, verdict.severity) == ("failed", "block")
