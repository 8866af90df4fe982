"""What a run would do, for people and programs: the document of `plan --json`."""

import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from ml_platform.runtime.forecast import Forecast, PlannedRun
from ml_platform.runtime.workspace import Workspace
from ml_platform.settings import Settings
from ml_platform.spec.partitions import Partitions
from ml_platform.state import database

PLAN_SCHEMA = 1  # of the document; raised when a key changes its meaning or goes


def document(forecast: Forecast) -> dict[str, Any]:
    """The document of a plan, of stable keys (docs/cli.md)."""
    return {
        "schema_version": PLAN_SCHEMA,
        "pipeline": forecast.pipeline,
        "has_work": forecast.has_work,
        "runs": [_run(run) for run in forecast.runs],
        "later": [asdict(later) for later in forecast.later],
        "blocks": [asdict(block) for block in forecast.blocks],
        "estimate": {"seconds": round(forecast.seconds, 3), "not_estimated": list(forecast.not_estimated)},
    }


def _run(run: PlannedRun) -> dict[str, Any]:
    assets = [{**asdict(one), "reason": {**asdict(one.reason), "about": list(one.reason.about)}} for one in run.assets]
    return {"job": run.job, "partition": run.partition, "certainty": run.certainty, "assets": assets}


@contextmanager
def workspace_for_plan(settings: Settings, slices: dict[str, Partitions | None]) -> Iterator[Workspace]:
    """A workspace to plan in: the lake, read-only; where there is none yet, an empty one that is gone afterwards."""
    if database.lake_exists(settings):
        with closing(Workspace.open_for_reading(settings, slices)) as workspace:
            yield workspace
        return
    with tempfile.TemporaryDirectory(prefix="ml_platform_plan_") as folder:
        data = Path(folder) / "data"
        data.mkdir()
        if settings.landing.is_dir():
            (data / "landing").symlink_to(settings.landing.resolve(), target_is_directory=True)
        empty = settings.model_copy(update={"data": data, "catalog": SecretStr("")})
        with closing(Workspace.open(empty, slices)) as workspace:
            yield workspace
