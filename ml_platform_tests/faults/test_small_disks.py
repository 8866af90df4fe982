"""A disk that fills at any moment of a lake's life: one line says so, and with room the same command goes on.

What a single full disk does to a new lake and to `maintain` is in `ml_platform_tests/lake/test_new_catalog.py`.
"""

import json
from contextlib import closing
from pathlib import Path

import pytest

from ml_platform_tests.declarations import trips_and_churn
from ml_platform_tests.small_disks import in_own_namespace
from ml_platform_tests.world import world

SIZES = [round(100 * 1.2**step) for step in range(20)]  # kilobytes; the last holds the whole life

HOME_SIZES = [40, 150, 400, 800, 1500, 20_000]


@pytest.mark.slow
def test_lives_on_twenty_small_disks_end_like_one_with_room(tmp_path: Path) -> None:
    told = in_own_namespace("ml_platform_tests.faults.small_disk_life", str(tmp_path), json.dumps(SIZES), timeout=3600)
    lives = [json.loads(line) for line in told.splitlines() if line.startswith("{")]
    assert [life["size"] for life in lives] == SIZES
    assert {life["failed"] for life in lives} >= {"open_lake", "land", "run_first", ""}, lives


@pytest.mark.slow
def test_a_run_whose_dagster_home_fills_says_so_in_one_line_and_goes_on_with_room(tmp_path: Path) -> None:
    with closing(world(tmp_path / "landed", trips_and_churn.trip_delay)) as landing:
        landing.land_trips("2024-01", "2024-02")
    told = in_own_namespace(
        "ml_platform_tests.faults.small_home_runs", str(tmp_path), json.dumps(HOME_SIZES), timeout=1800
    )
    runs = [json.loads(line) for line in told.splitlines() if line.startswith("{")]
    assert [run["refused"] for run in runs] == [True] * (len(HOME_SIZES) - 1) + [False]
