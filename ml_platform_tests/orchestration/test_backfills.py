"""Backfills as Dagster's UI launches them, by Dagster's own daemon on a real instance (S33)."""

import logging
import time
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_END_TAG,
    ASSET_PARTITION_RANGE_START_TAG,
    BACKFILL_ID_TAG,
    PARTITION_NAME_TAG,
)
from dagster._daemon.backfill import execute_backfill_iteration

from ml_platform.orchestration.build import build_definitions
from ml_platform.orchestration.jobs import table_keys
from ml_platform.orchestration.workspaces import workspace_for
from ml_platform.steps.all_steps import STEPS, planner
from ml_platform_tests.declarations.orders_by_day import START, day, order_rows, orders, places, shop
from ml_platform_tests.orchestration.daemon import Daemon, daemon_in
from ml_platform_tests.world import world

DECLARED = "ml_platform_tests.declarations.orders_by_day"
DATA = [dg.AssetKey(key) for key in [*table_keys(shop), *(["shop", step.name] for step in STEPS if step.job == "data")]]
_LOGGER = logging.getLogger("the backfill daemon of a test")


def _land(folder: Path) -> None:
    opened = world(folder, shop)
    opened.land(places, "places.csv", pl.DataFrame({"place": ["a", "b"], "size": [1, 2]}), START)
    for number in range(3):
        opened.land(orders, f"{day(number)}.csv", order_rows(number), START)
    opened.close()


def _backfill(daemon: Daemon, *partitions: str) -> list[dg.DagsterRun]:
    """Launch a backfill of all assets of the data job and wait for its end; its runs, in order."""
    graph = daemon.workspace.create_request_context().asset_graph
    wanted = PartitionBackfill.from_asset_partitions(
        "days", graph, partitions, DATA, time.time(), {}, daemon.instance, False, None, None, None
    )
    daemon.instance.add_backfill(wanted)
    for _ in range(30):
        list(execute_backfill_iteration(daemon.workspace, _LOGGER))  # a generator that does the work
        now = daemon.instance.get_backfill("days")
        assert now is not None
        if now.status == BulkActionStatus.COMPLETED_SUCCESS:
            runs = daemon.instance.get_runs(dg.RunsFilter(tags={BACKFILL_ID_TAG: "days"}))
            return sorted(runs, key=lambda run: daemon.instance.get_run_record_by_id(run.run_id).storage_id)  # type: ignore[union-attr]  # it is there
    raise AssertionError(f"the backfill is {now.status}: {daemon.failed_runs()}")


# Dagster 1.13 (2026-11) calls this itself, as it takes a backfill of assets.
@pytest.mark.filterwarnings("ignore:Function `AssetSelection.sources` is deprecated:DeprecationWarning")
# The runs are executed here, inside the event loop of the daemon, where Dagster begins one for each of them in vain.
@pytest.mark.filterwarnings("ignore:coroutine 'BaseEventLoop.shutdown_asyncgens' was never awaited:RuntimeWarning")
def test_a_backfill_makes_the_days_in_order_and_leaves_nothing_to_do_for_them_and_a_range_in_one_run_is_refused(
    tmp_path: Path,
) -> None:
    with daemon_in(tmp_path, DECLARED) as daemon:
        _land(daemon.settings.data)
        runs = _backfill(daemon, day(0), day(1))
        days = [run.tags[PARTITION_NAME_TAG] for run in runs if PARTITION_NAME_TAG in run.tags]
        assert days == [day(0), day(1)]
        assert list(planner(workspace_for(daemon.settings), shop).work(day(1))) == []

        span = {ASSET_PARTITION_RANGE_START_TAG: day(0), ASSET_PARTITION_RANGE_END_TAG: day(1)}
        job = build_definitions([shop]).resolve_job_def("shop_data")
        features = [dg.AssetKey(["shop", "features"])]
        result = job.execute_in_process(
            instance=daemon.instance, tags=span, asset_selection=features, raise_on_error=False
        )
        (failure,) = (event.step_failure_data.error for event in result.all_node_events if event.is_step_failure)
        assert failure is not None and failure.cause is not None
        assert f"One run cannot make {day(0)} to {day(1)}" in failure.cause.message
