"""The door in a process of its own, and beside one that writes."""

import subprocess
import sys
from pathlib import Path
from threading import Thread

import ml_platform
from ml_platform_tests.conftest import OpenWorld

READS = """
import sys
import ml_platform
with ml_platform.open(sys.argv[1]) as platform:
    pipeline = platform["trip_delay"]
    frames = [pipeline.features("2024-02"), pipeline.predictions(), pipeline.training_set(1)]
    assert all(frame.collect().height for frame in [*frames, platform.table("raw.trips")])
    assert platform.sql("FROM state.records").height
    pipeline.performance, pipeline.drift, pipeline.versions, pipeline.decisions, pipeline.promotions, pipeline.status
    repr(platform), repr(pipeline.champion)
    platform._repr_html_(), pipeline._repr_html_()
print(*{name.partition(".")[0] for name in sys.modules})
"""

OPENS = """
import sys, time
import ml_platform
from ml_platform.notebook import opening
began = time.perf_counter()
platform = ml_platform.open(sys.argv[1])
print(time.perf_counter() - began)
"""
SECONDS = 0.5  # to open, without imports; measured 0.05 of CPU


def _printed(program: str, folder: Path) -> str:
    """What a fresh process prints."""
    done = subprocess.run([sys.executable, "-c", program, str(folder)], capture_output=True, text=True, check=True)
    return done.stdout


def test_a_lake_opens_in_less_than_half_a_second(february: Path) -> None:
    assert any(float(_printed(OPENS, february)) < SECONDS for _ in range(3))


def test_reading_loads_neither_dagster_nor_pandas_nor_a_trainer(february: Path) -> None:
    loaded = set(_printed(READS, february).split())
    assert "polars" in loaded
    assert not {"dagster", "pandas", "lightgbm", "sklearn", "evidently", "fastapi"} & loaded


def test_a_notebook_reads_while_a_run_writes(open_world: OpenWorld, february: Path) -> None:
    world = open_world(february)
    world.land_trips("2024-04")  # March is complete
    folder = world.settings.data
    world.close()

    def run_march() -> None:
        world.declare()
        world.run("2024-03")

    with ml_platform.open(folder) as platform:
        pipeline = platform["trip_delay"]
        before = pipeline.features()
        writer = Thread(target=run_march)
        writer.start()
        reads = 0
        while writer.is_alive():
            assert before.collect().height == 800  # the snapshot of the moment at which it was asked for
            rows = pipeline.predictions().collect()
            assert rows.group_by("_partition").len()["len"].to_list() in ([400], [400, 400])
            assert platform.sql("SELECT count(*) AS n FROM state.records")["n"].item() > 0
            assert pipeline.versions.height in (2, 3)
            reads += 1
        writer.join()
        assert reads > 0
        assert before.collect().height == 800
        assert pipeline.features().collect().height == 1200
        assert pipeline.summary.newest == "2024-03" and pipeline.versions.height == 3
