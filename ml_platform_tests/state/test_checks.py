"""Results of checks: rows are only added, and the newest of a table, partition and check counts (S37)."""

from dataclasses import replace

from sqlalchemy import func, select

from ml_platform.state import checks
from ml_platform.state.check_tables import checks as table
from ml_platform.state.checks import CheckRow
from ml_platform.state.database import State

FAILED = CheckRow("trips", "2024-02", "k1", "units", "error", False, 9.0, 4.0, "km spreads 9 times as wide.", "run-1")


def test_the_newest_result_counts_and_the_same_one_is_stored_once(state: State) -> None:
    for row in (FAILED, replace(FAILED, run_id="run-2")):
        checks.record(state, "trips", "2024-02", [row])
    assert [(row.name, row.run_id, row.blocks) for row in checks.failed(state)] == [("units", "run-1", True)]
    checks.record(state, "trips", "2024-02", [replace(FAILED, content_key="k2", passed=True, value=1.0)])
    assert checks.failed(state) == []
    assert [(row.content_key, row.passed) for row in checks.standing(state, "trips", ["2024-02"])] == [("k2", True)]
    assert state.value(select(func.count()).select_from(table)) == 2


def test_tables_partitions_and_checks_are_told_apart_and_a_warning_blocks_nothing(state: State) -> None:
    others = [replace(FAILED, partition="2024-01"), replace(FAILED, name="keys"), replace(FAILED, severity="warn")]
    checks.add(state, "trips", [FAILED, *others[:2]])
    checks.add(state, "rides", [replace(FAILED, table_name="rides", severity="warn")])
    found = {(row.table_name, row.partition, row.name) for row in checks.failed(state)}
    assert found == {("trips", "2024-02", "units"), ("trips", "2024-01", "units"), ("trips", "2024-02", "keys")}
    assert checks.failed_of(state, "trips") == checks.failed(state) and checks.failed_of(state, "rides") == []
    assert [row.partition for row in checks.standing(state, "trips", ["2024-01"])] == ["2024-01"]
    checks.add(state, "trips", [others[2]])
    assert ("trips", "2024-02", "units") not in {
        (row.table_name, row.partition, row.name) for row in checks.failed(state)
    }


def test_rows_that_were_written_wait_for_their_checks(state: State) -> None:
    for _ in range(2):
        checks.expect(state, "trips", "2024-02")
    assert checks.unfinished(state) == {("trips", "2024-02")}
    checks.record(state, "trips", "2024-01", [])
    assert checks.unfinished(state) == {("trips", "2024-02")}
    checks.record(state, "trips", "2024-02", [FAILED])
    assert checks.unfinished(state) == set()
