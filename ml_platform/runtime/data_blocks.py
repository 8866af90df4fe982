"""The failed checks that keep a version from being promoted (S37).

A check counts when it stands failed as an error, on a partition of a table that the version's examples, label or
features read, and the champion was not made from the same rows. So a fault that the champion has, because a person
accepted it or because nobody checked it then, blocks nothing again.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from ml_platform.lake.recipes import Read
from ml_platform.quality.checks import check_names
from ml_platform.runtime import reading
from ml_platform.runtime.workspace import Workspace
from ml_platform.spec.partitions import WHOLE
from ml_platform.spec.pipeline import ModelPipeline
from ml_platform.state import checks, ledger, versions
from ml_platform.state.checks import CheckRow
from ml_platform.state.lineage import graph
from ml_platform.state.results import passes_on
from ml_platform.state.versions import Version


@dataclass(frozen=True)
class DataBlock:
    """One failed check: of which table and partition, and on which content."""

    table: str
    partition: str
    check: str
    content_key: str
    value: float | None
    threshold: float | None
    description: str

    @property
    def phrase(self) -> str:
        """Such as "blocked by data: quarantine_share of trips 2024-02 failed: 199 of 400 rows are in quarantine …"."""
        where = self.table if self.partition == WHOLE else f"{self.table} {self.partition}"
        return f"blocked by data: {self.check} of {where} failed: {self.description.rstrip('.')}"


@dataclass(frozen=True)
class _Accepted:
    """What the champion was made from. `reads`: None where its lineage is not on record."""

    version: Version
    reads: frozenset[Read] | None


def data_blocks(ws: Workspace, pipeline: ModelPipeline, number: int, champion: int | None) -> list[DataBlock]:
    """What blocks a version while `champion` serves, by table and partition. Empty for the champion itself."""
    standing, unchecked = checks.failed(ws.state), checks.unfinished(ws.state)
    tables = tables_read(pipeline)
    if number == champion or not (standing or unchecked):  # the usual case costs two small queries
        return []
    candidate = versions.version(ws.state, pipeline.name, number)
    accepted = _accepted(ws, pipeline, champion)
    blocks = [
        _block(row)
        for row in standing
        if row.table_name in tables
        and _is_declared(ws, pipeline, row)
        and _is_partition(ws, row.table_name, row.partition)
        and _is_current(ws, row)
        and _starts_before(ws, row.table_name, row.partition, candidate.decided_at)
        and not _is_accepted(ws, row, accepted)
    ]
    blocks += [
        DataBlock(table, partition, "checks", "", None, None, "They were not finished. Run the pipeline again")
        for table, partition in unchecked
        if table in tables
        and _is_partition(ws, table, partition)
        and _starts_before(ws, table, partition, candidate.decided_at)
    ]
    return sorted(blocks, key=lambda block: (block.table, block.partition, block.check))


def tables_read(pipeline: ModelPipeline) -> frozenset[str]:
    """The tables of examples, label and features, and those that `clean` of these needs."""
    wanted = [pipeline.examples.table, pipeline.label_table, *(feature.table for feature in pipeline.joined)]
    for name in wanted:  # grows while it is read
        wanted += [need for need in pipeline.table(name).needs if need not in wanted]
    return frozenset(wanted)


def _accepted(ws: Workspace, pipeline: ModelPipeline, champion: int | None) -> _Accepted | None:
    if champion is None:
        return None
    version = versions.version(ws.state, pipeline.name, champion)
    lineage = graph(ws.state)
    upstream = lineage.upstream(reading.version(version), past=lambda node: passes_on(node.kind))
    reads = frozenset(node.address for node in upstream if node.kind == "validated")
    return _Accepted(version, reads or None)


def _is_accepted(ws: Workspace, row: CheckRow, accepted: _Accepted | None) -> bool:
    """Whether the champion was made from the rows that the check is about."""
    if accepted is None:
        return False
    read = Read(f"validated/{row.table_name}", row.partition, row.content_key)
    if accepted.reads is not None and (read in accepted.reads or row.partition == WHOLE):
        return read in accepted.reads
    if not _starts_before(ws, row.table_name, row.partition, accepted.version.decided_at):
        return False
    # It read no row of the partition, or other ones: there were none yet, or they were corrected since.
    made_at = next(_records(ws, row), None)
    return made_at is None or made_at < accepted.version.created_at


def _records(ws: Workspace, row: CheckRow) -> Iterator[datetime]:
    """When the checked rows were made, the first time first."""
    for record in ledger.history(ws.state, f"validated/{row.table_name}"):
        if (record.partition, record.content_key) == (row.partition, row.content_key):
            yield record.recorded_at


def _is_declared(ws: Workspace, pipeline: ModelPipeline, row: CheckRow) -> bool:
    """Whether the table still has the check: of one that was removed no run says whether it passes."""
    names = check_names(pipeline.table(row.table_name), ws.slices.get(row.table_name))
    return row.name in {name for name, _ in names}


def _is_partition(ws: Workspace, table: str, partition: str) -> bool:
    """Whether the table still has such partitions: rows that were sliced otherwise are validated anew."""
    slices = ws.slices.get(table)
    return partition == WHOLE or (slices is not None and slices.is_key(partition))


def _is_current(ws: Workspace, row: CheckRow) -> bool:
    """Whether the checked rows are those that stand. A check of replaced rows says nothing."""
    record = ledger.latest_of(ws.state, f"validated/{row.table_name}", row.partition)
    return record is not None and record.content_key == row.content_key


def _starts_before(ws: Workspace, table: str, partition: str, moment: datetime | None) -> bool:
    """Whether a partition of a table has rows from before a moment; None: the end of time."""
    slices = ws.slices.get(table)
    if slices is None or partition == WHOLE or moment is None:
        return True
    return slices.window(partition)[0] < moment


def _block(row: CheckRow) -> DataBlock:
    return DataBlock(
        row.table_name, row.partition, row.name, row.content_key, row.value, row.threshold, row.description
    )
