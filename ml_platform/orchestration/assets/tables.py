"""Raw, validated and quarantine assets: one factory for every table of every pipeline."""

from collections.abc import Iterator, Sequence

import dagster as dg

from ml_platform.orchestration import columns
from ml_platform.orchestration.alerting import tell_alerts
from ml_platform.orchestration.checks import check_specs
from ml_platform.orchestration.events import StepContext, materialized, printed
from ml_platform.orchestration.partitions import partition_of, partitions_of
from ml_platform.orchestration.prose import quarantine_description, raw_description, validated_description
from ml_platform.orchestration.resources import WorkspaceResource
from ml_platform.orchestration.retries import passing_faults_retried
from ml_platform.quality.checks import Reference, check_names
from ml_platform.runtime.progress import announce
from ml_platform.secret_free_errors import secret_free_errors
from ml_platform.spec.partitions import WHOLE, Partitions
from ml_platform.spec.tables import Table
from ml_platform.steps import tables as steps


def table_assets(
    table: Table, slices: Partitions | None, owners: Sequence[str], references: list[Reference]
) -> list[dg.AssetsDefinition]:
    """The raw asset of a table, and its validated and quarantine assets."""
    return [_raw(table, owners, references), _validated(table, slices, owners, references)]


def _raw(table: Table, owners: Sequence[str], references: list[Reference]) -> dg.AssetsDefinition:
    key = ["raw", table.name]

    @dg.asset(
        key=key,
        group_name="raw",
        owners=list(owners),
        kinds={"duckdb", table.source.row_format or "csv"},
        description=raw_description(table),
        metadata={"dagster/table_name": f"lake.raw.{table.name}"},
    )
    def raw(context: dg.AssetExecutionContext, ml_platform_workspace: WorkspaceResource) -> dg.MaterializeResult[None]:
        announce("/".join(key), WHOLE)
        with passing_faults_retried(ml_platform_workspace.settings()), secret_free_errors():
            ws = ml_platform_workspace.workspace()
            outcome = steps.ingest(ws, table, references, context.run.run_id, printed(context.log.info))
            tell_alerts(context, ws, key, WHOLE, outcome, "check")
        return materialized(key, WHOLE, outcome, ws.blobs)

    return raw


def _validated(
    table: Table, slices: Partitions | None, owners: Sequence[str], references: list[Reference]
) -> dg.AssetsDefinition:
    key, refused = ["validated", table.name], ["quarantine", table.name]
    upstream = [dg.AssetKey(["raw", table.name]), *(dg.AssetKey(["validated", need]) for need in table.needs)]
    shape, refused_shape = columns.of_validated(table), columns.of_quarantine()

    @dg.multi_asset(
        name=f"validated__{table.name}",
        specs=[
            dg.AssetSpec(
                key,
                deps=upstream,
                group_name="validated",
                owners=list(owners),
                kinds={"duckdb", "polars"},
                description=validated_description(table),
                metadata={**shape, "dagster/table_name": f"lake.validated.{table.name}"},
            ),
            dg.AssetSpec(
                refused,
                deps=upstream,
                group_name="quarantine",
                owners=list(owners),
                kinds={"duckdb"},
                description=quarantine_description(table),
                metadata={**refused_shape, "dagster/table_name": f"lake.quarantine.{table.name}"},
            ),
        ],
        check_specs=check_specs(key, check_names(table, slices)),
        partitions_def=partitions_of(slices),
    )
    def validated(context: dg.AssetExecutionContext, ml_platform_workspace: WorkspaceResource):  # type: ignore[no-untyped-def]  # Dagster reads the annotation, and a generator's has no meaning to it
        yield from validation_results(context, ml_platform_workspace, table, references, partition_of(context, slices))

    return validated


def validation_results(
    context: StepContext, workspace: WorkspaceResource, table: Table, references: list[Reference], partition: str
) -> Iterator[dg.MaterializeResult[None]]:
    """Validate one partition, with its alerts; what Dagster is to know of the validated table and the quarantine."""
    key, refused = ["validated", table.name], ["quarantine", table.name]
    announce("/".join(key), partition)
    with passing_faults_retried(workspace.settings()), secret_free_errors():
        ws = workspace.workspace()
        good, bad = steps.validate(ws, table, references, partition, context.run.run_id)
        tell_alerts(context, ws, key, partition, good, "contract")
    yield materialized(key, partition, good, ws.blobs, columns.of_validated(table))
    yield materialized(refused, partition, bad, ws.blobs, columns.of_quarantine())
