"""Whether Dagster and its instance are there."""

import os
from importlib.util import find_spec
from pathlib import Path


def dagster_is_there() -> bool:
    """Whether there is an instance to read or write. DAGSTER_HOME then names its folder."""
    return not missing_dagster()


def missing_dagster() -> str:
    """Why there is no instance of Dagster; empty when there is one, and DAGSTER_HOME then names its folder."""
    from ml_platform.views.machine_health import dagster_home

    home = dagster_home()
    if find_spec("dagster") is None:
        return "Dagster is not installed"
    if not home:
        return "DAGSTER_HOME is not set"
    if not Path(home).is_absolute() or not Path(home).is_dir():
        return f"DAGSTER_HOME is {home}, which is not an existing absolute folder"
    from ml_platform.orchestration.private_home import make_dagster_home_private

    os.environ["DAGSTER_HOME"] = home
    make_dagster_home_private(Path(home))
    return ""
