"""What a tick costs when a pipeline has decided a thousand times.

    python -m bench.ticks [--decisions 1000] [--data FOLDER --pipeline NAME] [--json PATH]

Without --data the small trips of the tests are run for four months. The decisions are then taken again and
again, one commit each, so that lake and ledger look as after years without upkeep. --data measures on a
copy of yours (the folder is copied first). Every tick is a fresh look by one process, as Dagster's are:
`quiet` finds nothing changed since the last, `whole` plans everything, `due` finds a new file or training.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any


def grow(data: Path, name: str, count: int) -> int:
    """Take decisions anew until there are `count`; how many there are."""
    from ml_platform.lake.transaction import Author
    from ml_platform.orchestration.workspaces import workspace_for
    from ml_platform.settings import Settings
    from ml_platform.state import decisions, ledger

    state = workspace_for(Settings(data=data)).state
    asset = f"{name}/decision"
    records = list(ledger.latest(state, asset).values())
    newest, existing = decisions.current(state, name), len(decisions.history(state, name))
    fields = ("decided_at", "outcome", "reason", "policy", "evidence", "run_id")
    with state.writing():
        for turn in range(max(0, count - existing)):
            record = records[turn % len(records)]
            entry = newest[record.partition]
            decisions.append(state, name, record.partition, **{field: getattr(entry, field) for field in fields})
            author = Author(asset, record.partition, record.content_key, record.run_id)
            ledger.record(state, author, rows=1, result=record.result)
    return len(decisions.history(state, name))


def timed(job: str, name: str, cursors: list[str | None], rounds: int) -> dict[str, Any]:
    """Median and worst of the seconds that a tick of `job` takes, its CPU seconds, and what it said."""
    import dagster as dg

    from ml_platform.discovery import find
    from ml_platform.orchestration import quiet
    from ml_platform.orchestration.ticking import answered

    pipeline, seconds, busy, said = find(name), [], [], ""
    quiet.SETTLED = 0.0  # ticks follow each other at once here
    for _ in range(rounds):
        began, working = time.perf_counter(), time.process_time()
        with ExitStack() as opened:

            def opened_instance() -> dg.DagsterInstance:
                return opened.enter_context(dg.DagsterInstance.get())

            tick = answered(opened_instance, pipeline, job, f"{name}_{job}", cursors[0], print)  # type: ignore[arg-type]  # data or train
        seconds.append(time.perf_counter() - began)
        busy.append(time.process_time() - working)
        said = tick.reason or "a run is asked for"
    cursors[0] = tick.cursor
    middle, cpu = statistics.median(seconds), statistics.median(busy)
    return {"median": round(middle, 3), "worst": round(max(seconds), 3), "cpu": round(cpu, 3), "said": said}


def trips(folder: Path) -> None:
    from ml_platform_tests.declarations import trips_monthly
    from ml_platform_tests.world import world

    with closing(world(folder, trips_monthly.trip_delay)) as trips_world:
        trips_world.land_trips("2024-01", "2024-02", "2024-03", "2024-04")
        trips_world.run()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--decisions", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--pipeline", default="trip_delay")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        data, home = Path(scratch) / "data", Path(scratch) / "home"
        home.mkdir()
        (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
        os.environ |= {"ML_PLATFORM_DATA": str(data), "DAGSTER_HOME": str(home)}
        if options.data is None:
            os.environ["ML_PLATFORM_PIPELINES"] = '["ml_platform_tests.declarations.trips_monthly"]'
            trips(data)
        else:
            shutil.copytree(options.data, data)
        print("ready", file=sys.stderr)
        there = grow(data, options.pipeline, options.decisions)
        report: dict[str, Any] = {"decisions": there}
        for job in ("data", "train"):
            cursors: list[str | None] = [None]
            report[f"{job}, whole"] = timed(job, options.pipeline, cursors, options.rounds)
            report[f"{job}, quiet"] = timed(job, options.pipeline, cursors, options.rounds)
        if options.data is None:
            from ml_platform_tests.declarations import trips_monthly
            from ml_platform_tests.world import world

            with closing(world(data, trips_monthly.trip_delay)) as trips_world:
                trips_world.land_trips("2024-05")
            report["data, due"] = timed("data", options.pipeline, [None], options.rounds)
    print(json.dumps(report, indent=2))
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
