"""Runs on a real instance: what Dagster is told about what was made (S32)."""

from itertools import pairwise

import dagster as dg
import pytest

from ml_platform.orchestration.build import build_definitions
from ml_platform.orchestration.resources import WorkspaceResource
from ml_platform.orchestration.runner import RunFailed, Runner
from ml_platform.orchestration.workspaces import workspace_for
from ml_platform.settings import Settings
from ml_platform.state import ledger, promotions
from ml_platform.state.ledger import newest_ids
from ml_platform.steps.all_steps import planner
from ml_platform_tests.declarations import trips_and_failing_churn
from ml_platform_tests.orchestration.dagster_platform import Platform

UNREACHED = "roc_auc_at_least_0_9999"


def _event(instance: dg.DagsterInstance, asset: str, partition: str | None = None) -> dg.EventLogEntry:
    wanted = dg.AssetRecordsFilter(dg.AssetKey(asset.split("/")), asset_partitions=[partition] if partition else None)
    records = instance.fetch_materializations(wanted, limit=1).records
    assert records, f"{asset} was not materialized"
    return records[0].event_log_entry


def _metadata(instance: dg.DagsterInstance, asset: str, partition: str | None = None) -> dict[str, object]:
    materialization = _event(instance, asset, partition).asset_materialization
    assert materialization is not None
    return {name: value.value for name, value in materialization.metadata.items()}


def _checks(instance: dg.DagsterInstance, run_id: str) -> dict[str, dg.AssetCheckEvaluation]:
    events = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    found = [entry.dagster_event.asset_check_evaluation_data for entry in events if entry.dagster_event]
    return {f"{check.asset_key.to_user_string()}:{check.check_name}": check for check in found}


def test_every_asset_is_materialized_with_its_rows_and_data_version(
    platform: Platform, instance: dg.DagsterInstance
) -> None:
    state = workspace_for(platform.settings).state
    assets = [asset for asset in ledger.assets(state) if not asset.startswith("raw/")]
    made = {where: record for asset in assets for where, record in ledger.latest(state, asset).items()}
    assert len(made) == 4 + 10 + 3 + 10, "churn's tables and steps, and those of trips"
    for (asset, partition), materialization in made.items():
        month = None if partition == "all" else partition
        metadata = _metadata(instance, asset, month)
        assert metadata["dagster/row_count"] == materialization.rows, asset
        tags = _event(instance, asset, month).asset_materialization.tags  # type: ignore[union-attr]  # it is one
        assert tags["dagster/data_version"] == materialization.content_key, asset
    assert _metadata(instance, "validated/trips", "2024-01")["dagster/row_count"] == 400
    assert _metadata(instance, "raw/trips")["dagster/row_count"] == 800
    assert _metadata(instance, "quarantine/trips", "2024-01")["dagster/row_count"] == 0
    assert _metadata(instance, "trip_delay/champion", "2024-01")["champion"] == "trip_delay@1"


def test_a_failing_gate_is_a_red_check_and_stops_nothing_but_the_promotion(
    platform: Platform, instance: dg.DagsterInstance
) -> None:
    run = next(run for run in platform.runs if run.job == "churn_train")
    assert run.failures == ()
    red = _checks(instance, run.run_id)[f"churn/verdicts:{UNREACHED}"]
    assert (red.passed, red.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert red.metadata["threshold"].value == 0.9999
    assert 0.55 < float(str(red.metadata["value"].value)) < 0.9999
    assert "roc_auc" in (red.description or "")
    champion = _metadata(instance, "churn/champion")
    assert (champion["outcome"], champion["champion"]) == ("kept", "none")
    assert "0.9999" in str(champion["reason"])
    assert promotions.champion_at(workspace_for(platform.settings).state, "churn") is None


def test_every_check_shows_value_and_threshold(platform: Platform, instance: dg.DagsterInstance) -> None:
    run = next(run for run in platform.runs if run.job == "trip_delay_train")
    checks = _checks(instance, run.run_id)
    gates = {name: check for name, check in checks.items() if name.startswith("trip_delay/verdicts:")}
    assert checks.keys() - gates.keys() == {"trip_delay/champion:data"}
    assert len(gates) == 8 and all(check.passed for check in checks.values())
    # Without a champion before it, a candidate is compared with nothing.
    valueless = {name for name, check in gates.items() if "value" not in check.metadata}
    assert valueless == {"trip_delay/verdicts:roc_auc_no_worse_than_champion"}
    assert all("threshold" in check.metadata for check in gates.values())
    data = _checks(instance, next(run for run in platform.runs if run.job == "churn_data").run_id)
    assert {"value", "threshold"} <= set(data["validated/customers:quarantine_share"].metadata)


def test_checks_name_the_month_and_target_the_materialization_they_are_about(
    platform: Platform, instance: dg.DagsterInstance
) -> None:
    run = next(run for run in platform.runs if run.job == "trip_delay_train")
    for name, check in _checks(instance, run.run_id).items():
        assert check.metadata["partition"].value == "2024-01", name
        target = check.target_materialization_data
        assert target is not None
        assert target.storage_id == _event_id(instance, name.partition(":")[0], "2024-01"), name


def _event_id(instance: dg.DagsterInstance, asset: str, partition: str) -> int:
    return (
        instance.fetch_materializations(
            dg.AssetRecordsFilter(dg.AssetKey(asset.split("/")), asset_partitions=[partition]), limit=1
        )
        .records[0]
        .storage_id
    )


def test_the_listener_hears_every_step_in_order(platform: Platform) -> None:
    january = [asset for asset, partition in platform.steps if partition == "2024-01"]
    own = ["features", "predictions", "performance", "drift", "report", "decision"]
    own += ["training_set", "candidate", "verdicts", "champion"]
    heard = [asset for asset in january if asset.startswith("trip_delay/")]
    assert sorted(heard) == sorted(f"trip_delay/{step}" for step in own)
    for before, after in pairwise(
        ("features", "predictions", "drift", "decision", "candidate", "verdicts", "champion")
    ):
        assert heard.index(f"trip_delay/{before}") < heard.index(f"trip_delay/{after}")


def test_up_to_date_pipelines_launch_nothing_S32(platform: Platform) -> None:
    assert platform.run("churn") == []
    assert platform.run("trip_delay", "2024-01") == []


def test_a_month_started_from_the_ui_with_hits_says_unchanged_S32(
    platform: Platform, instance: dg.DagsterInstance
) -> None:
    definitions = build_definitions([trips_and_failing_churn.trip_delay, trips_and_failing_churn.churn])
    before = newest_ids(workspace_for(platform.settings).state)
    for job in ("trip_delay_data", "trip_delay_train"):
        result = definitions.resolve_job_def(job).execute_in_process(instance=instance, partition_key="2024-01")
        assert result.success
    for step in ("features", "decision", "candidate", "verdicts", "champion"):
        assert _metadata(instance, f"trip_delay/{step}", "2024-01")["status"] == "unchanged"
    assert newest_ids(workspace_for(platform.settings).state) == before


def test_a_step_that_fails_is_named_with_its_reason(platform: Platform) -> None:
    # February was never decided, so its champion cannot be asked for.
    runner = Runner(trips_and_failing_churn.trip_delay, platform.settings, lambda asset, partition: None)
    with pytest.raises(RunFailed) as failed:
        runner.run("train", "2024-02", [["trip_delay", "training_set"], ["trip_delay", "candidate"]])
    assert failed.value.run.partition == "2024-02"
    (reason,) = failed.value.run.failures
    assert reason.startswith("trip_delay__training_set: trip_delay has no decision"), "without the type of the error"
    assert "trip_delay has no decision for 2024-02. Materialize trip_delay/decision for 2024-02 first." in reason
    assert "trip_delay_train for 2024-02 failed" in str(failed.value)


def test_all_runs_of_a_command_open_the_instance_once(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    get, opened = dg.DagsterInstance.get, list[dg.DagsterInstance]()

    def counted() -> dg.DagsterInstance:
        opened.append(get())
        return opened[-1]

    monkeypatch.setattr(dg.DagsterInstance, "get", counted)
    with Runner(trips_and_failing_churn.trip_delay, platform.settings, lambda asset, partition: None) as runner:
        for step in ("training_set", "candidate"):  # which fail, as above
            with pytest.raises(RunFailed):
                runner.run("train", "2024-02", [["trip_delay", step]])
        assert len(opened) == 1
    with pytest.raises(RunFailed):
        runner.run("train", "2024-02", [["trip_delay", "training_set"]])
    assert len(opened) == 2


def test_one_process_opens_the_lake_once(platform: Platform) -> None:
    mine = workspace_for(platform.settings)
    assert WorkspaceResource().workspace() is mine
    assert workspace_for(Settings()) is mine
    assert planner(mine, trips_and_failing_churn.churn).ws.lake is mine.lake
