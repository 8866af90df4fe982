"""Verdicts are measured once for a version, a gate and a slice (S23)."""

from dataclasses import replace

from sqlalchemy import func, select

from ml_platform.state import schema, verdicts
from ml_platform.state.database import State
from ml_platform_tests.state.registry_rows import FLOOR, RUN, SIZE, register_versions, verdict


def test_what_is_recorded_comes_back_in_order_with_run_and_time(state: State) -> None:
    register_versions(state, 2)
    given = [verdict(FLOOR, 1, slice=name) for name in ("", "origin=JFK", "origin=EWR")] + [verdict(SIZE, 1, None)]
    stored = verdicts.record(state, given, RUN)
    assert verdicts.of(state, "delays", 1) == stored
    assert [replace(v, run_id="", recorded_at=None) for v in stored] == given
    assert {v.run_id for v in stored} == {"run-1"} and all(v.recorded_at for v in stored)


def test_a_second_measurement_changes_nothing_and_gives_the_first(state: State) -> None:
    register_versions(state, 2)
    first = verdicts.record(state, [verdict(SIZE, 1, value=1.0)], RUN)
    assert verdicts.record(state, [verdict(SIZE, 1, passed=False, value=99.0)], RUN) == first
    assert state.value(select(func.count()).select_from(schema.verdicts)) == 1


def test_slices_versions_and_gates_are_measured_apart(state: State) -> None:
    register_versions(state, 2)
    verdicts.record(state, [verdict(FLOOR, 1)], RUN)
    verdicts.record(state, [verdict(FLOOR, 1, False, slice="origin=JFK"), verdict(FLOOR, 2), verdict(SIZE, 1)], RUN)
    assert [(v.gate_key, v.slice) for v in verdicts.of(state, "delays", 1)] == [
        (FLOOR.key, ""),
        (FLOOR.key, "origin=JFK"),
        (SIZE.key, ""),
    ]
    assert len(verdicts.of(state, "delays", 2)) == 1


def test_a_gate_that_broke_is_measured_again_and_both_rows_stay(state: State) -> None:
    register_versions(state, 2)
    verdicts.record(state, [verdict(SIZE, 1, False, value=None, measured=False, detail="disk full")], RUN)
    verdicts.record(state, [verdict(SIZE, 1, True)], RUN)
    found = verdicts.of(state, "delays", 1)
    assert [(v.passed, v.measured) for v in found] == [(True, True)]
    assert state.value(select(func.count()).select_from(schema.verdicts)) == 2


def test_no_verdicts_is_an_empty_list(state: State) -> None:
    assert verdicts.of(state, "delays", 1) == []
    assert verdicts.record(state, [], RUN) == []


def test_gates_that_could_not_judge_count_as_passed_and_segments_are_not_counted(state: State) -> None:
    register_versions(state, 2)
    verdicts.record(state, [verdict(FLOOR, 1, None), verdict(FLOOR, 1, False, slice="origin=JFK")], RUN)
    assert verdicts.gate_count(verdicts.of(state, "delays", 1)) == (1, 1)
    verdicts.record(state, [verdict(SIZE, 1, False)], RUN)
    assert verdicts.gate_count(verdicts.of(state, "delays", 1)) == (1, 2)
    assert verdicts.gate_count(verdicts.of(state, "delays", 2)) == (0, 0)
