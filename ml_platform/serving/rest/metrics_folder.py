"""Where the workers of one service keep their figures, so that one scrape of any of them gives the sum of all.

Each worker writes to files of its own in the folder (`prometheus_client` in several processes). Counts of a worker that
ended stay; what only a living process has, such as memory, goes with it.
"""

import os
import tempfile
from collections.abc import Collection
from pathlib import Path

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"  # of the environment; prometheus_client reads it as it is loaded


class MetricsFolder:
    """A folder for one run of a service; `close` removes it."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="ml_platform_metrics_")

    @property
    def path(self) -> Path:
        """The folder."""
        return Path(self._folder.name)

    def keep_alive(self, pids: Collection[int]) -> None:
        """Forget what only a living process has, of all but these processes."""
        for path in self.path.glob("gauge_live*_*.db"):
            if int(path.stem.rpartition("_")[2]) not in pids:
                path.unlink(missing_ok=True)

    def close(self) -> None:
        """Remove the folder; no worker writes to it any more."""
        self._folder.cleanup()


def use(folder: str) -> None:
    """Let this process keep its figures in that folder. Call it before `prometheus_client` is loaded."""
    os.environ[VARIABLE] = folder


def is_used() -> bool:
    """Whether this process keeps its figures in a folder."""
    return VARIABLE in os.environ
