"""The rows of one partition: row versions, quarantine and what there is to count."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import polars as pl

from ml_platform.lake.connection import Lake
from ml_platform.lake.frames import staged
from ml_platform.lake.staging import Rows
from ml_platform.lake.storable import storable
from ml_platform.quality.column_parts import ColumnParts
from ml_platform.sources.raw_columns import ROW
from ml_platform.spec.tables import Table
from ml_platform.state.spans import Spans
from ml_platform.validation.file_plans import Plan
from ml_platform.validation.judging import PARTITION, RAW, REASON, RULE, RULE_HOLDS
from ml_platform.validation.offers import STEP, Offered
from ml_platform.validation.resolution import Resolved, resolve
from ml_platform.validation.row_versions import conflicts_of, quarantine_of, row_versions, spans_of


@dataclass(frozen=True)
class PartitionRows:
    """What a partition consists of.

    rows: row versions in order; the first to replace the partition, the others to follow.
    versions, current: how many of them there are, and how many no correction superseded.
    duplicates, overruled: offered rows that equal another file's current one, or that a later file corrected.
    columns: the columns of the current rows, one after the other.
    spans: of all row versions.
    """

    rows: list[Rows]
    quarantine: pl.DataFrame
    versions: int
    current: int
    duplicates: int
    overruled: int
    columns: Callable[[], Iterable[ColumnParts]]
    spans: Spans


def order_of(table: Table) -> list[str]:
    """The columns by which the rows of a partition are in order, each once."""
    return list(dict.fromkeys([table.event_time or "_file", *(table.key or [ROW]), "_file"]))


@dataclass(frozen=True)
class Settled:
    """Offered rows whose keys stand in no other rows: their versions in the partition, and what was refused of them."""

    rows: pl.DataFrame
    conflicts: pl.DataFrame
    duplicates: int
    overruled: int


def settle(lake: Lake, table: Table, plan: Plan, offers: pl.DataFrame) -> Settled:
    """Resolve the versions of offered rows."""
    own, content = pl.col(PARTITION) == plan.partition, list(table.columns)
    resolved = resolve(offers, plan.steps, table.key or content, content, latest=table.on_conflict == "latest")
    conflicts, overruled = pl.DataFrame(), 0
    if len(resolved.refused):
        if table.on_conflict == "quarantine":
            conflicts = conflicts_of(lake, table, offers, plan, resolved)
        else:
            overruled = offers[resolved.refused].filter(own).height
    doubles = offers[resolved.duplicates].filter(own).height if len(resolved.duplicates) else 0
    return Settled(ordered(table, plan, offers, resolved), conflicts, doubles, overruled)


def ordered(table: Table, plan: Plan, offers: pl.DataFrame, resolved: Resolved) -> pl.DataFrame:
    """The row versions of the partition as they are stored."""
    own = pl.col(PARTITION) == plan.partition
    rows = row_versions(table, offers, plan, resolved).filter(own).drop(PARTITION)
    return storable(rows.sort(order_of(table)))


def refused_rows(plan: Plan, screened: pl.DataFrame) -> pl.DataFrame:
    """The rows that screening refused, of files that stand."""
    final = [i for i, stands in enumerate(plan.final) if stands]
    return screened.filter((pl.col(PARTITION) == plan.partition) & ~RULE_HOLDS & pl.col(STEP).is_in(final))


def versions_at_once(lake: Lake, table: Table, plan: Plan, offered: Offered) -> PartitionRows:
    """The rows of a partition that is held in memory."""
    screened = offered.all()
    settled = settle(lake, table, plan, screened.filter(RULE_HOLDS).drop(RULE, REASON, RAW))
    current = settled.rows.filter(pl.col("_superseded_at").is_null())
    return PartitionRows(
        [staged(lake, settled.rows)],
        quarantine_of(table, refused_rows(plan, screened), settled.conflicts, plan),
        settled.rows.height,
        current.height,
        settled.duplicates,
        settled.overruled,
        lambda: ColumnParts.of_frame(current.select(list(table.columns))),
        spans_of(settled.rows, table),
    )
