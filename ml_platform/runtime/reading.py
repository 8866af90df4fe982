"""The partitions that a step reads, with their content keys, for its recipe."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt

from ml_platform.errors import OrderError
from ml_platform.features.definition import FeatureDefinition
from ml_platform.lake.catalog_tables import has_table
from ml_platform.lake.recipes import Read
from ml_platform.naming import quoted
from ml_platform.runtime.workspace import Workspace
from ml_platform.spec.durations import EPOCH, since_epoch
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.spec.tables import Table
from ml_platform.state import ledger, spans
from ml_platform.state.spans import Spans
from ml_platform.state.versions import Version


@dataclass(frozen=True)
class _Spans:
    """The time range in which rows of each partition with usable rows are relevant, in microseconds."""

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
        asset = f"validated/{name}"
        if pipeline.table(name).event_time is None or end is None or start is None:
            matter = {partition for _, partition in ledger.latest(ws.state, asset)}
        else:
            matter = _overlapping(ws, pipeline, name, definition.reads(name), start, end)
            matter |= _own(ws, pipeline, name, start)
        reads += _reads(ws, asset, matter)
    return reads


def _reads(ws: Workspace, asset: str, partitions: Iterable[str]) -> list[Read]:
    """Reads of the partitions that have a record, in order."""
    recorded = ledger.latest_of_each(ws.state, asset, sorted(partitions))
    return [Read(asset, record.partition, record.content_key) for record in recorded]


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
    ranges = ws.state.once(f"spans of {name}", lambda: _spans(ws, pipeline, name))
    return ranges.overlapping(end, since)


def _spans(ws: Workspace, pipeline: ModelPipeline, name: str) -> _Spans:
    rows = [
        (partition, one.first_usable, one.last_relevant)
        for partition, one in spans_by_partition(ws, pipeline.table(name)).items()
        if one.first_usable is not None and one.last_relevant is not None
    ]
    first, last = (np.array([row[i] for row in rows], dtype=np.int64) for i in (1, 2))
    return _Spans([row[0] for row in rows], first, last)


def spans_by_partition(ws: Workspace, table: Table) -> Mapping[str, Spans]:
    """The spans of every partition of a validated table: those on record, or of its rows where one has none yet."""
    recorded = spans.of_table(ws.state, table.name)
    return scanned_spans(ws, table) if recorded is None else recorded


def scanned_spans(ws: Workspace, table: Table) -> dict[str, Spans]:
    """The spans of every partition that has rows, from the rows."""
    event = quoted(table.event_time) if table.event_time else "NULL::TIMESTAMPTZ"
    rows = ws.lake.rows(
        "SELECT _partition, epoch_us(min(_usable_at)), "
        f"epoch_us(max(greatest(_usable_at, _known_at, {event}))), "
        f"epoch_us(min(_known_at)), epoch_us(max(_known_at)), epoch_us(max({event})) "
        f"FROM validated.{quoted(table.name)} GROUP BY _partition"
    )
    return {row[0]: Spans(*row[1:]) for row in rows}


def record_missing_spans(ws: Workspace, table: Table) -> None:
    """Keep the spans of partitions that code before they were kept has recorded, from their rows."""
    lacking = spans.missing(ws.state, table.name)
    if not lacking:
        return
    present, none = scanned_spans(ws, table), Spans.of_no_rows()
    with ws.state.writing():
        still_lacking = spans.missing(ws.state, table.name)
        for partition, number in lacking.items():
            if still_lacking.get(partition) == number:
                spans.record(ws.state, number, present.get(partition, none))


def available_since(ws: Workspace, definition: FeatureDefinition) -> dict[str, datetime | None]:
    """When each table that is read first became usable (S14). It affects features of all partitions."""
    return {
        name: _first_usable(ws, name)
        for name, table in sorted(definition.tables.items())
        if table.timed and has_table(ws.lake, "validated", name)
    }


def _first_usable(ws: Workspace, table: str) -> datetime | None:
    return ws.state.once(f"first usable of {table}", lambda: _first_usable_now(ws, table))


def _first_usable_now(ws: Workspace, table: str) -> datetime | None:
    recorded = spans.of_table(ws.state, table)
    if recorded is None:
        first: datetime | None = ws.lake.value(f"SELECT min(_usable_at) FROM validated.{quoted(table)}")
        return first
    moments = (one.first_usable for one in recorded.values())
    return _moment(min((moment for moment in moments if moment is not None), default=None))


def _moment(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else EPOCH + timedelta(microseconds=microseconds)


def reached(ws: Workspace, pipeline: ModelPipeline) -> datetime | None:
    """The newest event time of the validated examples; None without rows, and where they have no time."""
    table = pipeline.table(pipeline.examples.table)
    if table.event_time is None or not has_table(ws.lake, "validated", table.name):
        return None
    return ws.state.once(f"newest of {table.name}", lambda: _newest_event(ws, table))


def _newest_event(ws: Workspace, table: Table) -> datetime | None:
    moments = (one.newest_event for one in spans_by_partition(ws, table).values())
    return _moment(max((moment for moment in moments if moment is not None), default=None))


def labels(
    ws: Workspace, pipeline: ModelPipeline, known_before: datetime | None, *, known_from: datetime | None = None
) -> list[Read]:
    """The validated partitions with labels known before `known_before` (None: all) and from `known_from` on."""
    name = pipeline.label_table
    asset = f"validated/{name}"
    if known_before is None:
        return _reads(ws, asset, (partition for _, partition in ledger.latest(ws.state, asset)))
    before = since_epoch(known_before)
    since = None if known_from is None else since_epoch(known_from)
    matter = (
        partition
        for partition, one in spans_by_partition(ws, pipeline.table(name)).items()
        if one.first_known is not None and one.last_known is not None
        if one.first_known < before and (since is None or one.last_known >= since)
    )
    return _reads(ws, asset, matter)


def labels_of(ws: Workspace, pipeline: ModelPipeline, partition: str) -> list[Read]:
    """The validated partition with the labels of a partition whose examples are labelled by their own rows."""
    return _reads(ws, f"validated/{pipeline.label_table}", [partition])


def own(ws: Workspace, pipeline: ModelPipeline, step: str, partitions: list[str]) -> list[Read]:
    """Reads of a step's partitions, as far as they were made."""
    asset = f"{pipeline.name}/{step}"
    records = ledger.latest_of_each(ws.state, asset, partitions)
    return [Read(asset, record.partition, record.content_key) for record in records]


def version(registered: Version) -> Read:
    """A registered version as a read: its candidate, whose content key it has."""
    return Read(f"{registered.pipeline}/candidate", registered.partition, registered.content_key)


def latest(ws: Workspace, pipeline: ModelPipeline, step: str, partition: str) -> ledger.Record:
    """The latest record of a step for a partition. Raises OrderError when it never ran."""
    record = ledger.latest_of(ws.state, f"{pipeline.name}/{step}", partition)
    if record is None:
        raise OrderError(
            f"{pipeline.name}/{step} was not made for {partition}.",
            remedy=f"Materialize {pipeline.name}/{step} for {partition} first.",
        )
    return record
