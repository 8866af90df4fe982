"""What the platform costs: our whole run against bench/bare_flights.py, in fresh processes, alternating.

    python -m bench.platform_tax [--months 12] [--times 1 10] [--rounds 3] [--json PATH]

Both begin with the landed files and end with every month scored by the model of the month before. Ours runs on the
`dagster.yaml` that users get. `--times 10` makes ten flights of each, with carriers of their own, and `--times 1 10`
runs the same months at each. Printed are CPU seconds (of the process and its children), wall seconds and peak memory
(of the largest process), the medians of all rounds.
"""

import argparse
import compileall
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import polars as pl

CONFIG = Path(__file__).parents[1] / ".dagster" / "dagster.yaml"
FIGURES = {"cpu": "s", "wall": "s", "peak": "MB"}


def land(folder: Path, months: list[str], times: int) -> None:
    from ml_platform.demo.nyc_flights import land_months
    from ml_platform.settings import Settings

    land_months(Settings(data=folder.resolve()), months[-1])
    if times == 1:
        return
    for file in sorted((folder / "landing" / "flights").glob("*.csv")):
        rows = pl.read_csv(file, infer_schema=False)
        carriers = {name: index for index, name in enumerate(sorted(rows["carrier"].unique()))}
        letter = pl.col("carrier").replace_strict({name: chr(65 + index) for name, index in carriers.items()})
        pl.concat([rows.with_columns(carrier=letter + str(copy)) for copy in range(times)]).write_csv(file)


def timed(command: list[str], environment: dict[str, str]) -> dict[str, float]:
    """What a fresh process costs, with the children that it waited for."""
    begun = time.perf_counter()
    with tempfile.TemporaryFile() as errors:
        process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=errors)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            sys.exit(f"{' '.join(command)} ended with {process.returncode}:\n{errors.read().decode()[-2000:]}")
    wall = time.perf_counter() - begun
    return {"cpu": used.ru_utime + used.ru_stime, "wall": wall, "peak": used.ru_maxrss / 1024}


def ours(landed: Path, scratch: Path, months: list[str]) -> dict[str, float]:
    data, home = scratch / "data", scratch / "home"
    home.mkdir()
    shutil.copy(CONFIG, home)
    shutil.copytree(landed, data)
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


def compared(folder: Path, months: list[str], times: int, rounds: int) -> dict[str, Any]:
    """Ours and bare in turn, from the same landed files: medians, and ours over bare."""
    landed = folder / "landed"
    land(landed, months, times)
    runs: dict[str, list[dict[str, float]]] = {"ours": [], "bare": []}
    for turn in range(rounds):
        for contender in (ours, bare):
            scratch = folder / f"{contender.__name__}{turn}"
            scratch.mkdir()
            runs[contender.__name__].append(contender(landed, scratch, months))
            shutil.rmtree(scratch)
            print(f"{times}x", contender.__name__, runs[contender.__name__][-1], file=sys.stderr)
    middle = {who: {what: statistics.median(run[what] for run in of) for what in FIGURES} for who, of in runs.items()}
    ratio = {what: middle["ours"][what] / middle["bare"][what] for what in FIGURES}
    return {"months": len(months), "times": times, "rounds": rounds, "median": middle, "ratio": ratio}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--months", type=int, default=12)
    parser.add_argument("--times", type=int, nargs="+", default=[1], help="flights for each real one; several: each")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    for package in ("ml_platform", "bench"):  # as pip leaves it, whatever this environment says of bytecode
        compileall.compile_dir(Path(__file__).parents[1] / package, quiet=1)
    months = [f"2013-{month:02}" for month in range(1, options.months + 1)]
    reports = []
    for times in options.times:
        with tempfile.TemporaryDirectory() as name:
            reports.append(compared(Path(name), months, times, options.rounds))
        print(_table(reports[-1]))
    if options.json:
        options.json.write_text(json.dumps(reports, indent=2) + "\n")


def _table(report: dict[str, Any]) -> str:
    lines = [f"{report['months']} months at {report['times']}x, medians of {report['rounds']}"]
    for what, unit in FIGURES.items():
        ours, bare = (report["median"][who][what] for who in ("ours", "bare"))
        lines.append(
            f"  {what:<6} ours {ours:7.1f} {unit:<2}  bare {bare:7.1f} {unit:<2}  ratio {report['ratio'][what]:.2f}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
