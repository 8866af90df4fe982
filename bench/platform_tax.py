"""What the platform costs: our whole run against bench/bare_flights.py, in fresh processes, alternating.

    python -m bench.platform_tax [--months 12] [--times 1] [--rounds 3] [--json PATH]

Both begin with the landed files and end with every month scored by the model of the month before.
`--times 10` makes ten flights of each, with carriers of their own.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import polars as pl


def land(folder: Path, months: list[str], times: int) -> None:
    from ml_platform.demo.nyc_flights import land_months
    from ml_platform.settings import Settings

    land_months(Settings(data=folder.resolve()), months[-1])
    if times == 1:
        return
    for file in sorted((folder / "landing" / "flights").glob("*.csv")):
        rows = pl.read_csv(file, infer_schema=False)
        carriers = {name: place for place, name in enumerate(sorted(rows["carrier"].unique()))}
        letter = pl.col("carrier").replace_strict({name: chr(65 + place) for name, place in carriers.items()})
        pl.concat([rows.with_columns(carrier=letter + str(copy)) for copy in range(times)]).write_csv(file)


def timed(command: list[str], environment: dict[str, str]) -> dict[str, float]:
    begun, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        command, check=True, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall": time.perf_counter() - begun, "cpu": cpu}


def ours(landed: Path, scratch: Path, months: list[str]) -> dict[str, float]:
    data, home = scratch / "data", scratch / "home"
    home.mkdir()
    subprocess.run(["cp", "-r", str(landed), str(data)], check=True)
    return timed(
        [sys.executable, "-m", "ml_platform.cli.main", "run", "flight_delay", "--through", months[-1], "--json"],
        {
            "ML_PLATFORM_DATA": str(data),
            "DAGSTER_HOME": str(home),
            "ML_PLATFORM_PIPELINES": '["bench.without_reports"]',
        },
    )


def bare(landed: Path, scratch: Path, months: list[str]) -> dict[str, float]:
    out = scratch / "out"
    out.mkdir()
    return timed([sys.executable, "-m", "bench.bare_flights", str(landed / "landing"), str(out), *months], {})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--months", type=int, default=12)
    parser.add_argument("--times", type=int, default=1, help="flights for each real one")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    months = [f"2013-{month:02}" for month in range(1, options.months + 1)]
    found: dict[str, list[dict[str, float]]] = {"ours": [], "bare": []}
    with tempfile.TemporaryDirectory() as name:
        landed = Path(name) / "landed"
        land(landed, months, options.times)
        for turn in range(options.rounds):
            for contender in (ours, bare):
                scratch = Path(name) / f"{contender.__name__}{turn}"
                scratch.mkdir()
                found[contender.__name__].append(contender(landed, scratch, months))
                print(contender.__name__, found[contender.__name__][-1], file=sys.stderr)
    middle = {
        who: {what: statistics.median(run[what] for run in runs) for what in ("wall", "cpu")}
        for who, runs in found.items()
    }
    report: dict[str, Any] = {
        "months": options.months,
        "times": options.times,
        "rounds": options.rounds,
        "median": middle,
        "ratio": {what: middle["ours"][what] / middle["bare"][what] for what in ("wall", "cpu")},
    }
    print(json.dumps(report, indent=2))
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
