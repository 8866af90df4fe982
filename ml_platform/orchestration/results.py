"""From a step's outcome to what Dagster shows: metadata, data version, check results."""

from typing import Any

import dagster as dg
import polars as pl

from ml_platform.ingestion.checks import CheckResult
from ml_platform.steps.workspace import Outcome

Metadata = dict[str, Any]


def materialized(key: list[str], outcome: Outcome) -> dg.MaterializeResult[None]:
    """A MaterializeResult with row count, status, content key and the outcome's own metadata."""
    metadata: Metadata = {
        "dagster/row_count": outcome.rows,
        "status": outcome.status,
        "content key": outcome.content_key[:12],
        **{name: shown(value) for name, value in outcome.metadata.items()},
    }
    return dg.MaterializeResult(
        asset_key=dg.AssetKey(key),
        metadata=metadata,
        data_version=dg.DataVersion(outcome.content_key),
        check_results=[check_result(key, check) for check in outcome.checks],
    )


def check_result(key: list[str], check: CheckResult) -> dg.AssetCheckResult:
    """An asset check that shows value and threshold; a failed error is red."""
    severity = dg.AssetCheckSeverity.ERROR if check.severity == "error" else dg.AssetCheckSeverity.WARN
    metadata = {"value": check.value, "threshold": check.threshold, **check.metadata}
    return dg.AssetCheckResult(
        asset_key=dg.AssetKey(key),
        check_name=check.name,
        passed=check.passed,
        severity=severity,
        description=check.description,
        metadata={name: shown(value) for name, value in metadata.items() if value is not None},
    )


def shown(value: Any) -> Any:
    """A value as Dagster metadata: lists of rows become tables, mappings JSON."""
    if isinstance(value, list) and value and all(isinstance(row, dict) for row in value):
        simple = [{name: _cell(cell) for name, cell in row.items()} for row in value]
        return dg.MetadataValue.table([dg.TableRecord(row) for row in simple])
    if isinstance(value, dict | list | tuple):
        return dg.MetadataValue.json(value)
    if isinstance(value, str) and value.startswith("#"):
        return dg.MetadataValue.md(value)
    return value


def _cell(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool) else "" if value is None else str(value)


def column_schema(columns: dict[str, pl.DataType], descriptions: dict[str, str] | None = None) -> dg.TableSchema:
    """Columns and polars types as Dagster shows them."""
    told = descriptions or {}
    return dg.TableSchema(
        columns=[dg.TableColumn(name, str(kind), description=told.get(name)) for name, kind in columns.items()]
    )
