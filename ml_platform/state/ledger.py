"""The ledger: outputs and their content keys, so that re-running skips finished work (S31, S32).

A record has a typed `result`, which steps use, and details that are fetched one record at a time: display values,
check results and inputs.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, TypeVar

from sqlalchemy import Connection, func, select

from ml_platform.errors import StateError
from ml_platform.lake.recipes import Read
from ml_platform.lake.shown_blobs import shown_blobs
from ml_platform.lake.transaction import Author
from ml_platform.state.database import AnyRow, State
from ml_platform.state.results import Result, from_json, to_json
from ml_platform.state.schema import decisions, promotions, record_details, records, withdrawals

R = TypeVar("R", bound=Result)
Key = tuple[str, str]  # asset, partition
_FEW = 40  # queries of one record cost as much as one of 2,000


@dataclass(frozen=True)
class Record:
    """One output: which asset and partition, from which key, with what bytes or rows.

    `output` is the hash of the blob, or empty for tables, which are told apart by their key.
    `files` are files outside lake and blobs that are part of the output: path under the data
    folder → SHA-256.
    """

    id: int
    asset: str
    partition: str
    content_key: str
    output: str
    rows: int
    files: Mapping[str, str]
    run_id: str
    recorded_at: datetime
    stored_result: str = field(repr=False)

    @cached_property
    def result(self) -> Result:
        """The typed result. Raises StateError for one that newer code wrote."""
        return from_json(self.stored_result)

    def result_as(self, kind: type[R]) -> R:
        """The result as that kind. Raises StateError for another kind."""
        if not isinstance(self.result, kind):
            raise StateError(
                f"{self.asset} {self.partition} has a result of kind {self.result.kind!r}, not {kind.kind!r}.",
                remedy="Run with --recompute to make it again.",
            )
        return self.result


@dataclass(frozen=True)
class Details:
    """The details of one record. `checks` are the fields of check results."""

    display: Mapping[str, Any] = field(default_factory=dict)
    checks: Sequence[Mapping[str, Any]] = ()
    reads: tuple[Read, ...] | None = None


def record(
    state: State,
    author: Author,
    *,
    rows: int,
    result: Result,
    output: str = "",
    display: Mapping[str, Any] | None = None,
    checks: Iterable[Mapping[str, Any]] = (),
    files: Mapping[str, str] | None = None,
) -> Record:
    """Record an output, with `author.reads` as its inputs. The output must exist already (S43)."""
    listed_checks = list(checks)
    with state.writing() as connection:
        values = {
            "asset": author.asset,
            "partition": author.partition,
            "content_key": author.content_key,
            "output": output,
            "rows": rows,
            "result": to_json(result),
            "files": json.dumps(dict(files or {})),
            "run_id": author.run_id,
            "recorded_at": state.stamp(),
        }
        number = connection.execute(records.insert().values(values)).inserted_primary_key
        assert number is not None  # the database numbers every record
        connection.execute(
            record_details.insert().values(
                record_id=number[0],
                display=json.dumps(dict(display or {})),
                checks=json.dumps(listed_checks),
                blobs=json.dumps(sorted(shown_blobs([display, listed_checks]))),
                reads=json.dumps([list(asdict(read).values()) for read in author.reads]),
            )
        )
    return _record((number[0], *values.values()))


def newest_number(state: State, asset: str | None = None) -> int:
    """The number of the newest record of an asset, or of any; 0 without one. It grows with every output."""
    chosen = select(func.max(records.c.id))
    return int(state.value(chosen if asset is None else chosen.where(records.c.asset == asset)) or 0)


def recorded_at(state: State, number: int) -> datetime | None:
    """When the record of that number was made; None where there is none."""
    moment: datetime | None = state.value(select(records.c.recorded_at).where(records.c.id == number))
    return moment


def latest(state: State, asset: str) -> Mapping[Key, Record]:
    """The newest record of every partition of an asset, in one query; inside `reading()` asked once."""
    return state.once(f"ledger of {asset}", lambda: _latest(state, asset))


def latest_unlike(state: State, asset: str, result: Result) -> list[Record]:
    """The newest records of the partitions of an asset, without those whose result is stored as `result` is."""
    newest = select(func.max(records.c.id)).where(records.c.asset == asset).group_by(records.c.partition)
    unlike = records.c.id.in_(newest) & (records.c.result != to_json(result))
    return [_record(row) for row in state.rows(select(records).where(unlike).order_by(records.c.partition))]


def latest_of(state: State, asset: str, partition: str) -> Record | None:
    """The newest record of one partition of an asset; None when there is none.

    Inside `reading()` a few partitions are asked for one by one, and all at once where there are more.
    """
    if not state.is_reading:
        return _latest_of(state, asset, partition)
    single: dict[str, Record | None] = state.once(f"single records of {asset}", dict)
    if partition not in single:
        if state.remembers(f"ledger of {asset}") or len(single) >= _FEW:
            return latest(state, asset).get((asset, partition))
        single[partition] = _latest_of(state, asset, partition)
    return single[partition]


def latest_of_each(state: State, asset: str, partitions: Collection[str]) -> list[Record]:
    """The newest records of these partitions of an asset, as far as there are any, in that order."""
    if len(partitions) <= _FEW:
        single = [latest_of(state, asset, partition) for partition in partitions]
    else:
        records_by_partition = latest(state, asset)
        single = [records_by_partition.get((asset, partition)) for partition in partitions]
    return [record for record in single if record is not None]


def _latest_of(state: State, asset: str, partition: str) -> Record | None:
    mine = select(records).where(records.c.asset == asset, records.c.partition == partition)
    row = state.first(mine.order_by(records.c.id.desc()).limit(1))
    return None if row is None else _record(row)


def with_blobs_or_files(state: State, assets: Collection[str]) -> list[Record]:
    """The newest records of these assets that name a blob or files outside the lake."""
    mine = records.c.asset.in_(assets)
    newest = select(func.max(records.c.id)).where(mine).group_by(records.c.asset, records.c.partition)
    outside = (records.c.output != "") | (records.c.files != "{}")
    rows = state.rows(select(records).where(mine, outside, records.c.id.in_(newest)).order_by(records.c.id))
    return [_record(row) for row in rows]


def partitions(state: State, asset: str) -> set[str]:
    """The partitions of an asset that have a record."""
    return {row[0] for row in state.rows(select(records.c.partition).where(records.c.asset == asset).distinct())}


def assets(state: State) -> list[str]:
    """Every asset that has a record."""
    return [row[0] for row in state.rows(select(records.c.asset).distinct().order_by(records.c.asset))]


def rows_of_each(state: State, asset: str) -> dict[str, int]:
    """How many rows the newest record of each partition of an asset has, in the order of the partitions."""
    c = records.c
    newest = select(func.max(c.id)).where(c.asset == asset).group_by(c.partition)
    return {
        row[0]: row[1] for row in state.rows(select(c.partition, c.rows).where(c.id.in_(newest)).order_by(c.partition))
    }


def history(state: State, asset: str, partitions: Collection[str] | None = None) -> list[Record]:
    """Every record of an asset, or of these partitions of it, oldest first."""
    chosen = select(records).where(records.c.asset == asset)
    if partitions is not None:
        chosen = chosen.where(records.c.partition.in_(partitions))
    return [_record(row) for row in state.rows(chosen.order_by(records.c.id))]


def since(state: State, number: int) -> list[Record]:
    """Every record after the one of that number, oldest first."""
    return [_record(row) for row in state.rows(select(records).where(records.c.id > number).order_by(records.c.id))]


def newest_ids(state: State) -> tuple[int, ...]:
    """The newest ids of records, decisions and promotions, and how many withdrawals have ended.

    One of them grows with every change of the operational state that makes something due.
    """
    newest = (func.max(records.c.id), func.max(decisions.c.id), func.max(promotions.c.seq))
    numbers = (*newest, func.count(withdrawals.c.ended_at))
    return tuple(state.value(select(number)) or 0 for number in numbers)


def details(state: State, number: int) -> Details:
    """The details of one record. `reads` is None for an output from before inputs were recorded."""
    row = state.first(select(record_details).where(record_details.c.record_id == number))
    if row is None:
        return Details()
    return Details(json.loads(row.display), json.loads(row.checks), parsed_reads(row.reads))


def set_reads(state: State, reads: Mapping[int, Sequence[Read]]) -> None:
    """Record the inputs of outputs from before inputs were recorded: record id → inputs."""
    with state.writing() as connection:
        for number, inputs in reads.items():
            _set_reads(connection, number, inputs)


def _set_reads(connection: Connection, number: int, inputs: Sequence[Read]) -> None:
    listed = json.dumps([list(asdict(read).values()) for read in inputs])
    connection.execute(record_details.update().where(record_details.c.record_id == number).values(reads=listed))


def parsed_reads(text: str) -> tuple[Read, ...] | None:
    """The stored form of inputs, as `Read`s; None for "null"."""
    listed = json.loads(text)
    return None if listed is None else tuple(Read(*one) for one in listed)


def _latest(state: State, asset: str) -> dict[Key, Record]:
    newest = select(func.max(records.c.id)).where(records.c.asset == asset).group_by(records.c.partition)
    rows = state.rows(select(records).where(records.c.id.in_(newest)).order_by(records.c.partition))
    return {(row.asset, row.partition): _record(row) for row in rows}


def _record(row: AnyRow | tuple[Any, ...]) -> Record:
    number, asset, partition, key, output, rows, result, files, run_id, recorded_at = row
    return Record(number, asset, partition, key, output, rows, json.loads(files), run_id, recorded_at, result)
