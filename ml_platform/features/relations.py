"""Reading validated relations: rows matched to the groups of one batch of examples."""

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from ml_platform.features.arrays import Integers
from ml_platform.features.forms import Form, On
from ml_platform.features.places import NEVER, Places
from ml_platform.naming import quoted
from ml_platform.spec.durations import EPOCH, since_epoch

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa

    from ml_platform.features.conditions import Condition

ROWS = 1 << 20  # rows of a table at once
TIMELESS = 2**61  # `at` of examples without time, in microseconds: after everything


@dataclass
class Batch:
    """Some examples with their early features, and what joins share."""

    connection: "duckdb.DuckDBPyConnection"
    frame: pl.DataFrame
    at: Integers
    tables: Mapping[str, str]
    _groups: dict[tuple[str, ...], tuple[Integers, pl.DataFrame]] = field(default_factory=dict)
    _places: dict[tuple[str, ...], Places] = field(default_factory=dict)

    def places(self, on: On) -> Places:
        """The examples in order of (group, at), where a group is a value of the join columns."""
        own = tuple(name for name, _ in on)
        if own not in self._places:
            self._places[own] = Places(self._group(own)[0], self.at)
        return self._places[own]

    def _group(self, own: tuple[str, ...]) -> tuple[Integers, pl.DataFrame]:
        if own not in self._groups:
            if own:
                keys = self.frame.select(own).drop_nulls().unique().with_row_index("_group")
                joined = self.frame.select(own).join(keys, on=list(own), how="left", maintain_order="left")
                group = joined["_group"].cast(pl.Int64).fill_null(-1).to_numpy()
            else:
                keys, group = pl.DataFrame({"_group": [0]}), np.zeros(len(self.frame), np.int64)
            self._groups[own] = group, keys
        return self._groups[own]

    @contextmanager
    def joined(self, table: str, on: On) -> Iterator[str]:
        """A FROM clause: the table's rows as `e` with their group as `k._group`; others are left out."""
        source = relation(self.tables[table])
        own = tuple(name for name, _ in on)
        if not on:
            yield f"{source} e CROSS JOIN (SELECT 0::BIGINT AS _group) k"
            return
        name = f"groups_{secrets.token_hex(6)}"
        self.connection.register(name, plain(self._group(own)[1]).to_arrow())
        try:
            yield f"{source} e JOIN {name} k ON " + " AND ".join(
                f"e.{quoted(theirs)} = k.{quoted(mine)}" for mine, theirs in on
            )
        finally:
            self.connection.unregister(name)

    def rows(
        self, form: Form, clock: str, values: Sequence[str] = (), condition: "Condition | None" = None, rest: str = ""
    ) -> Iterator["pa.RecordBatch"]:
        """The rows of a form's join that can count for these examples, some at a time, in no order of their own.

        Columns: `_group`; `_clock`, `_usable` and `_end` in microseconds; `values`, SQL over the row `e`. Rows
        without a clock and rows of which `condition` is not true are left out. `rest` continues the WHERE clause.
        """
        columns = [
            f"k._group AS _group, {micros(clock)} AS _clock, {micros('e._usable_at')} AS _usable, "
            f"{superseded()} AS _end",
            *values,
            *(f"e.{quoted(column)}" for column in (condition.columns if condition else ())),
        ]
        with self.joined(form.table, form.on) as source:
            sql = (
                f"SELECT {', '.join(columns)} FROM {source} WHERE {clock} IS NOT NULL "
                f"AND {self.reach('e._usable_at')} {rest}"
            )
            for read in self.connection.execute(sql).to_arrow_reader(ROWS):
                rows = condition.kept(read) if condition else read
                if rows.num_rows:
                    yield rows

    def reach(self, start: str) -> str:
        """A condition that keeps rows with start < the last `at` that are not superseded before the first `at`."""
        if len(self.at) == 0:
            return "false"
        end, first = "e._superseded_at", _moment(int(self.at.min()))
        return f"{start} < {_moment(int(self.at.max()))} AND ({end} IS NULL OR {end} >= {first})"

    def near(self, clock: str, span: int) -> str:
        """A condition that keeps rows with first `at` - span ≤ clock < last `at`. Files of other times are not read."""
        if len(self.at) == 0:
            return "false"
        return f"{clock} < {_moment(int(self.at.max()))} AND {clock} >= {_moment(int(self.at.min()) - span)}"


def relation(sql: str) -> str:
    """`sql`, a table's name or a query, as it may stand after FROM."""
    text = sql.strip().rstrip(";")
    return f"({text})" if " " in text else text


def micros(column: str) -> str:
    """A timestamp column as microseconds since 1970."""
    return f"epoch_us({column})"


def superseded() -> str:
    """The last moment for which the row counts; NEVER for a current row."""
    return f"coalesce(epoch_us(e._superseded_at), {NEVER})"


def plain(frame: pl.DataFrame) -> pl.DataFrame:
    """`frame` with text instead of categories: the lake has no ENUM."""
    return frame.with_columns(pl.col(pl.Categorical, pl.Enum).cast(pl.String))


def _moment(at: int) -> str:
    least, greatest = since_epoch(datetime(1, 1, 3, tzinfo=UTC)), 253_402_214_400_000_000  # 9999-12-31
    moment = EPOCH + timedelta(microseconds=max(least, min(at, greatest)))
    return f"TIMESTAMPTZ '{moment.isoformat()}'" if at < greatest else "TIMESTAMPTZ 'infinity'"
