"""What other processes do in these tests: `python -m ml_platform_tests.state.programs FOLDER NAME`."""

import subprocess
import sys
from pathlib import Path

from ml_platform.lake.transaction import Author
from ml_platform.runtime.workspace import Workspace
from ml_platform.settings import Settings
from ml_platform.state import ledger
from ml_platform.state.results import Result


def start_recording(folder: Path, name: str) -> subprocess.Popen[bytes]:
    """A process that records 25 outputs of the asset "a", each its own partition."""
    command = [sys.executable, "-m", "ml_platform_tests.state.programs", str(folder), name]
    return subprocess.Popen(command)


def main() -> None:
    folder, name = sys.argv[1:]
    workspace = Workspace.open(Settings(data=Path(folder), lock_timeout=60, threads=1), {})
    for number in range(25):
        ledger.record(workspace.state, Author("a", f"{name}-{number}", "k"), rows=1, result=Result())
    workspace.close()


if __name__ == "__main__":
    main()
