"""What an hourly pipeline costs: card_fraud with a Dagster run for each hour, and with many hours in one run.

    python -m bench.hours [--through 2024-05-05T13] [--rounds 1] [--json PATH]

Both begin with the same landed files, in fresh processes, alternating, on the `dagster.yaml` that users get; the
default is 94 complete hours with two trainings. Printed are CPU seconds of the process and its children, the number of
Dagster runs and peak memory, the medians of all rounds. The results of both are compared: same content keys, same rows.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.platform_tax import CONFIG, timed

WAYS = ("a run for each", "many in one")


def execute(way: str, out: Path) -> None:
    """Bring card_fraud up to date in this process; its runs and results as JSON in `out`."""
    from ml_platform.discovery import find
    from ml_platform.orchestration.runner import Runner
    from ml_platform.orchestration.workspaces import workspace_for
    from ml_platform.runtime.ranges import divided
    from ml_platform.settings import Settings
    from ml_platform.state import ledger
    from ml_platform.steps.all_steps import planner

    settings = Settings()
    pipeline, ws = find("card_fraud", settings), workspace_for(settings)
    runs = 0
    with Runner(pipeline, settings, lambda asset, partition: None) as runner:
        for works in divided(pipeline, planner(ws, pipeline).work()):
            for work in [None] if way == WAYS[1] else works:
                runner.run_all(works) if work is None else runner.run(work.job, work.partition, work.only)
                runs += 1
    made = {where: one for asset in ledger.assets(ws.state) for where, one in ledger.latest(ws.state, asset).items()}
    timed_gates = ("card_fraud/verdicts", "card_fraud/champion")  # whose keys hold how long a gate took
    results = sorted(
        ["/".join(where), "" if where[0] in timed_gates else one.content_key, one.output, str(one.rows)]
        for where, one in made.items()
    )
    out.write_text(json.dumps({"runs": runs, "results": results}))


def measured(through: str, rounds: int) -> Iterator[tuple[str, dict[str, float], list[Any]]]:
    """Each run of each way: what it cost, and its results."""
    from ml_platform.demo.card_payments import land_card_fraud
    from ml_platform.settings import Settings

    with tempfile.TemporaryDirectory() as scratch:
        landed = Path(scratch) / "landed"
        land_card_fraud(Settings(data=landed), through)
        for number in range(rounds):
            for way in WAYS if number % 2 == 0 else WAYS[::-1]:
                folder = Path(scratch) / f"{way} {number}"
                shutil.copytree(landed, folder / "data")
                (folder / "home").mkdir()
                shutil.copy(CONFIG, folder / "home")
                cost = timed(
                    [sys.executable, "-m", "bench.hours", "--execute", way, "--out", str(folder / "out.json")],
                    {
                        "ML_PLATFORM_DATA": str(folder / "data"),
                        "DAGSTER_HOME": str(folder / "home"),
                        "ML_PLATFORM_PIPELINES": '["ml_platform.pipelines.card_fraud"]',
                    },
                )
                outcome = json.loads((folder / "out.json").read_text())
                shutil.rmtree(folder)
                yield way, {**cost, "runs": outcome["runs"]}, outcome["results"]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--through", default="2024-05-05T13")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--execute", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    if options.execute:
        execute(options.execute, options.out)
        return
    costs: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    results = []
    for way, cost, outcome in measured(options.through, options.rounds):
        costs[way].append(cost)
        results.append(outcome)
        print(f"{way}: {cost['cpu']:.1f} CPU s, {cost['runs']:.0f} runs, {cost['peak']:.0f} MB", flush=True)
    if any(outcome != results[0] for outcome in results):
        sys.exit("The results differ.")
    medians = {
        way: {name: statistics.median(cost[name] for cost in costs[way]) for name in ("cpu", "peak", "runs")}
        for way in WAYS
    }
    print(f"ratio of CPU: {medians[WAYS[0]]['cpu'] / medians[WAYS[1]]['cpu']:.2f}; {len(results[0])} equal results")
    if options.json:
        options.json.write_text(json.dumps(medians, indent=2))


if __name__ == "__main__":
    main()
