"""The values of the online store that are made from the rows of an event table.

They are packed by the functions that fill the store from the lake.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl

from ml_platform.features.online.filling import appended, packed
from ml_platform.features.online.passes import OnlinePass
from ml_platform.serving.events.encoding import decoded
from ml_platform.serving.events.rows import TIMES, EventRows
from ml_platform.serving.online_store import Bounds, OnlineStore
from ml_platform.validation.version_order import PATH, ROW

_INSTANT = pl.Datetime("us", "UTC")
_SELECTED = "values_of, arrival, known, usable, superseded, path, row"
_CHUNK = 200_000  # rows that are decoded at once


class LayoutValues:
    """The values of the layouts over an event table, as its rows are when they are asked for."""

    def __init__(self, rows: EventRows) -> None:
        self._rows, self._database = rows, rows.database

    def bounds(self) -> Bounds:
        """What the layouts answer."""
        meta = self._database.meta()
        return Bounds(meta.get("horizon"), meta.get("since"), meta.get("snapshot") or 0)

    def _values_after(self, number: int) -> dict[bytes, bytes | None]:
        """Names and values of what changed by changes after that number; None: nothing is left under the name."""
        values: dict[bytes, bytes | None] = {}
        for index, by in enumerate(self._rows.joins):
            touched = f"SELECT DISTINCT join_{index} FROM rows WHERE number > ? AND join_{index} IS NOT NULL"
            keys = [key for (key,) in self._database.rows(touched, [number])]
            values |= self._packed_anew(index, keys, [one for one in self._rows.passes if one.by == by])
        return values | self._bounds_after(number)

    def _values_with(self, number: int, store: OnlineStore) -> dict[bytes, bytes | None]:
        """The same after one change that only added rows, from the values that the store has."""
        ((latest,),) = self._database.rows("SELECT min(superseded) FROM rows WHERE number = ?", [number])
        if latest is not None:
            return self._values_after(number - 1)
        frame = self._frame(self._database.rows(f"SELECT {_SELECTED} FROM rows WHERE number = ? ORDER BY id", [number]))
        values: dict[bytes, bytes | None] = {}
        for index, by in enumerate(self._rows.joins):
            for online_pass in (one for one in self._rows.passes if one.by == by):
                in_order, others = appended(online_pass, frame, store.read)
                values |= in_order
                keys = [name.removeprefix(online_pass.layout.fingerprint) for name in sorted(others)]
                values |= self._packed_anew(index, keys, [online_pass])
        return values | self._bounds_after(number - 1)

    def _packed_anew(self, join: int, keys: Sequence[bytes], passes: Sequence[OnlinePass]) -> dict[bytes, bytes | None]:
        """The values of keys of a join, from all of their rows."""
        if not keys or not passes:
            return {}
        sql = f"SELECT {_SELECTED} FROM rows WHERE join_{join} IN ({{listed}})"
        frame = self._frame(self._database.rows_in(sql, keys))
        horizon = self._database.meta().get("packing_horizon")
        values: dict[bytes, bytes | None] = {}
        for online_pass in passes:
            values |= dict.fromkeys(online_pass.layout.fingerprint + key for key in keys)
            values |= packed(online_pass, frame, horizon)
        return values

    def _bounds_after(self, number: int) -> dict[bytes, bytes]:
        if (self._database.meta().get("bounds_number") or 0) <= number:
            return {}
        return dict.fromkeys((one.layout.fingerprint for one in self._rows.passes), self.bounds().packed())

    def catch_up(self, store: OnlineStore) -> None:
        """Let the online store have what is in the journal and not there, as a process leaves it that was killed."""
        seen, number = store.mark(self._rows.table.name), self._database.meta()["number"]
        if seen < number:
            values = self._values_with(number, store) if seen == number - 1 else self._values_after(seen)
            store.change(values, self._rows.table.name, number)

    def all_values(self, online_pass: OnlinePass) -> Iterator[tuple[bytes, bytes]]:
        """Names and values of all keys of a pass."""
        horizon = self._database.meta().get("packing_horizon")
        column = f"join_{self._rows.joins.index(online_pass.by)}"
        rows: list[Any] = []
        last_key = None
        for key, *row in self._database.each(
            f"SELECT {column}, {_SELECTED} FROM rows WHERE {column} IS NOT NULL ORDER BY {column}"
        ):
            if key != last_key and len(rows) >= _CHUNK:
                yield from packed(online_pass, self._frame(rows), horizon)
                rows = []
            rows.append(row)
            last_key = key
        yield from packed(online_pass, self._frame(rows), horizon)

    def _frame(self, rows: Sequence[Any]) -> pl.DataFrame:
        """Rows as the validated layout has them."""
        own = json.loads(f"[{','.join(row[0] for row in rows)}]")
        frame = decoded(own, self._rows.table.columns)
        times = [
            pl.Series(name, [row[place] for row in rows], dtype=pl.Int64).cast(_INSTANT)
            for place, name in enumerate(TIMES, 1)
        ]
        places = [
            pl.Series(PATH, [row[5] for row in rows], dtype=pl.String),
            pl.Series(ROW, [row[6] for row in rows], dtype=pl.Int64),
        ]
        return frame.hstack([*times, *places])
