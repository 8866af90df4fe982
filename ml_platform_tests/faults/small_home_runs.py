"""`ml-platform run` where DAGSTER_HOME is on a small disk. Arguments: a folder, and sizes in kilobytes as JSON.

The data are on a disk with room.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from ml_platform_tests.faults.programs import say
from ml_platform_tests.small_disks import mount, resize

ROOM = 100_000  # kilobytes
CONFIG = Path(__file__).parents[2] / ".dagster" / "dagster.yaml"


def command(folder: Path, home: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """One `ml-platform` command on the data of `folder`."""
    environment = {
        **os.environ,
        "ML_PLATFORM_DATA": str(folder / "data"),
        "ML_PLATFORM_PIPELINES": '["ml_platform_tests.declarations.trips_and_churn"]',
        "PYTHONPATH": str(Path(__file__).parents[2]),  # the declarations of tests are not installed
        "ML_PLATFORM_THREADS": "1",
        "DAGSTER_HOME": str(home),
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "COLUMNS": "200",
    }
    program = [sys.executable, "-m", "ml_platform.cli.main", *words]
    return subprocess.run(program, capture_output=True, text=True, env=environment, cwd=folder)


def main(folder: Path, sizes: list[int]) -> None:
    words = ("run", "trip_delay", "--through", "2024-01")
    for size in sizes:
        home, place = folder / f"home{size}", folder / str(size)
        shutil.copytree(folder / "landed", place / "data")
        mount(home, size)
        (home / "dagster.yaml").write_bytes(CONFIG.read_bytes())
        first = command(place, home, *words)
        if first.returncode:
            errors = [line for line in first.stderr.splitlines() if line.startswith("error")]
            assert len(errors) == 1 and "DAGSTER_HOME" in errors[0] and "full" in errors[0], first.stderr
            assert "Traceback" not in first.stderr, first.stderr
            resize(home, ROOM)
            again = command(place, home, *words)
            assert again.returncode == 0, again.stderr
        assert "up to date" in command(place, home, *words).stderr
        say({"size": size, "refused": bool(first.returncode)})


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]))
