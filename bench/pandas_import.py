"""What `ml_platform.lake.pandas_stays_out` saves: a query with a bound parameter and `status`, with and without it.

    python -m bench.pandas_import [--rounds 12]

The lake is that of the small trips of the tests. Processes are fresh, and the two sides alternate. CPU seconds
and peak memory are the operating system's account of the whole process.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile

_TRIPS = """
from contextlib import closing
from ml_platform.settings import Settings
from ml_platform_tests.declarations import trips_monthly
from ml_platform_tests.world import World
with closing(World(Settings(), [trips_monthly.trip_delay])) as trips:
    trips.land_trips("2024-01", "2024-02", "2024-03")
    trips.run()
"""
_WITHOUT = "import ml_platform.lake.connection as c; c.keep_pandas_out = lambda: None\n"
_CASES = {
    "open read-only, one query": """
from ml_platform.lake.connection import Lake
from ml_platform.settings import Settings
with Lake(Settings(), read_only=True) as lake:
    lake.rows("SELECT ?", ["trip_delay"])
""",
    "ml-platform status": """
from ml_platform.cli.main import app
app(["status", "trip_delay"], standalone_mode=False)
""",
}


def measured(code: str) -> tuple[float, float]:
    """CPU seconds and peak memory in MB of a fresh process that runs the code."""
    with tempfile.TemporaryFile("w+") as output:
        with subprocess.Popen([sys.executable, "-c", code], stdout=output, stderr=output) as process:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            raise SystemExit(output.read())
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=12)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        os.environ |= {
            "ML_PLATFORM_DATA": scratch,
            "ML_PLATFORM_PIPELINES": '["ml_platform_tests.declarations.trips_monthly"]',
        }
        measured(_TRIPS)  # in a process of its own: a child's peak memory counts that of its parent at the fork
        report = {}
        for name, code in _CASES.items():
            sides: dict[str, list[tuple[float, float]]] = {"with": [], "without": []}
            for _ in range(options.rounds):
                sides["with"].append(measured(code))
                sides["without"].append(measured(_WITHOUT + code))
            report[name] = {
                side: {
                    "cpu": round(statistics.median(cpu for cpu, _ in runs), 2),
                    "MB": round(statistics.median(memory for _, memory in runs)),
                }
                for side, runs in sides.items()
            }
        print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
