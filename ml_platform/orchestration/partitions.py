"""Dagster partitions definitions of assets."""

import dagster as dg

from ml_platform.spec.partitions import WHOLE, Daily, Hourly, Monthly, Partitions, Weekly

_BEGINS: dict[type[Partitions], str] = {  # the start of a partition as a cron expression, in UTC
    Monthly: "0 0 1 * *",
    Weekly: "0 0 * * 1",
    Daily: "0 0 * * *",
    Hourly: "0 * * * *",
}


def partitions_of(slices: Partitions | None) -> dg.TimeWindowPartitionsDefinition | None:
    """Dagster's partitions definition with the platform's keys; None for unpartitioned assets."""
    if slices is None:
        return None
    return dg.TimeWindowPartitionsDefinition(
        start=slices.since, end=slices.until, fmt=slices.form, cron_schedule=_BEGINS[type(slices)], timezone="UTC"
    )


def partition_of(context: dg.AssetExecutionContext, slices: Partitions | None) -> str:
    """The partition of the run, or `all` for an unpartitioned asset."""
    return context.partition_key if slices is not None else WHOLE
