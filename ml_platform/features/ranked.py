"""Features that take one row of a table, in batch: the rows of a join ranked once, for every kind of them."""

import secrets
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from ml_platform.features.arrays import Integers
from ml_platform.features.forms import JoinedForm, TableForm, Word
from ml_platform.features.places import HighestRanks, Places
from ml_platform.features.relations import ROWS, Batch, micros, superseded
from ml_platform.naming import quoted
from ml_platform.validation.version_order import PATH, ROW


class RankedForm(JoinedForm[Word]):
    """A form whose outputs come from one row: of those that cover the example, the one that ranks highest.

    Rows rank by event time, knowledge, arrival and key (S10); those of a table without time by arrival. Rows of a
    table without key that tie rank by the path of their file and their row there.
    """

    shared = "ranked"  # all kinds of them rank the rows alike

    @abstractmethod
    def covered(self, clock: Integers, usable: Integers, end: Integers) -> tuple[Integers, Integers]:
        """(start, last) of rows: each counts for examples with start < at ≤ last. All in microseconds.

        clock: the event time; of a table without time, when the first version of the key was usable.
        """

    @abstractmethod
    def picked(self, rows: pl.DataFrame, at: pl.Series) -> dict[str, pl.Series]:
        """Outputs and status of examples, from the row of each: `_clock` and `columns`, null where there is none."""

    def code_version(self, table: TableForm) -> int:
        return 1 if table.key else 2  # rows that tie ranked by the id of their file before

    @classmethod
    def compute(cls, forms: Sequence[Any], table: TableForm, batch: Batch) -> dict[str, pl.Series]:
        places, at = batch.places(forms[0].on), pl.Series(batch.at)
        ranked = _RankedRows(batch, table, forms)
        outputs: dict[str, pl.Series] = {}
        for form in forms:
            outputs |= form.picked(ranked.of_examples(form, places), at)
        ranked.drop()
        return outputs


class _RankedRows:
    """The rows of one join in a temporary table, numbered in the order in which they are preferred."""

    def __init__(self, batch: Batch, table: TableForm, forms: Sequence[RankedForm[Any]]) -> None:
        self.batch, self.table = batch, table
        self.name = f"temp.main.ranked_{secrets.token_hex(6)}"
        self.columns = sorted({column for form in forms for column in form.columns})
        if table.timed:
            event = f"e.{quoted(table.event_time or '')}"
            order, reach = [event, "e._known_at", "e._arrival"], f"AND {batch.reach('e._usable_at')}"
            clock = f"{micros(event)} AS _clock"
        else:
            order, reach = ["e._arrival"], ""
            clock = f"min({micros('e._usable_at')}) OVER (PARTITION BY k._group) AS _clock"
        order += [f"e.{quoted(column)}" for column in table.key or (PATH, ROW)]
        columns = [
            f"k._group AS _group, {clock}, {micros('e._usable_at')} AS _usable, {superseded()} AS _end",
            *(f"e.{quoted(column)}" for column in self.columns),
        ]
        with batch.joined(forms[0].table, forms[0].on) as source:
            batch.connection.execute(
                f"CREATE TEMP TABLE {self.name} AS "
                f"SELECT row_number() OVER (ORDER BY {', '.join(order)}) - 1 AS _rank, {', '.join(columns)} "
                f"FROM {source} WHERE e._usable_at IS NOT NULL {reach}"
            )

    def drop(self) -> None:
        self.batch.connection.execute(f"DROP TABLE {self.name}")

    def of_examples(self, form: RankedForm[Any], places: Places) -> pl.DataFrame:
        """The row that each example takes; nulls where there is none."""
        rank = pl.DataFrame({"_rank": self._ranks(form, places)[places.place_of]})
        wanted = rank.filter(pl.col("_rank") >= 0).unique()
        name = f"wanted_{secrets.token_hex(6)}"
        self.batch.connection.register(name, wanted.to_arrow())
        columns = ", ".join(["_rank", "_clock", *(quoted(column) for column in self.columns)])
        rows = self.batch.connection.execute(f"SELECT {columns} FROM {self.name} SEMI JOIN {name} USING (_rank)").pl()
        self.batch.connection.unregister(name)
        typed = rows.with_columns(pl.col(column).cast(self.table.columns[column]) for column in self.columns)
        return rank.join(typed, on="_rank", how="left", maintain_order="left")

    def _ranks(self, form: RankedForm[Any], places: Places) -> Integers:
        highest = HighestRanks(places)
        reader = self.batch.connection.execute(
            f"SELECT _rank, _group, _clock, _usable, _end FROM {self.name}"
        ).to_arrow_reader(ROWS)
        for rows in reader:
            rank, group, clock, usable, end = (np.asarray(column, np.int64) for column in rows.columns)
            highest.add(rank, group, *form.covered(clock, usable, end))
        return highest.result()
