"""The rows of a partition that is too large to be held: in bounded frames, and contested keys together.

A key is contested where several offered rows have it, or a file that no longer stands. Such rows are found by hash,
read once more together, and resolved together. Every other row is a version of its own.
"""

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from ml_platform.lake.connection import Lake
from ml_platform.lake.frames import stage_frame
from ml_platform.lake.staging import Rows, Staged, discard, stage
from ml_platform.naming import literal, quoted
from ml_platform.quality.column_parts import ColumnParts
from ml_platform.sources.raw_columns import ROW
from ml_platform.spec.tables import Table
from ml_platform.state.spans import Spans
from ml_platform.validation.file_plans import Plan
from ml_platform.validation.judging import row_hash
from ml_platform.validation.offers import STEP, Offered
from ml_platform.validation.partition_rows import PartitionRows, order_of, ordered, refused_rows, settle
from ml_platform.validation.resolution import NONE, Resolved
from ml_platform.validation.row_versions import quarantine_of, spans_of
from ml_platform.validation.shared_hashes import shared

_FILES_SORTED_TOGETHER = 4  # of at most a frame each: what is held then


def versions_in_parts(lake: Lake, table: Table, plan: Plan, offered: Offered) -> PartitionRows:
    """The rows that `versions_at_once` gives, in files beside the tables."""
    contested = _contested(table, plan, offered)
    parts = _Parts(lake, table)
    try:
        together = []
        for offers in offered.valid():
            mine = offers.join(contested, on=[STEP, ROW], how="semi", maintain_order="left")
            alone = offers
            if mine.height:
                together.append(mine)
                alone = offers.join(contested, on=[STEP, ROW], how="anti", maintain_order="left")
            parts.put(ordered(table, plan, alone, _alone(alone.height)))
        settled = settle(lake, table, plan, pl.concat(together)) if together else None
        if settled is not None:
            parts.put(settled.rows)
        rows = parts.in_order()
        conflicts = pl.DataFrame() if settled is None else settled.conflicts
        quarantine = quarantine_of(table, refused_rows(plan, offered.refused()), conflicts, plan)
    except BaseException:  # an interrupt too: nobody else removes what is staged
        parts.discard()
        raise
    return PartitionRows(
        rows,
        quarantine,
        parts.versions,
        parts.current,
        0 if settled is None else settled.duplicates,
        0 if settled is None else settled.overruled,
        parts.columns,
        parts.spans,
    )


def _contested(table: Table, plan: Plan, offered: Offered) -> pl.DataFrame:
    """`_step` and `_row` of the rows whose keys are contested, and perhaps of some others."""
    if len(plan.files) == 1:  # within a file a key comes once
        return pl.DataFrame(schema={STEP: pl.Int64, ROW: pl.Int64})
    final = pl.Series(plan.final, dtype=pl.Boolean)
    hashes, rows, places = np.zeros(offered.rows, dtype=np.uint64), 0, []
    for offers in offered.valid():
        hashes[rows : rows + offers.height] = row_hash(offers, table.key or list(table.columns)).to_numpy()
        rows += offers.height
        places.append(offers.select(STEP, ROW))
    positions = pl.concat(places)
    number = pl.int_range(rows, eager=True)
    several = pl.Series(shared(hashes[:rows]), dtype=pl.Int64)
    return positions.filter(number.is_in(several.implode()) | ~final.gather(positions[STEP]))


def _alone(rows: int) -> Resolved:
    """So many rows, each the first and only version of its key."""
    none, blank = np.empty(0, dtype=np.int64), np.full(rows, NONE)
    return Resolved(np.arange(rows), blank, blank, blank, none, none, none)


class _Parts:
    """Row versions in files, each in order."""

    def __init__(self, lake: Lake, table: Table) -> None:
        self.versions = self.current = 0
        self.spans = Spans.of_no_rows()
        self._lake, self._table = lake, table
        self._rows: list[Staged] = []
        self._schema: dict[str, pl.DataType] = {}
        self._ends: list[tuple[tuple[Any, ...], tuple[Any, ...]]] = []
        self._waiting: pl.DataFrame | None = None  # the rows that were put last

    def put(self, rows: pl.DataFrame) -> None:
        """The next rows, in order; they may belong before those that were put."""
        self._schema = dict(rows.schema)
        if not rows.height and self._waiting is not None:
            return
        self.versions += rows.height
        self.spans = self.spans.joined(spans_of(rows, self._table))
        self.current += int(rows["_superseded_at"].null_count())
        self._waiting, before = rows, self._waiting
        if before is not None and before.height:
            late = self._late(before, rows)
            if late:
                self._waiting = pl.concat([before.tail(late), rows]).sort(order_of(self._table))
            self._stage(before.head(before.height - late))

    def _late(self, before: pl.DataFrame, rows: pl.DataFrame) -> int:
        """How many of the rows before are to stand among the next ones, where they are few; 0 where they are many.

        Otherwise the rows of all files are put in order once more. A text that stands for another type in a file has
        another order there.
        """
        time, kinds = self._table.event_time, rows.schema
        as_declared = all(self._table.columns.get(name, kinds[name]) == kinds[name] for name in order_of(self._table))
        if time is None or not as_declared:
            return 0
        late = before.height - int(before[time].search_sorted(rows[time][0], side="left"))
        return late if late <= before.height // 2 else 0

    def _stage(self, rows: pl.DataFrame) -> None:
        if rows.height:
            by = rows.select(order_of(self._table))
            self._ends.append((by.row(0), by.row(-1)))
        self._rows.append(stage_frame(self._lake, rows))

    def in_order(self) -> list[Rows]:
        """All rows, in the order of the partition."""
        if self._waiting is not None:
            self._stage(self._waiting)
            self._waiting = None
        if not all(_precedes(end, start) for (_, end), (start, _) in pairwise(self._ends)):
            unordered = len(self._rows)
            for first, end in pairwise([None, *self._cuts(), None]):
                self._rows.append(self._staged_between(self._rows[:unordered], first, end))
            self._remove(self._rows[:unordered])
            self._rows = self._rows[unordered:]
        return [*self._rows]

    def _cuts(self) -> list[Any]:
        """Event times between which rows of a few files lie; none where many files have rows of one time."""
        if self._table.event_time is None:
            return []
        ends = [(first[0], last[0]) for first, last in self._ends]
        cuts = sorted({first for first, _ in ends})[1:]
        ranges = pairwise([min(first for first, _ in ends), *cuts, max(last for _, last in ends)])
        most = max(sum(first <= upto and last >= since for first, last in ends) for since, upto in ranges)
        return cuts if most <= _FILES_SORTED_TOGETHER else []

    def _staged_between(self, files: list[Staged], first: Any, end: Any) -> Staged:
        """The rows with event times from `first` on, before `end`, in order; None: from the start, to the end."""
        paths = ", ".join(literal(str(rows.path)) for rows in files)
        order = ", ".join(f"{self._ordering(name)} NULLS FIRST" for name in order_of(self._table))
        time = quoted(self._table.event_time or "")
        bounds = [f"{time} {sign} ?" for sign, moment in ((">=", first), ("<", end)) if moment is not None]
        where = f"WHERE {' AND '.join(bounds)} " if bounds else ""
        moments = [moment for moment in (first, end) if moment is not None]
        return stage(self._lake, f"SELECT * FROM read_parquet([{paths}]) {where}ORDER BY {order}", moments)

    def _ordering(self, name: str) -> str:
        """By what DuckDB shall order a column: it gives back a number that it ordered by with 0.0 for -0.0."""
        return f"{quoted(name)} + 0.0" if self._schema[name].is_float() else quoted(name)

    def columns(self) -> Iterator[ColumnParts]:
        """The contract's columns of the current rows, one after the other."""
        return (ColumnParts(name, self._schema[name], partial(self._current, name)) for name in self._table.columns)

    def _current(self, name: str) -> Iterator[pl.Series]:
        for rows in self._rows:
            current = pl.scan_parquet(rows.path).filter(pl.col("_superseded_at").is_null())
            yield current.select(name).collect()[name].cast(self._schema[name])

    def discard(self) -> None:
        """Remove the files."""
        self._remove(self._rows)

    def _remove(self, files: list[Staged]) -> None:
        discard(files)


def _precedes(end: Iterable[Any], start: Iterable[Any]) -> bool:
    for before, after in zip(end, start, strict=True):
        if before is None or after is None or before != before or after != after:
            return False
        if before != after:
            return bool(before < after)
    return True
