"""The partitions that a step reads, with their content keys, for its recipe."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from ml_platform.errors import OrderError
from ml_platform.features.definition import FeatureDefinition
from ml_platform.lake.recipes import Read
from ml_platform.naming import quoted
from ml_platform.runtime.workspace import Workspace
from ml_platform.spec.durations import since_epoch
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import ledger
from ml_platform.state.versions import Version

_NEVER = 2**62  # microseconds


@dataclass(frozen=True)
class _Spans:
    """The time range in which rows of each partition are relevant, in microseconds.

    A partition without usable rows has a range that starts after every moment.
    """

    partitions: list[str]
    first: npt.NDArray[np.int64]
    last: npt.NDArray[np.int64]

    def overlapping(self, end: datetime, since: datetime | None) -> set[str]:
        """The partitions with rows usable before `end`, some of them relevant from `since` on (None: no bound)."""
        matter = self.first < since_epoch(end)
        if since is not None:
            matter &= self.last >= since_epoch(since)
        return {self.partitions[i] for i in np.flatnonzero(matter)}


def validated(
    ws: Workspace, pipeline: ModelPipeline, definition: FeatureDefinition, start: datetime | None, end: datetime | None
) -> list[Read]:
    """The validated partitions that the features of examples with start <= at < end can depend on.

    A partition matters when some of its rows are usable before `end` and some reach, by the
    longest span that is read, to `start` (S9, S10). Tables without time always matter.
    """
    reads = []
    for name in dict.fromkeys([pipeline.examples.table, *definition.tables]):
        records = ledger.latest(ws.state, f"validated/{name}")
        if pipeline.table(name).event_time is None or end is None or start is None:
            matter = {partition for _, partition in records}
        else:
            matter = _overlapping(ws, pipeline, name, definition.reads(name), start, end)
            matter |= _own(ws, pipeline, name, start)
        reads += _reads(records, f"validated/{name}", matter)
    return reads


def _reads(records: Mapping[ledger.Key, ledger.Record], asset: str, partitions: Iterable[str]) -> list[Read]:
    """Reads of the partitions that have a record, in order."""
    recorded = (records.get((asset, partition)) for partition in sorted(partitions))
    return [Read(asset, record.partition, record.content_key) for record in recorded if record is not None]


def _own(ws: Workspace, pipeline: ModelPipeline, name: str, start: datetime) -> set[str]:
    """The partition of the examples themselves."""
    slices = ws.slices.get(name)
    if name != pipeline.examples.table or slices is None:
        return set()
    return {slices.at(start)}


def _overlapping(
    ws: Workspace, pipeline: ModelPipeline, name: str, lookback: int | None, start: datetime, end: datetime
) -> set[str]:
    since = None if lookback is None else start - timedelta(microseconds=lookback)
    spans = ws.state.once(f"spans of {name}", lambda: _spans(ws, pipeline, name))
    return spans.overlapping(end, since)


def _spans(ws: Workspace, pipeline: ModelPipeline, name: str) -> _Spans:
    event = quoted(pipeline.table(name).event_time or "")
    rows = ws.lake.rows(
        "SELECT _partition, coalesce(epoch_us(min(_usable_at)), ?), "
        f"coalesce(epoch_us(max(greatest(_usable_at, _known_at, {event}))), ?) "
        f"FROM validated.{quoted(name)} GROUP BY _partition",
        [_NEVER, -_NEVER],
    )
    first, last = (np.array([row[i] for row in rows], dtype=np.int64) for i in (1, 2))
    return _Spans([row[0] for row in rows], first, last)


def available_since(ws: Workspace, definition: FeatureDefinition) -> dict[str, datetime | None]:
    """When each table that is read first became usable (S14). It affects features of all partitions."""
    return {
        name: ws.lake.value(f"SELECT min(_usable_at) FROM validated.{quoted(name)}")
        for name, table in sorted(definition.tables.items())
        if table.timed and ws.lake.columns("validated", name)
    }


def reached(ws: Workspace, pipeline: ModelPipeline) -> datetime | None:
    """The newest event time of the validated examples; None without rows, and where they have no time."""
    table = pipeline.table(pipeline.examples.table)
    if table.event_time is None or not ws.lake.columns("validated", table.name):
        return None
    sql = f"SELECT max({quoted(table.event_time)}) FROM validated.{quoted(table.name)}"
    newest: datetime | None = ws.state.once(f"newest of {table.name}", lambda: ws.lake.value(sql))
    return newest


def labels(
    ws: Workspace, pipeline: ModelPipeline, known_before: datetime | None, *, known_from: datetime | None = None
) -> list[Read]:
    """The validated partitions with labels known before `known_before` (None: all) and from `known_from` on."""
    name = pipeline.label_table
    records = ledger.latest(ws.state, f"validated/{name}")
    if known_before is None:
        return _reads(records, f"validated/{name}", (partition for _, partition in records))
    sql = f"SELECT _partition, min(_known_at), max(_known_at) FROM validated.{quoted(name)} GROUP BY _partition"
    spans = ws.state.once(f"labels of {name}", lambda: ws.lake.rows(sql))
    matter = (
        partition
        for partition, first, last in spans
        if first is not None and first < known_before and (known_from is None or last >= known_from)
    )
    return _reads(records, f"validated/{name}", matter)


def labels_of(ws: Workspace, pipeline: ModelPipeline, partition: str) -> list[Read]:
    """The validated partition with the labels of a partition whose examples are labelled by their own rows."""
    asset = f"validated/{pipeline.label_table}"
    return _reads(ledger.latest(ws.state, asset), asset, [partition])


def own(ws: Workspace, pipeline: ModelPipeline, step: str, partitions: list[str]) -> list[Read]:
    """Reads of a step's partitions, as far as they were made."""
    asset = f"{pipeline.name}/{step}"
    records = ledger.latest(ws.state, asset)
    return [Read(asset, p, records[asset, p].content_key) for p in partitions if (asset, p) in records]


def version(registered: Version) -> Read:
    """A registered version as a read: its candidate, whose content key it has."""
    return Read(f"{registered.pipeline}/candidate", registered.partition, registered.content_key)


def latest(ws: Workspace, pipeline: ModelPipeline, step: str, partition: str) -> ledger.Record:
    """The latest record of a step for a partition. Raises OrderError when it never ran."""
    record = ledger.latest(ws.state, f"{pipeline.name}/{step}").get((f"{pipeline.name}/{step}", partition))
    if record is None:
        raise OrderError(
            f"{pipeline.name}/{step} was not made for {partition}.",
            remedy=f"Materialize {pipeline.name}/{step} for {partition} first.",
        )
    return record
