"""The files of DAGSTER_HOME that only their owner may read: run history and logs, which quote what went wrong."""

from pathlib import Path

from ml_platform.orchestration.storage_faults import EVENTS, FILES
from ml_platform.private_files import make_database_private, make_private


def make_dagster_home_private(home: Path, run_id: str = "") -> None:
    """Make DAGSTER_HOME and its databases private, and the history and logs of one run."""
    if not (home / "dagster.yaml").is_file():  # no home of Dagster, whatever the variable says
        return
    make_private(home)
    for file in FILES:
        make_database_private(home / file.path)
    if run_id:
        make_database_private((home / EVENTS.path).with_name(f"{run_id}.db"))
        for path in (home / "storage" / run_id).rglob("*"):
            make_private(path)
