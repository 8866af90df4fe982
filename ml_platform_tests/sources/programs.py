"""What other processes run in these tests: `python -m ml_platform_tests.sources.programs`."""

import os
from contextlib import closing

from ml_platform.runtime.workspace import Workspace
from ml_platform.settings import Settings
from ml_platform.sources import raw
from ml_platform_tests.sources.shop import orders


def die_before_record() -> None:
    """End, as if killed, when rows are committed to the lake and nothing about them is on record."""
    raw._record = lambda *_: os._exit(9)
    with closing(Workspace.open(Settings(), {})) as stores:
        raw.ingest(stores, orders(), "run")


if __name__ == "__main__":
    die_before_record()
