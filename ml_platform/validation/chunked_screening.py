"""Screening of a file that is too large to be held: judged in bounded frames, with what holds over all of them.

Each frame is judged as if it were the whole file. That is right for every row but those that share a key with another
row, or are equal to one. They are found by hash over the whole file, read once more together, and judged together.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from ml_platform.sources import chunks
from ml_platform.sources.raw_columns import ROW
from ml_platform.spec.partitions import Partitions
from ml_platform.spec.tables import Table
from ml_platform.validation.judging import PARTITION, RAW, REASON, RULE, RULE_HOLDS, Span, in_partition, judge
from ml_platform.validation.shared_hashes import shared

_GROUP_ROWS = 100_000  # of a row group of the result

CleanedRows = Callable[[pl.DataFrame], pl.DataFrame]


@dataclass
class RawRows:
    """The raw rows of one file, as far as they are asked for. `rows`: how many there are, numbered from 0."""

    rows: int
    between: Callable[[int, int], pl.DataFrame]  # those from a number on, before another
    numbered: Callable[[list[int]], pl.DataFrame]


def can_be_split(table: Table) -> bool:
    """Whether the rows of a file may be judged in parts: no `clean`, and no rule that looks at several rows.

    Of those the primary key is looked after here.
    """
    if table.clean is not None:
        return False
    rules: dict[str, Any] = table.contract._validation_rules(with_cast=False)
    return all(name == "primary_key" or _of_one_row(rule.expr) for name, rule in rules.items())


def _of_one_row(rule: pl.Expr) -> bool:
    """Whether no part of a rule looks at more than one row. polars judges the outermost operation of an expression."""
    try:
        separable, inputs = rule.meta.is_row_separable(), rule.meta.pop()
    except pl.exceptions.PolarsError:  # of what is in a list, say: nobody tells
        return False
    # A column in `is_in` may be the list of each row, or all rows of another column.
    if sum(not one.meta.is_literal() for one in inputs) > 1 and _is_membership(rule):
        return False
    return separable and all(map(_of_one_row, inputs))


def _is_membership(rule: pl.Expr) -> bool:
    """Whether the outermost operation is `is_in`, or cannot be read and may be."""
    try:
        node = json.loads(rule.meta.serialize(format="json"))
    except (pl.exceptions.PolarsError, ValueError, TypeError):  # polars stores no Python functions, say
        return True
    match node:
        case {"Function": {"function": {"Boolean": {"IsIn": _}}}}:
            return True
    return False


@dataclass
class _Part:
    """A file of valid rows: how many it has of each partition."""

    path: Path
    counts: Counter[str]

    @property
    def span(self) -> tuple[str, str]:
        return min(self.counts), max(self.counts)


@dataclass
class ScreenedParts:
    """What screening made of a file: rows in Parquet files, `files` in order; counts by partition."""

    files: list[Path]
    valid: Counter[str]
    refused: Counter[str]
    duplicates: Counter[str]
    dropped: int


@dataclass
class _State:
    folder: Path
    valid: list[_Part] = field(default_factory=list)
    refused: list[Path] = field(default_factory=list)
    number: int = 0

    def new(self, suffix: str) -> Path:
        self.number += 1
        return self.folder / f"{self.number}.{suffix}"

    def put(self, kept: pl.DataFrame) -> None:
        """Keep judged rows."""
        bad = kept.filter(~RULE_HOLDS)
        good = kept.filter(RULE_HOLDS) if bad.height else kept
        if good.height:
            self.valid.append(self.written(good if good[PARTITION].is_sorted() else good.sort(PARTITION, ROW)))
        if bad.height:
            path = self.new("refused")
            bad.write_parquet(path, compression="lz4")
            self.refused.append(path)

    def written(self, good: pl.DataFrame) -> _Part:
        path = self.new("valid")
        good.write_parquet(path, compression="lz4", row_group_size=_GROUP_ROWS)
        return _Part(path, _by_partition(good))


def screen_in_parts(
    table: Table, raw: RawRows, cleaned: CleanedRows, partitions: Partitions | None, folder: Path
) -> ScreenedParts:
    """Judge the rows of a file. `cleaned`: raw rows with nulls and the contract's columns. `folder`: for the results.

    The rows, partitions and counts are those that `screen` gives of the file as a whole. Raises FileRefused as it does.
    """
    state = _State(folder)
    dropped, hashes = 0, np.zeros(raw.rows, dtype=np.uint64)
    for first in range(0, raw.rows, chunks.ROWS):
        rows = raw.between(first, first + chunks.ROWS)
        judged = judge(table, rows, cleaned(rows), partitions)
        state.put(judged.kept)
        dropped += judged.dropped
        hashes[first : first + rows.height] = judged.alike.to_numpy()
    duplicates: Counter[str] = Counter()
    alike = shared(hashes)
    if len(alike):
        _without(state, alike)
        rows = raw.numbered(alike.tolist())
        together = judge(table, rows, cleaned(rows), partitions)
        state.put(together.kept)
        duplicates = _by_partition(together.lost)
    valid = sum((part.counts for part in state.valid), Counter[str]())
    files, refused = _refused(state, valid)
    return ScreenedParts([*_ordered(state), *files], valid, refused, duplicates, dropped)


def _by_partition(frame: pl.DataFrame) -> Counter[str]:
    return Counter(dict(frame.group_by(PARTITION).len().iter_rows()))


def _without(state: _State, rows: npt.NDArray[np.int64]) -> None:
    """Take rows out of what is kept."""
    gone = pl.DataFrame({ROW: rows})
    parts, state.valid = state.valid, []
    for part in parts:
        frame = pl.read_parquet(part.path)
        remaining = frame.join(gone, on=ROW, how="anti", maintain_order="left")
        if remaining.height < frame.height:
            part.path.unlink()
            if remaining.height:
                state.valid.append(state.written(remaining))
        else:
            state.valid.append(part)
    paths, state.refused = state.refused, []
    for path in paths:
        remaining = pl.read_parquet(path).join(gone, on=ROW, how="anti", maintain_order="left")
        if remaining.height:
            remaining.write_parquet(path, compression="lz4")
            state.refused.append(path)


def _refused(state: _State, valid: Counter[str]) -> tuple[list[Path], Counter[str]]:
    """The files of the refused rows, each row in the partition that it belongs to."""
    counts: Counter[str] = Counter()
    if valid:
        span = Span(min(valid), max(valid), has_valid=True)
    else:
        own = [pl.read_parquet(path, columns=[PARTITION])[PARTITION] for path in state.refused]
        names = pl.concat(own).drop_nulls().unique().to_list() if own else []
        span = Span(min(names, default=None), max(names, default=None), has_valid=False)
    for path in state.refused:
        frame = in_partition(pl.read_parquet(path), span)
        frame.write_parquet(path, compression="lz4")
        counts += _by_partition(frame)
    return state.refused, counts


def _ordered(state: _State) -> list[Path]:
    """The files of the valid rows, so that the rows of one partition stand together: readers skip the others."""
    spans = [part.span for part in state.valid]
    if all(before[1] <= after[0] for before, after in pairwise(spans)):
        return [part.path for part in state.valid]
    return [part.path for group in _groups(state.valid) for part in _gathered(state, group)]


def _groups(parts: list[_Part]) -> Iterator[tuple[str, str]]:
    """The partitions in ranges, first and last, that fit into memory where a single one does."""
    counts = sum((part.counts for part in parts), Counter[str]())
    group: list[str] = []
    for name in sorted(counts):
        if group and sum(counts[one] for one in group) + counts[name] > chunks.ROWS:
            yield group[0], group[-1]
            group = []
        group.append(name)
    if group:
        yield group[0], group[-1]


def _gathered(state: _State, group: tuple[str, str]) -> Iterator[_Part]:
    """The rows of a range of partitions out of all files."""
    first, last = group
    waiting: list[pl.DataFrame] = []
    for part in state.valid:
        if any(first <= name <= last for name in part.counts):
            mine = pl.col(PARTITION).is_between(pl.lit(first), pl.lit(last))
            waiting.append(pl.scan_parquet(part.path).filter(mine).collect())
            if sum(frame.height for frame in waiting) >= chunks.ROWS:
                yield state.written(pl.concat(waiting).sort(PARTITION, ROW))
                waiting = []
    if waiting:
        yield state.written(pl.concat(waiting).sort(PARTITION, ROW))


def write_together(table: Table, parts: ScreenedParts, target: Path) -> None:
    """The rows of all files as one Parquet file, streamed."""
    texts = dict.fromkeys((RULE, REASON, PARTITION, RAW), pl.String())
    nothing = pl.LazyFrame(schema={**table.columns, ROW: pl.Int64(), **texts})
    files = pl.scan_parquet(parts.files) if parts.files else nothing
    files.sink_parquet(target, row_group_size=_GROUP_ROWS)
