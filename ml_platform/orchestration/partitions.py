"""Dagster's partitions from the declaration's."""

import dagster as dg

from ml_platform.spec.partitions import WHOLE, Monthly


def partitions_of(slices: Monthly | None) -> dg.TimeWindowPartitionsDefinition | None:
    """Months in UTC with keys such as 2013-01; None for what is whole."""
    if slices is None:
        return None
    return dg.TimeWindowPartitionsDefinition(
        start=slices.since, end=slices.until, fmt="%Y-%m", cron_schedule="0 0 1 * *", timezone="UTC"
    )


def partition_of(context: dg.AssetExecutionContext, slices: Monthly | None) -> str:
    """The partition that this step is about: the run's, or `all` for an asset that is whole."""
    return context.partition_key if slices is not None else WHOLE
