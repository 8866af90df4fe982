"""What other processes run in these tests: `python -m ml_platform_tests.validation.programs NAME`."""

import os
import sys
from contextlib import closing

from ml_platform.lake.transaction import Author
from ml_platform.runtime.workspace import Workspace
from ml_platform.settings import Settings
from ml_platform.sources.raw import ingest
from ml_platform.validation.validated import touched
from ml_platform_tests.ingestion_sandbox import MONTHS, IngestionSandbox, readings


def take_in() -> None:
    """Ingest and make everything."""
    with closing(Workspace.open(Settings(), {})) as stores:
        reports = IngestionSandbox(stores).run(readings())
    sys.stdout.write(str(sum(report.result.rows for report in reports)))


def die_after_some_files() -> None:
    """End, as if killed, when the third file is about to be read; every file is a transaction of its own."""
    from ml_platform.sources import raw

    raw._BATCH_SECONDS = 0.0
    seen: list[str] = []

    def on_file(path: str) -> None:
        seen.append(path)
        if len(seen) == 3:
            os._exit(9)

    with closing(Workspace.open(Settings(), {})) as stores:
        ingest(stores, readings(), "run", on_file=on_file)


def die_after_screening() -> None:
    """End, as if killed, when the files are screened and one partition is made."""
    from ml_platform.validation.validated import build_validated

    with closing(Workspace.open(Settings(), {})) as stores:
        ingest(stores, readings(), "run")
        first = next(iter(touched(stores, readings(), MONTHS)))
        build_validated(stores, readings(), MONTHS, first, Author("test"))
        os._exit(9)


if __name__ == "__main__":
    {"take_in": take_in, "die_after_some_files": die_after_some_files, "die_after_screening": die_after_screening}[
        sys.argv[1]
    ]()
