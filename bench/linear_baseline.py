"""The champion of each shipped pipeline against `Linear()` on the same training set, columns and holdout.

`python -m bench.linear_baseline --data FOLDER [PIPELINE …]` on a copy of a lake in which the pipelines have champions:
`ml-platform try` records an experiment for each, and computes nothing twice. Differences are paired, with the 95 %
interval of the jackknife (S25), in the good direction of the metric.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PIPELINES = ("flight_delay", "bike_rentals", "card_fraud", "churn", "churn_snapshot", "storm_status")


def compared(pipeline: str, data: Path) -> dict[str, Any]:
    """The experiment with `Linear()` as `ml-platform try --json` prints it."""
    command = [sys.executable, "-m", "ml_platform.cli.main", "try", pipeline, "--set", "trainer=Linear()", "--json"]
    environment = {**os.environ, "ML_PLATFORM_DATA": str(data)}
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    (run,) = json.loads(done.stdout)
    return dict(run)


def line(run: Mapping[str, Any]) -> str:
    """A row of the table. A run that was not compared says why."""
    whole = [one for one in run["comparisons"] if not one["slice"] and one["low"] is not None]
    if not whole:
        return f"| `{run['pipeline']}` at {run['partition']} | not compared: {run['why_incomparable']} | | | | |"
    cells = []
    for one in whole:
        champion_better = [-one[name] for name in ("difference", "high", "low")]
        value, low, high = champion_better
        shown = "better" if low > 0 else "worse" if high < 0 else "undecided"
        cells.append(
            f"| `{run['pipeline']}` at {run['partition']} | {one['metric']} | {one['rows']:,} | "
            f"{one['champion_value']:.4g} | {one['value']:.4g} | {value:+.4g} ({low:+.4g} to {high:+.4g}): {shown} |"
        )
    return "\n".join(cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pipelines", nargs="*", default=PIPELINES)
    parser.add_argument("--data", type=Path, required=True)
    arguments = parser.parse_args()
    print("| pipeline | metric | holdout rows | champion | linear | champion better by (95 % interval) |")
    print("|---|---|---|---|---|---|")
    for pipeline in arguments.pipelines:
        print(line(compared(pipeline, arguments.data)), flush=True)


if __name__ == "__main__":
    main()
