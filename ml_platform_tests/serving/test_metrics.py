"""One scrape gives the figures of a whole service."""

import subprocess
import sys
from pathlib import Path

import httpx

from ml_platform.serving.rest.metrics_folder import MetricsFolder
from ml_platform_tests.conftest import OpenWorld
from ml_platform_tests.serving.service import json_rows, served, until

WORKER = """
import sys
from ml_platform.serving.rest import metrics_folder
metrics_folder.use(sys.argv[1])
from ml_platform.serving.rest.metrics import Metrics
metrics = Metrics()
metrics.memory()
metrics.of_request("trips", [{"version": 1, "score": 0.25, "statuses": {}, "ages": {}}], {})
print(metrics.page().decode())
"""


def page(folder: MetricsFolder) -> tuple[str, int]:
    """What a worker that answered one request shows, and its process, which is gone."""
    command = [sys.executable, "-c", WORKER, str(folder.path)]
    environment = {"PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        text, _ = process.communicate(timeout=60)
    return text, process.pid


def test_counts_of_workers_that_ended_stay_and_their_memory_does_not() -> None:
    folder = MetricsFolder()
    try:
        _, first = page(folder)
        text, second = page(folder)
        assert 'ml_platform_predictions_total{pipeline="trips",version="1"} 2.0' in text
        assert f'pid="{first}"' in text and f'pid="{second}"' in text
        folder.keep_alive([])
        text, third = page(folder)
        assert 'ml_platform_predictions_total{pipeline="trips",version="1"} 3.0' in text
        resident = [line for line in text.splitlines() if line.startswith("ml_platform_worker_resident_bytes{")]
        assert [f'pid="{third}"' in line and float(line.split()[1]) > 1e7 for line in resident] == [True]
    finally:
        folder.close()
    assert not folder.path.exists()


def test_one_scrape_gives_the_figures_of_all_workers(open_world: OpenWorld, february: Path) -> None:
    world = open_world(february)
    (row,) = json_rows(world, 1)
    row.pop("_score")
    name, data = world.pipeline.name, world.settings.data
    world.close()
    with served(data, "ml_platform_tests.declarations.trips_monthly", "--workers", "2") as (url, _):

        def figures() -> list[str]:
            return httpx.get(f"{url}/metrics", timeout=30).text.splitlines()

        until(lambda: sum(line.startswith("ml_platform_worker_resident_bytes{") for line in figures()) == 2)
        for _ in range(12):  # each by a connection of its own, so that both workers answer
            httpx.post(f"{url}/v1/pipelines/{name}/predict", json={"rows": [row]}, timeout=30).raise_for_status()
        for _ in range(4):
            lines = figures()
            [counted] = [line for line in lines if line.startswith("ml_platform_predictions_total{")]
            assert float(counted.split()[1]) == 12
            assert any('stage="serialize"' in line for line in lines)
