"""What Dagster's event log costs a run, with connections that stay open and with Dagster's own storage.

    python -m bench.event_log [--months 5] [--rounds 3] [--json PATH]

The trips of the tests run twice, month by month and alternating: on an instance with the project's storage and on one
with Dagster's default, each with a lake of its own. `made` runs do all the work of a month; `unchanged` runs find every
output there, so the log is most of what they do. CPU seconds are of this process; a ratio is Dagster's own over ours.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import yaml

MODULE = "ml_platform_tests.declarations.trips_on_request"
CONFIG = Path(__file__).parents[1] / ".dagster" / "dagster.yaml"
STORAGES = ("ours", "dagster")
JOBS = ("data", "train")
Cost = tuple[float, float]  # wall seconds, CPU seconds


def prepared(folder: Path, storage: str, months: list[str]) -> None:
    """A lake where the files have landed and nothing ran, and a Dagster home with that storage."""
    from ml_platform_tests.declarations import trips_on_request
    from ml_platform_tests.world import world

    settings: dict[str, Any] = {"telemetry": {"enabled": False}}
    if storage == "ours":
        settings["event_log_storage"] = yaml.safe_load(CONFIG.read_text())["event_log_storage"]
    (folder / "home").mkdir(parents=True)
    (folder / "home" / "dagster.yaml").write_text(yaml.safe_dump(settings))
    with closing(world(folder / "data", trips_on_request.trip_delay)) as town:
        town.land_trips(*months)


def run(folder: Path, job: str, month: str) -> tuple[Cost, int]:
    """Run a job of one month in that folder: what it cost, and how many events it wrote."""
    import dagster as dg

    from ml_platform.discovery import find
    from ml_platform.orchestration.runner import Runner
    from ml_platform.settings import Settings

    os.environ |= {"ML_PLATFORM_DATA": str(folder / "data"), "DAGSTER_HOME": str(folder / "home")}
    settings = Settings()
    runner = Runner(find("trip_delay", settings), settings, lambda asset, partition: None)
    began, working = time.perf_counter(), time.process_time()
    run_id = runner.run(job, month).run_id
    cost = (time.perf_counter() - began, time.process_time() - working)
    with dg.DagsterInstance.get() as instance:
        return cost, len(instance.all_logs(run_id))


def turns(months: list[str], rounds: int) -> Iterator[tuple[str, str, str, str]]:
    """Kind of run, job, month and storage, in order. Which storage goes first alternates."""
    number = 0
    for kind in ["made"] + ["unchanged"] * rounds:
        for month in months:
            for job in JOBS:
                for storage in STORAGES if number % 2 else STORAGES[::-1]:
                    yield kind, job, month, storage
                number += 1


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--months", type=int, default=5, choices=range(1, 6))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    months = [f"2024-{number:02}" for number in range(1, options.months + 1)]
    costs: dict[tuple[str, str, str], list[Cost]] = defaultdict(list)
    events: dict[tuple[str, str], int] = {}
    with tempfile.TemporaryDirectory() as scratch:
        os.environ |= {"ML_PLATFORM_PIPELINES": f'["{MODULE}"]', "ML_PLATFORM_THREADS": "1"}
        for storage in STORAGES:
            prepared(Path(scratch) / storage, storage, months)
        print("ready", file=sys.stderr)
        for kind, job, month, storage in turns(months, options.rounds):
            cost, count = run(Path(scratch) / storage, job, month)
            costs[kind, job, storage].append(cost)
            events[kind, job] = count
            print(kind, job, month, storage, *(f"{each:.2f}" for each in cost), count, file=sys.stderr)
    report: dict[str, Any] = {}
    for (kind, job), count in events.items():
        middle = {
            storage: [round(statistics.median(one), 3) for one in zip(*costs[kind, job, storage], strict=True)]
            for storage in STORAGES
        }
        wall, cpu = (round(theirs / ours, 2) for ours, theirs in zip(middle["ours"], middle["dagster"], strict=True))
        report[f"{kind} {job}"] = {"events": count, **middle, "wall ratio": wall, "CPU ratio": cpu}
    sums = {
        storage: [sum(each) for each in zip(*(c for k, v in costs.items() if k[2] == storage for c in v), strict=True)]
        for storage in STORAGES
    }
    report["all"] = {
        name: round(theirs / ours, 2)
        for name, ours, theirs in zip(("wall ratio", "CPU ratio"), sums["ours"], sums["dagster"], strict=True)
    }
    print(json.dumps(report, indent=2))
    if options.json:
        options.json.write_text(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
