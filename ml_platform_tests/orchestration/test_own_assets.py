"""A project of somebody else: a pipeline by `PipelineComponent`, and beside it the assets of docs/dagster.md."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ml_platform.errors import OrderError
from ml_platform.lake.connection import Lake
from ml_platform.orchestration.workspaces import workspace_for
from ml_platform.settings import Settings
from ml_platform_tests.dagster_home import make_home
from ml_platform_tests.orchestration.foreign_project import loaded, project

ALONE = "ml_platform_tests.declarations.trips_on_request"
DOCUMENT = Path(__file__).parents[2] / "docs" / "dagster.md"

# The page is about flights of 2013; the tests have trips of 2024.
AS_TRIPS = {
    "key = flight_id": "key = trip::VARCHAR",
    "arr_delay > 15": "late > 10",
    "flight_delay": "trip_delay",
    "flights": "trips",
    "origin": "zone",
    "2013-01": "2024-01",
    "2014-01": "2024-06",
}


@pytest.fixture(scope="module")
def shop(february: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.Definitions]:
    """The definitions of the project, whose pipeline ran through February."""
    root = tmp_path_factory.mktemp("shop")
    defs = project(root, {"trips": f"{ALONE}:trip_delay"})
    (example,) = re.findall(r"^```python\n(.*?)^```$", DOCUMENT.read_text(), re.DOTALL | re.MULTILINE)
    for name, stand_in in AS_TRIPS.items():
        example = example.replace(name, stand_in)
    (defs / "watching.py").write_text(example)
    shutil.copytree(february, root / "data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ML_PLATFORM_DATA", str(root / "data"))
        patch.setenv("ML_PLATFORM_THREADS", "1")
        patch.setenv("DAGSTER_HOME", str(make_home(root / "dagster")))
        yield loaded(defs)
        workspace_for(Settings(pipelines=[f"{ALONE}:trip_delay"])).lake.close()


def materialized(definitions: dg.Definitions, month: str | None, *keys: str) -> dict[str, Any]:
    """Materialize assets in the project's own Dagster instance: the metadata of each, in the order of the run."""
    job = definitions.resolve_implicit_global_asset_job_def()
    selection = [dg.AssetKey.from_user_string(key) for key in keys]
    with dg.DagsterInstance.get() as instance:
        result = job.execute_in_process(instance=instance, partition_key=month, asset_selection=selection)
    events = [event.materialization for event in result.get_asset_materialization_events()]
    return {event.asset_key.to_user_string(): {k: v.value for k, v in event.metadata.items()} for event in events}


def asked(sql: str) -> list[Any]:
    with Lake(Settings(), read_only=True) as lake:
        return [value for (value,) in lake.rows(sql)]


def test_an_asset_takes_the_predictions_of_its_month_as_a_lazy_frame(shop: dg.Definitions) -> None:
    worst = asked("SELECT key FROM trip_delay.predictions WHERE _partition = '2024-02' ORDER BY score DESC LIMIT 10")
    metadata = materialized(shop, "2024-02", "trips_to_watch")["trips_to_watch"]
    assert metadata["dagster/row_count"] == len(worst) == 10
    assert set(metadata["trips"]) == set(worst)


def test_an_asset_takes_what_the_same_run_made_before_it(shop: dg.Definitions) -> None:
    metadata = materialized(shop, "2024-02", "trip_delay/predictions", "trips_to_watch")
    assert list(metadata) == ["trip_delay/predictions", "trips_to_watch"]
    assert metadata["trips_to_watch"]["dagster/row_count"] == 10


def test_an_asset_queries_the_lake(shop: dg.Definitions) -> None:
    latest = asked("SELECT zone FROM validated.trips GROUP BY zone ORDER BY avg((late > 10)::INTEGER) DESC LIMIT 1")
    metadata = materialized(shop, None, "lateness_by_zone")["lateness_by_zone"]
    assert metadata == {"dagster/row_count": 3, "latest": latest[0]}


def test_a_month_that_did_not_run_fails_and_names_it(shop: dg.Definitions) -> None:
    with pytest.raises(OrderError, match=r"trip_delay/predictions was not made for 2024-03\."):
        materialized(shop, "2024-03", "trips_to_watch")
