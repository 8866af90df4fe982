"""The partition that a pipeline waits for: what is missing, which files were refused, and since when."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from ml_platform.monitoring.freshness import GRACE, is_over
from ml_platform.sources.scan import refused
from ml_platform.spec.partitions import Partitions
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import files
from ml_platform.state.alerts import Alert, alert
from ml_platform.state.stores import Stores
from ml_platform.validation import completeness
from ml_platform.validation.file_plans import filled


@dataclass(frozen=True)
class Waiting:
    """A partition that is over and cannot run yet.

    needs:    what it waits for, a sentence each.
    refused:  the refused files of the tables that it waits for, `path: why` each.
    has_rows: whether rows of the examples' table are there, in it or after it.
    since:    when it ended, or when the newest file of its tables was recorded, if that was later.
    too_long: whether that is longer ago than its last files may take (`freshness.GRACE`).
    """

    partition: str
    needs: tuple[str, ...]
    refused: tuple[str, ...]
    has_rows: bool
    since: datetime
    too_long: bool

    @property
    def sentences(self) -> str:
        """What it waits for, and since when if that is too long."""
        sentences = [f"{self.partition} has waited since {self.since:%d %B %Y}."] if self.too_long else []
        return " ".join([*sentences, *self.needs])

    @property
    def text(self) -> str:
        """The same with the refused files."""
        return " ".join([self.sentences, *(f"Refused: {one}" for one in self.refused)])


def waiting(
    stores: Stores,
    pipeline: ModelPipeline,
    partitions_by_table: Mapping[str, Partitions | None],
    now: datetime | None = None,
) -> Waiting | None:
    """The first partition that is over and not complete.

    None for a pipeline without partitions, and for one whose examples' table never had a file.
    """
    table = pipeline.table(pipeline.examples.table)
    if pipeline.partitions is None or not files.versions(stores.state, table.name):
        return None
    awaited = completeness.awaited(stores, pipeline, partitions_by_table)
    if awaited is None:
        return None
    rules = [one for one, _ in completeness.rules(pipeline)]
    turned_away = [f"{file.path}: {file.error}" for one in rules for file in refused(stores.state, one)]
    end = pipeline.partitions.window(awaited.partition)[1]
    since = max(end, files.last_recorded(stores.state, [one.name for one in rules]) or end)
    have = filled(stores.state, table, partitions_by_table.get(table.name))
    too_long = (now or datetime.now(UTC)) - since > GRACE[type(pipeline.partitions)]
    has_rows = bool(have) and max(have) >= awaited.partition
    return Waiting(awaited.partition, awaited.needs, tuple(turned_away), has_rows, since, too_long)


def waits_too_long(
    stores: Stores,
    pipeline: ModelPipeline,
    partitions_by_table: Mapping[str, Partitions | None],
    now: datetime | None = None,
) -> Alert | None:
    """The alert about a partition whose rows are there and that waits for something that does not come.

    Where its rows are missing, `freshness` has the alert.
    """
    moment = now or datetime.now(UTC)
    waits = waiting(stores, pipeline, partitions_by_table, moment)
    if waits is None or pipeline.partitions is None or not (waits.has_rows and waits.too_long):
        return None
    return alert(
        "waiting",
        f"{pipeline.name}/features",
        waits.partition,
        pipeline.examples.table,
        evidence=" ".join(waits.needs),
        severity="warn" if is_over(pipeline.partitions, moment) else "error",
        title=f"{pipeline.name} {waits.partition} has waited since {waits.since:%d %B %Y}",
        text=f"{waits.text} Its rows are there, and nothing runs for it until then.",
    )
