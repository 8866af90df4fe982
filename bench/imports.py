"""What imports cost, each in fresh processes: medians of five, in seconds.

python -m bench.imports
"""

import json
import statistics
import subprocess
import sys

CASES = {
    "import ml_platform": "import ml_platform",
    "import dagster": "import dagster",
    "import dagster, load the definitions": "import dagster; from ml_platform.definitions import defs; defs()",
}
_TIMED = "import time; t = time.perf_counter(); {}; print(time.perf_counter() - t)"


def seconds(code: str) -> float:
    found = subprocess.run([sys.executable, "-c", _TIMED.format(code)], check=True, capture_output=True, text=True)
    return float(found.stdout.split()[-1])


def main() -> None:
    rounds: dict[str, list[float]] = {name: [] for name in CASES}
    for _ in range(5):
        for name, code in CASES.items():
            rounds[name].append(seconds(code))
    median = {name: round(statistics.median(found), 3) for name, found in rounds.items()}
    beyond = median["import dagster, load the definitions"] - median["import dagster"]
    print(json.dumps({**median, "the definitions beyond dagster": round(beyond, 3)}, indent=2))


if __name__ == "__main__":
    main()
