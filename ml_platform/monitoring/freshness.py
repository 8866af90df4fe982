"""No fresh data: a partition that should have rows by now, or a table that arrives later than it used to.

Quiet about what is over (`Monthly(until=…)` in the past) and about what never began.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import median

from ml_platform.ingestion.plans import filled
from ml_platform.lake.connection import Lake
from ml_platform.monitoring.alerts import Alert, alert
from ml_platform.spec.partitions import Monthly
from ml_platform.spec.pipeline import ModelPipeline

GRACE = timedelta(days=3)  # after the end of a partition, for its last files
DAYS_BEFORE = 4  # days with arrivals from which a rhythm can be told
_PATIENCE = 2.0  # times the usual span between arrivals, and more than the longest there was


def stale(
    lake: Lake, pipeline: ModelPipeline, slices: Mapping[str, Monthly | None], now: datetime | None = None
) -> list[Alert]:
    """What should have arrived by `now` and has not."""
    moment = now or datetime.now(UTC)
    until = pipeline.partitions.until if pipeline.partitions else None
    if until is not None and f"{moment:%Y-%m}" > until:  # in the month of its end the last files are still awaited
        return []
    late = [found for table in pipeline.tables if (found := _out_of_rhythm(lake, table.name, moment)) is not None]
    empty = _empty_partition(lake, pipeline, slices, moment)
    return late if empty is None else [empty, *late]


def _empty_partition(
    lake: Lake, pipeline: ModelPipeline, slices: Mapping[str, Monthly | None], moment: datetime
) -> Alert | None:
    """The newest partition that ended GRACE ago, when the examples' table has earlier rows and none there or after."""
    if pipeline.partitions is None:
        return None
    ended = [p for p in pipeline.partition_keys() if pipeline.partitions.window(p)[1] + GRACE <= moment]
    table = pipeline.examples.table
    have = filled(lake, pipeline.table(table), slices.get(table))
    if not ended or not have or max(have) >= ended[-1]:
        return None
    awaited, end = ended[-1], pipeline.partitions.window(ended[-1])[1]
    return alert(
        "no_fresh_data",
        f"{pipeline.name}/features",
        awaited,
        table,
        evidence=max(have),
        title=f"No fresh data: {pipeline.name} has no {table} of {awaited}",
        text=f"{awaited} ended on {end:%d %B %Y}, and the newest rows of {table} are of {max(have)}. "
        f"Land its files: `ml-platform land {pipeline.name} {table} FILE…`.",
    )


def _out_of_rhythm(lake: Lake, table: str, moment: datetime) -> Alert | None:
    """A table whose newest file is older than twice the usual span between arrivals and than any such span."""
    if not lake.has("platform", "files"):
        return None
    rows = lake.rows(
        "SELECT date_trunc('day', arrival) AS day FROM platform.files WHERE table_name = ? AND status <> 'refused' "
        "GROUP BY day ORDER BY day",
        [table],
    )
    days = [day for (day,) in rows]
    if len(days) < DAYS_BEFORE:
        return None
    spans = [(after - before).days for before, after in pairwise(days)]
    limit = max(_PATIENCE * median(spans), *spans) + 1
    waited = (moment - days[-1]).days
    if waited <= limit:
        return None
    return alert(
        "no_fresh_data",
        f"raw/{table}",
        "all",
        table,
        evidence=f"{days[-1]:%Y-%m-%d}",
        severity="warn",
        title=f"No fresh data: {table} has not arrived since {days[-1]:%d %B %Y}",
        text=f"That is {waited} days ago; it used to come every {median(spans):g} days, and within {max(spans)} at "
        "the most. Look at what delivers it.",
    )
