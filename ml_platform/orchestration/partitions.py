"""How assets are sliced, as Dagster knows it."""

import dagster as dg

from ml_platform.spec.partitions import WHOLE, Daily, Hourly, Monthly, Partitions, Weekly

_BEGINS: dict[type[Partitions], str] = {  # when a slice does, as cron says it, in UTC
    Monthly: "0 0 1 * *",
    Weekly: "0 0 * * 1",
    Daily: "0 0 * * *",
    Hourly: "0 * * * *",
}


def partitions_of(slices: Partitions | None) -> dg.TimeWindowPartitionsDefinition | None:
    """Dagster's slices with the platform's keys; None for what is whole."""
    if slices is None:
        return None
    return dg.TimeWindowPartitionsDefinition(
        start=slices.since, end=slices.until, fmt=slices.form, cron_schedule=_BEGINS[type(slices)], timezone="UTC"
    )


def partition_of(context: dg.AssetExecutionContext, slices: Partitions | None) -> str:
    """The partition that this step is about: the run's, or `all` for an asset that is whole."""
    return context.partition_key if slices is not None else WHOLE
