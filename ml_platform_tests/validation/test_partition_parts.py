"""A partition that is made in bounded frames has the rows of one that is made at once: in order, to the bit."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import dataframely as dy
import polars as pl
import pytest

from ml_platform.lake.connection import Lake
from ml_platform.lake.staging import Rows, Staged
from ml_platform.sources import chunks
from ml_platform.sources.raw_columns import ROW
from ml_platform.spec.sources import Files
from ml_platform.spec.tables import Table
from ml_platform.state.files import FileVersion
from ml_platform.validation.file_plans import Plan
from ml_platform.validation.judging import PARTITION, RAW, REASON, RULE
from ml_platform.validation.offers import STEP, Offered, OfferedFile
from ml_platform.validation.partition_parts import versions_in_parts
from ml_platform.validation.partition_rows import PartitionRows, versions_at_once
from ml_platform.validation.resolution import Step

_AT = datetime(2013, 1, 1, tzinfo=UTC)
_NUMBERS = [-0.0, 1.5, 2.0, -3.0]  # not 0.0 as well: DuckDB's Parquet has one of both where they come often


class Reading(dy.Schema):
    """A number in the key, and a time."""

    sensor = dy.String(primary_key=True)
    level = dy.Float64(primary_key=True)
    at = dy.Datetime(time_zone="UTC")


class Customer(dy.Schema):
    """No time."""

    id = dy.String(primary_key=True)
    amount = dy.Float64(nullable=True)


class Unkeyed(dy.Schema):
    """No key and no time."""

    amount = dy.Float64(nullable=True)
    name = dy.String(nullable=True)


GROWS = "The time grows from file to file."


def _table(contract: Any, **changes: Any) -> Table:
    return Table("t", **{"source": Files("t/*.csv"), "contract": contract, "on_conflict": "latest", **changes})


_TABLES = {
    "times in no order": _table(Reading, event_time="at"),
    "times that grow": _table(Reading, event_time="at", description=GROWS),
    "without time": _table(Customer),
    "without key": _table(Unkeyed),
}


def _values(table: Table, draw: random.Random, number: int) -> dict[str, Any]:
    """Of the row with that number. Where `at` grows, it does so nearly from row to row."""
    hours = 5 * number + draw.randint(0, 9) if table.description == GROWS else 24 * draw.randint(0, 2)
    drawn = {
        pl.String: lambda: draw.choice("abcdefghij"),
        pl.Float64: lambda: draw.choice(_NUMBERS),
        pl.Datetime: lambda: _AT + timedelta(hours=hours),
    }
    return {name: drawn[kind.base_type()]() for name, kind in table.columns.items()}


def _files(table: Table, draw: random.Random) -> list[pl.DataFrame]:
    """The rows of three files, of which the last replaces the first. Within a file a key comes once."""
    frames = []
    for number in range(3):
        rows = pl.DataFrame(
            [_values(table, draw, i) for i in range(12 * (number % 2), 12 * (number % 2) + 12)], schema=table.columns
        )
        rows = rows.unique(list(table.key) or None, keep="first", maintain_order=True)
        texts = [pl.lit(None, pl.String).alias(name) for name in (RULE, REASON, RAW)]
        about = [pl.lit("all").alias(PARTITION), pl.lit(number, pl.Int64).alias(STEP)]
        frames.append(rows.with_columns(pl.int_range(pl.len()).alias(ROW), *texts, *about))
    return frames


def _plan(frames: list[pl.DataFrame]) -> Plan:
    paths = ["a.csv", "b.csv", "a.csv"]
    files = [
        FileVersion(
            f"f{i}",
            path,
            1,
            f"{i}",
            0,
            0,
            frame.height,
            "{}",
            _AT.replace(month=i + 1),
            False,
            "ingested",
            None,
            None,
            "",
        )
        for i, (path, frame) in enumerate(zip(paths, frames, strict=True))
    ]
    return Plan("all", files, [Step(0, 0), Step(1, 0), Step(0, 1)], [False, True, True])


def _to_the_bit(rows: list[Rows]) -> list[str]:
    frames = [pl.read_parquet(one.path) if isinstance(one, Staged) else one for one in rows]
    assert all(frame.columns == frames[0].columns for frame in frames)
    return [repr(row) for frame in frames for row in frame.rows()]


def _counts(made: PartitionRows) -> list[Any]:
    columns = [(column.name, column.dtype, sorted(map(repr, column.whole()))) for column in made.columns()]
    return [made.versions, made.current, made.duplicates, made.overruled, made.spans, columns]


@pytest.mark.parametrize("name", _TABLES)
def test_frames_of_three_rows_give_the_rows_of_the_whole_partition(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(chunks, "ROWS", 3)
    table, signs = _TABLES[name], set()
    for seed in range(3):
        frames = _files(table, random.Random(seed))
        plan = _plan(frames)
        offered = Offered(
            [OfferedFile(frame.lazy(), pl.lit(True)) for frame in frames], sum(frame.height for frame in frames)
        )
        whole, parts = versions_at_once(lake, table, plan, offered), versions_in_parts(lake, table, plan, offered)
        assert _counts(parts) == _counts(whole)
        assert _to_the_bit(parts.rows) == _to_the_bit(whole.rows)
        assert (len(parts.rows) > 2) is (name == "times that grow")
        signs |= {"-0.0" in row for row in _to_the_bit(whole.rows)}
    assert signs == {True, False}
