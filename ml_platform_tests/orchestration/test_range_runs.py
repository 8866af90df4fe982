"""Runs of many partitions: the same results as a run for each, and the same events (S33)."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import dagster as dg
import polars as pl
import pytest
from dagster._core.storage.partition_status_cache import get_and_update_asset_status_cache_value

from ml_platform.lake.transaction import Author
from ml_platform.orchestration.build import build_definitions
from ml_platform.orchestration.partitions import partitions_of
from ml_platform.orchestration.runner import Run, RunFailed
from ml_platform.runtime.workspace import Outcome, Workspace
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import decisions, ledger, promotions
from ml_platform.steps.performance import PerformanceStep
from ml_platform_tests.declarations.orders_by_day import START, day, order_rows, orders, places, shop
from ml_platform_tests.orchestration.dagster_platform import Platform, platform_in
from ml_platform_tests.orchestration.sensor_driver import sensor_driver_in
from ml_platform_tests.world import World, world

DECLARED = "ml_platform_tests.declarations.orders_by_day"
DAYS = 5  # that are complete; the third is trained on
LANDING, DECISIONS = "shop_landing", "shop_decisions"


def _land(folder: Path) -> World:
    opened = world(folder, shop)
    opened.land(places, "places.csv", pl.DataFrame({"place": ["a", "b"], "size": [1, 2]}), START)
    for number in range(DAYS + 1):
        opened.land(orders, f"{day(number)}.csv", order_rows(number), START)
    return opened


@dataclass
class Stopped:
    """A platform whose run of two days failed on the second, and that run."""

    platform: Platform
    run: Run


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stopped]:
    with platform_in(tmp_path_factory.mktemp("shop"), DECLARED) as opened:
        _land(opened.settings.data).close()
        with _fails_on(day(1)), pytest.raises(RunFailed) as raised:
            opened.run("shop", day(1))
        yield Stopped(opened, raised.value.run)


@pytest.fixture
def instance(stopped: Stopped) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.get() as opened:
        yield opened


def _results(ws: Workspace) -> dict[tuple[str, str], object]:
    newest = {where: one for asset in ledger.assets(ws.state) for where, one in ledger.latest(ws.state, asset).items()}
    timed = ("shop/verdicts", "shop/champion")  # whose keys hold how long a gate took
    return {
        where: (one.content_key if where[0] not in timed else "", one.rows, one.output, one.result)
        for where, one in newest.items()
    }


def _log(ws: Workspace) -> list[tuple[object, ...]]:
    changes = [(one.partition, one.action, one.version) for one in promotions.history(ws.state, "shop")]
    return [
        *changes,
        *((one.partition, one.outcome, one.reason) for one in decisions.current(ws.state, "shop").values()),
    ]


def _materialized(instance: dg.DagsterInstance, asset: str, partition: str | None) -> dg.EventLogEntry:
    wanted = dg.AssetRecordsFilter(dg.AssetKey(asset.split("/")), asset_partitions=[partition] if partition else None)
    return instance.fetch_materializations(wanted, limit=1).records[0].event_log_entry


def _checks(instance: dg.DagsterInstance, run_id: str, partition: str) -> dict[str, dict[str, object]]:
    events = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    found = [entry.dagster_event.asset_check_evaluation_data for entry in events if entry.dagster_event]
    return {
        f"{one.asset_key.to_user_string()}:{one.check_name}": {
            "passed": one.passed,
            "severity": one.severity,
            "description": one.description,
            "metadata": sorted(one.metadata),
            "about": one.target_materialization_data is not None,
        }
        for one in found
        if "partition" in one.metadata and one.metadata["partition"].value == partition
    }


def test_dagster_is_told_of_a_day_as_by_a_run_of_that_day(stopped: Stopped, instance: dg.DagsterInstance) -> None:
    """The second day runs again in a run of its own, with hits, as from the UI."""
    assets = ["validated/orders", "quarantine/orders", "shop/features", "shop/drift"]
    many = {asset: _materialized(instance, asset, day(1)) for asset in assets}
    checks = _checks(instance, stopped.run.run_id, day(1))
    job = build_definitions([shop]).resolve_job_def("shop_data")
    chosen = [dg.AssetKey(asset.split("/")) for asset in assets]
    alone = job.execute_in_process(instance=instance, partition_key=day(1), asset_selection=chosen)
    for asset in assets:
        ours, theirs = many[asset].asset_materialization, _materialized(instance, asset, day(1)).asset_materialization
        assert ours is not None and theirs is not None
        assert many[asset].run_id == stopped.run.run_id and ours.partition == theirs.partition
        assert ours.metadata.keys() == theirs.metadata.keys()
        assert ours.metadata["status"].value != theirs.metadata["status"].value == "unchanged"
        assert _lasting(ours.tags) == _lasting(theirs.tags), asset
    assert checks and checks == _checks(instance, alone.run_id, day(1))
    history = instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(dg.AssetKey(["shop", "drift"]), "null_share"), limit=100
    )
    assert [one.partition for one in history if one.run_id == stopped.run.run_id] == [day(1), day(0)]


def _lasting(tags: Mapping[str, str]) -> dict[str, str]:
    """The tags that do not name a run or an event."""
    passing = ("dagster/code_version", "dagster/input_event_pointer")
    return {name: value for name, value in tags.items() if not name.startswith(passing)}


class _Broken(Exception):
    pass


_measure = PerformanceStep.make


def _fails_on(failing: str) -> AbstractContextManager[object]:
    def make(self: PerformanceStep, ws: Workspace, pipeline: ModelPipeline, partition: str, author: Author) -> Outcome:
        if partition == failing:
            raise _Broken("no figure")
        return _measure(self, ws, pipeline, partition, author)

    return patch.object(PerformanceStep, "make", make)


def test_a_failure_stops_at_its_day_which_dagster_shows_as_failed_and_the_next_run_goes_on(
    stopped: Stopped, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    opened, run = stopped.platform, stopped.run
    assert (run.job, run.partition) == ("shop_data_range", day(1))
    assert run.failures == (f"shop_partitions: {day(1)}: shop__performance: _Broken: no figure",)
    made = {where for asset in ledger.assets(opened.ws.state) for where in ledger.latest(opened.ws.state, asset)}
    assert ("shop/decision", day(0)) in made and ("shop/drift", day(1)) in made
    assert not made & {("shop/report", day(1)), ("shop/decision", day(1))}
    assert _failed(instance, "performance") == _failed(instance, "decision") == {day(1)}
    assert _failed(instance, "drift") == set()
    assert [run.job for run in opened.run("shop", day(1))] == ["shop_data"], "no day follows"
    assert _failed(instance, "performance") == set()
    with closing(_land(tmp_path / "data")) as single:
        single.run(day(1))
        assert _results(opened.ws) == _results(single.ws)
        assert _log(opened.ws) == _log(single.ws)


def _failed(instance: dg.DagsterInstance, step: str) -> set[str]:
    """The partitions that Dagster's pages show as failed."""
    days = partitions_of(shop.partitions)
    assert days is not None
    status = get_and_update_asset_status_cache_value(instance, dg.AssetKey(["shop", step]), days)
    assert status is not None
    return set(status.deserialize_failed_partition_subsets(days).get_partition_keys())


@pytest.mark.slow
def test_runs_of_many_days_give_what_a_run_for_each_does_and_end_where_one_is_trained_on(tmp_path: Path) -> None:
    with platform_in(tmp_path / "many", DECLARED) as many, closing(_land(tmp_path / "single")) as single:
        _land(many.settings.data).close()
        many.run("shop", day(DAYS - 1))
        single.run(day(DAYS - 1))
        assert [(run.job, run.partition) for run in many.runs] == [
            ("shop_data", day(0)),  # the files
            ("shop_data_range", day(2)),
            ("shop_train", day(2)),
            ("shop_data_range", day(4)),
        ]
        assert _results(many.ws) == _results(single.ws)
        assert _log(many.ws) == _log(single.ws)
        scored = "SELECT key, version, score, _partition FROM shop.predictions ORDER BY ALL"
        assert many.ws.lake.frame(scored).equals(single.frame(scored))
        days = [partition for asset, partition in many.steps if asset.startswith("shop/")]
        assert days == sorted(days)


@pytest.mark.slow
def test_sensors_ask_for_runs_of_many_days_and_give_up_on_the_day_that_fails(tmp_path: Path) -> None:
    with sensor_driver_in(tmp_path, DECLARED) as shops:
        _land(shops.settings.data).close()
        with _fails_on(day(1)):
            shops.settle()
        assert [(job, success) for job, _, success in shops.ran] == [
            ("shop_data", True),
            ("shop_data_range", False),
            ("shop_data_range", False),  # drift of the day was made, so there was another state to run for
        ]
        assert f"shop_data for {day(1)} failed" in shops.skipped[LANDING]
        with dg.DagsterInstance.get() as dagster:
            failed = dagster.get_runs(dg.RunsFilter(job_name="shop_data_range"))
            assert [run.tags["dagster/partition"] for run in failed] == [day(1)] * 2
            for run in failed:
                dagster.delete_run(run.run_id)
        shops.ran.clear()
        assert [job for job, _, _ in shops.settle()] == ["shop_data_range", "shop_train", "shop_data_range"]
        assert promotions.champion_at(shops.ws.state, "shop") == 1
