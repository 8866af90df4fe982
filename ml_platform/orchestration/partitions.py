"""Dagster partitions definitions of assets."""

import dagster as dg

from ml_platform.errors import OrderError
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
    """The partition of the run, or `all` for an unpartitioned asset.

    Raises OrderError in a run that Dagster gives a range of partitions: it makes each asset for all of them before the
    next asset, and a decision that lies between two of them would come too late (S33).
    """
    if slices is None:
        return WHOLE
    if context.has_partition_key_range:
        span = context.partition_key_range
        if span.start != span.end:
            raise OrderError(
                f"One run cannot make {span.start} to {span.end} asset by asset: the predictions of a partition need "
                "the champion at its start, and that is decided by the partitions before it.",
                remedy="Launch a backfill of several runs. For days and hours, the job <pipeline>_data_range makes "
                "many partitions in one run, one after the other: launch it from its Launchpad.",
            )
    return str(context.partition_key)
