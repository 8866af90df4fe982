"""Verdicts are measured once for a version, a gate and a slice (S23)."""

from dataclasses import replace

from ml_platform.lake.connection import Lake
from ml_platform.state import verdicts
from ml_platform_tests.state.registry_rows import AUTHOR, FLOOR, SIZE, verdict


def test_what_is_recorded_comes_back_in_order_with_run_and_time(lake: Lake) -> None:
    given = [verdict(FLOOR, 1, slice=name) for name in ("", "origin=JFK", "origin=EWR")] + [verdict(SIZE, 1, None)]
    stored = verdicts.record(state, AUTHOR, given)
    assert verdicts.of(state, "delays", 1) == stored
    assert [replace(v, run_id="", recorded_at=None) for v in stored] == given
    assert {v.run_id for v in stored} == {"run-1"} and all(v.recorded_at for v in stored)


def test_a_second_measurement_changes_nothing_and_gives_the_first(lake: Lake) -> None:
    first = verdicts.record(state, AUTHOR, [verdict(SIZE, 1, value=1.0)])
    assert verdicts.record(state, AUTHOR, [verdict(SIZE, 1, passed=False, value=99.0)]) == first
    assert lake.value("SELECT count(*) FROM registry.verdicts") == 1


def test_slices_versions_and_gates_are_measured_apart(lake: Lake) -> None:
    verdicts.record(state, AUTHOR, [verdict(FLOOR, 1)])
    verdicts.record(state, AUTHOR, [verdict(FLOOR, 1, False, slice="origin=JFK"), verdict(FLOOR, 2), verdict(SIZE, 1)])
    assert [(v.gate_key, v.slice) for v in verdicts.of(state, "delays", 1)] == [
        (FLOOR.key, ""),
        (FLOOR.key, "origin=JFK"),
        (SIZE.key, ""),
    ]
    assert len(verdicts.of(state, "delays", 2)) == 1


def test_a_gate_that_broke_is_measured_again_and_both_rows_stay(lake: Lake) -> None:
    verdicts.record(state, AUTHOR, [verdict(SIZE, 1, False, value=None, measured=False, detail="disk full")])
    verdicts.record(state, AUTHOR, [verdict(SIZE, 1, True)])
    found = verdicts.of(state, "delays", 1)
    assert [(v.passed, v.measured) for v in found] == [(True, True)]
    assert lake.value("SELECT count(*) FROM registry.verdicts") == 2


def test_no_verdicts_is_an_empty_list(lake: Lake) -> None:
    assert verdicts.of(state, "delays", 1) == []
    assert verdicts.record(state, AUTHOR, []) == []
