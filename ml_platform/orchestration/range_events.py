"""What Dagster is told of one partition in a run of many: the same events as by a run of that partition alone.

Dagster cannot say this by itself. It executes an asset once for a whole range, takes one data version and one set of
check results for all of it, and logs none of its partitions when the step fails in between (dagster issues 17836
and 18123). Events that name their partition are logged here instead.

It relies on these private parts of Dagster 1.13, which `ml_platform_tests/orchestration/test_range_runs.py` exercises:
`DagsterEvent` and `AssetMaterializationPlannedData`, the tags of data versions, and that a check evaluation may name a
partition where its check has none.
"""

from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256

import dagster as dg
from dagster._core.definitions.asset_checks.asset_check_evaluation import AssetCheckEvaluationTargetMaterializationData
from dagster._core.definitions.data_version import (
    CODE_VERSION_TAG,
    DATA_VERSION_IS_USER_PROVIDED_TAG,
    DATA_VERSION_TAG,
    DEFAULT_DATA_VERSION,
    NULL_EVENT_POINTER,
    get_input_data_version_tag,
    get_input_event_pointer_tag,
)
from dagster._core.events import AssetMaterializationPlannedData, DagsterEvent

Event = dg.AssetMaterialization | dg.AssetCheckEvaluation


def announce_planned(context: dg.OpExecutionContext, assets: Iterable[tuple[dg.AssetKey, str | None]]) -> None:
    """Log that the run is to make these partitions of assets: they are in progress, and failed if the run fails."""
    for asset, partition in assets:
        planned = DagsterEvent(
            event_type_value=dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED.value,
            job_name=context.job_name,
            message=f"{context.job_name} intends to materialize asset {asset.to_string()}",
            event_specific_data=AssetMaterializationPlannedData(asset, partition=partition),
            step_key=context.op.name,
        )
        context.instance.report_dagster_event(planned, context.run_id)


def events_of(
    context: dg.OpExecutionContext,
    result: dg.MaterializeResult[None],
    partition: str | None,
    versions_read: Mapping[dg.AssetKey, str | None],
) -> Iterator[Event]:
    """The materialization of one partition, then its checks. Each is stored before the next is asked for.

    `versions_read`: the data versions of the upstream assets; None for one that was never made.
    """
    assert result.asset_key is not None and result.data_version is not None
    tags = {
        CODE_VERSION_TAG: context.run_id,
        DATA_VERSION_TAG: result.data_version.value,
        DATA_VERSION_IS_USER_PROVIDED_TAG: "true",
    }
    for upstream, version in versions_read.items():
        tags[get_input_data_version_tag(upstream)] = version or DEFAULT_DATA_VERSION.value
        tags[get_input_event_pointer_tag(upstream)] = NULL_EVENT_POINTER
    yield dg.AssetMaterialization(result.asset_key, metadata=result.metadata, partition=partition, tags=tags)
    checks = list(result.check_results or ())
    target = _newest(context.instance, result.asset_key, partition) if checks else None
    for check in checks:
        assert check.check_name is not None
        yield dg.AssetCheckEvaluation(
            asset_key=result.asset_key,
            check_name=check.check_name,
            passed=check.passed,
            metadata=check.metadata,
            target_materialization_data=target,
            severity=check.severity,
            description=check.description,
            partition=partition,  # without it a run has one row of each check, that of the newest partition
        )


def version_of_partition(data_version: str) -> str:
    """What Dagster notes as the version of an input with partitions: the hash of those that were read."""
    return sha256(data_version.encode()).hexdigest()


def _newest(
    instance: dg.DagsterInstance, asset: dg.AssetKey, partition: str | None
) -> AssetCheckEvaluationTargetMaterializationData:
    """The materialization that was stored last."""
    wanted = dg.AssetRecordsFilter(asset, asset_partitions=[partition] if partition is not None else None)
    record = instance.fetch_materializations(wanted, limit=1).records[0]
    return AssetCheckEvaluationTargetMaterializationData(
        run_id=record.run_id, storage_id=record.storage_id, timestamp=record.timestamp
    )
