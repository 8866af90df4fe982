"""Converts a step's outcome into Dagster events: metadata, data version and check results."""

from collections.abc import Callable
from typing import Any

import dagster as dg

from ml_platform.escaping import lines, printable
from ml_platform.lake.blobs import Blobs
from ml_platform.orchestration.rendering import plots_first, shown
from ml_platform.quality.checks import CheckResult
from ml_platform.runtime.workspace import Outcome
from ml_platform.spec.partitions import WHOLE

Metadata = dict[str, Any]
StepContext = dg.AssetExecutionContext | dg.OpExecutionContext  # of a step in a run of one partition, or of many


def materialized(
    key: list[str], partition: str, outcome: Outcome, blobs: Blobs, columns: Metadata | None = None
) -> dg.MaterializeResult[None]:
    """A MaterializeResult with row count, status, content key and the outcome's own metadata.

    `columns` is column metadata, the same for every materialization.
    """
    metadata: Metadata = {
        "dagster/row_count": outcome.rows,
        **{name: shown(value, blobs) for name, value in plots_first(outcome.display).items()},
        "status": outcome.status,
        "content key": outcome.content_key[:12],
        **(columns or {}),
    }
    return dg.MaterializeResult(
        asset_key=dg.AssetKey(key),
        metadata=metadata,
        data_version=dg.DataVersion(outcome.content_key),
        check_results=[check_result(key, partition, check, blobs) for check in outcome.checks],
    )


def check_result(key: list[str], partition: str, check: CheckResult, blobs: Blobs) -> dg.AssetCheckResult:
    """An asset check that shows value, threshold and partition; a failed error is red."""
    severity = dg.AssetCheckSeverity.ERROR if check.severity == "error" else dg.AssetCheckSeverity.WARN
    metadata = {"value": check.value, "threshold": check.threshold, **check.metadata}
    if partition != WHOLE:
        metadata["partition"] = partition
    return dg.AssetCheckResult(
        asset_key=dg.AssetKey(key),
        check_name=check.name,
        passed=check.passed,
        severity=severity,
        description=lines(check.description),
        metadata={name: shown(value, blobs) for name, value in plots_first(metadata).items() if value is not None},
    )


def printed(log: Callable[[str], None]) -> Callable[[str], None]:
    """The log for lines that name files and quote data: `dagster dev` writes it to a terminal."""
    return lambda text: log(printable(text))
