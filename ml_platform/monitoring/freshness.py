"""No fresh data: a partition that should have rows by now, or a table that is later than usual.

A pipeline whose `until=` is over gives no alert, nor does a table that never had files.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from statistics import median
from typing import Literal

from ml_platform.settings import Settings
from ml_platform.spec.completeness import Marker
from ml_platform.spec.partitions import WHOLE, Daily, Hourly, Monthly, Partitions, Weekly
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.spec.tables import Table
from ml_platform.state import files
from ml_platform.state.alerts import Alert, alert
from ml_platform.state.database import State
from ml_platform.validation.file_plans import filled

GRACE: dict[type[Partitions], timedelta] = {  # after the end of a partition, for its last files
    Monthly: timedelta(days=3),
    Weekly: timedelta(days=2),
    Daily: timedelta(hours=12),
    Hourly: timedelta(hours=2),
}
BEFORE = 4  # days, or hours, with arrivals from which a rhythm can be told
Unit = Literal["day", "hour"]
_PATIENCE = 2.0  # times the usual span between arrivals, and more than the longest there was


def stale(
    state: State,
    pipeline: ModelPipeline,
    partitions_by_table: Mapping[str, Partitions | None],
    now: datetime | None = None,
) -> list[Alert]:
    """The alerts about data that should have arrived by `now` and has not."""
    moment = now or datetime.now(UTC)
    if pipeline.partitions is not None and is_over(pipeline.partitions, moment):
        return []
    unit: Unit = "hour" if isinstance(pipeline.partitions, Hourly) else "day"
    late = [
        overdue for table in pipeline.tables if (overdue := _out_of_rhythm(state, table.name, moment, unit)) is not None
    ]
    empty = _empty_partition(state, pipeline, partitions_by_table, moment)
    return late if empty is None else [empty, *late]


def is_over(slices: Partitions, moment: datetime) -> bool:
    """Whether nothing more is awaited: in the slice after the last one its files still are, and long enough to tell."""
    if slices.until is None:
        return False
    end, later = slices.window(slices.until)
    return moment >= max(later, end + 2 * GRACE[type(slices)])


def _empty_partition(
    state: State, pipeline: ModelPipeline, partitions_by_table: Mapping[str, Partitions | None], moment: datetime
) -> Alert | None:
    """The newest partition that ended GRACE ago, when the examples' table has earlier rows and none there or after."""
    if pipeline.partitions is None:
        return None
    slices, now = pipeline.partitions, pipeline.partitions.at(moment - GRACE[type(pipeline.partitions)])
    ended = [p for p in pipeline.partition_keys() if p < now]
    table = pipeline.examples.table
    have = filled(state, pipeline.table(table), partitions_by_table.get(table))
    if not ended or not have or max(have) >= ended[-1] or _marked(state.settings, pipeline.table(table), ended[-1]):
        return None
    awaited, end = ended[-1], slices.window(ended[-1])[1]
    return alert(
        "no_fresh_data",
        f"{pipeline.name}/features",
        awaited,
        table,
        evidence=max(have),
        title=f"No fresh data: {pipeline.name} has no {table} of {awaited}",
        text=f"{awaited} ended on {_day(end)}, and the newest rows of {table} are of {max(have)}. "
        f"Land its files: `ml-platform land {pipeline.name} {table} FILE…`.",
    )


def _marked(settings: Settings, table: Table, partition: str) -> bool:
    """Whether a landed file says that the partition is all there, rows or none."""
    rule = table.complete
    return isinstance(rule, Marker) and (settings.landing / rule.of(partition)).is_file()


def _out_of_rhythm(state: State, table: str, moment: datetime, unit: Unit) -> Alert | None:
    """A table whose newest file is older than twice the usual span between arrivals and than any such span."""
    arrivals = files.arrivals(state, table)
    hours = {arrival.replace(minute=0, second=0, microsecond=0) for arrival in arrivals}
    came = sorted({hour.replace(hour=0) for hour in hours} if unit == "day" else hours)
    if len(came) < BEFORE:
        return None
    long = timedelta(hours=1) if unit == "hour" else timedelta(days=1)
    spans = [(after - before) // long for before, after in pairwise(came)]
    limit = max(_PATIENCE * median(spans), *spans) + 1
    waited = (moment - came[-1]) // long
    if waited <= limit:
        return None
    return alert(
        "no_fresh_data",
        f"raw/{table}",
        WHOLE,
        table,
        evidence=f"{came[-1]:%Y-%m-%d}" if unit == "day" else f"{came[-1]:%Y-%m-%dT%H}",
        severity="warn",
        title=f"No fresh data: {table} has not arrived since {_day(came[-1])}",
        text=f"That is {waited} {unit}s ago. It usually arrives every {median(spans):g} {unit}s, "
        f"and within {max(spans)} at most. Check the process that delivers it.",
    )


def _day(moment: datetime) -> str:
    """The day, with the hour where it is not midnight."""
    return f"{moment:%d %B %Y}" if moment.hour == 0 else f"{moment:%d %B %Y, %H:%M} UTC"
