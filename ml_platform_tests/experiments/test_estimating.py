"""Estimates from a lake: of what a champion scored, beside what was realised, with no effect (S48)."""

from ml_platform.experiments.estimating import estimates, reconciled
from ml_platform_tests.experiments.conftest import Bench


def test_every_window_of_a_champion_is_estimated_or_says_why_and_realised_as_the_performance_table_has_it(
    bench: Bench,
) -> None:
    ws, pipeline = bench.ws, bench.base
    stored = ws.lake.rows(
        f"SELECT _partition, version, value FROM {pipeline.name}.performance "
        "WHERE metric = ? AND sliced_by = '' AND role = 'champion' ORDER BY ALL",
        [pipeline.headline],
    )
    rows = estimates(ws, pipeline, pipeline.headline)
    assert rows and [(row["partition"], row["version"], row["realised"]) for row in rows] == stored
    for row in rows:
        assert (row["estimate"] is None) == (row["not_estimable"] is not None) == (row["why"] is not None)
    assert reconciled(rows)["windows"] == sum(row["error"] is not None for row in rows)


def test_days_are_windows_that_cover_the_partition(bench: Bench) -> None:
    whole = estimates(bench.ws, bench.base, "brier")
    days = estimates(bench.ws, bench.base, "brier", "day")
    assert sum(row["rows"] for row in days) == sum(row["rows"] for row in whole)
    assert [row["start"] for row in days] == sorted(row["start"] for row in days)
