"""A stored `where=`: the condition that rows must meet to count. A null does not meet it."""

from collections.abc import Mapping
from typing import Any

import polars as pl

from ml_platform.features.feeds import Entry, Feed, Key, Keys, News
from ml_platform.features.forms import TableForm
from ml_platform.features.rowwise import DerivedColumn, derive
from ml_platform.spec.expressions import columns_read

_HOLDS = "_holds"


class Condition:
    """The condition over rows of `table`, many at once or one."""

    def __init__(self, where: dict[str, Any], table: TableForm, title: str) -> None:
        self._types = {name: table.columns[name] for name in sorted(columns_read(where))}
        self._steps = ((DerivedColumn.of(_HOLDS, where, self._types, f"{title}.where"),),)

    @property
    def columns(self) -> list[str]:
        """The columns that it reads."""
        return list(self._types)

    def mask(self, rows: pl.DataFrame) -> pl.Series:
        """Whether it is true of each row."""
        typed = rows.with_columns(pl.col(name).cast(dtype) for name, dtype in self._types.items())
        return derive(typed, self._steps)[_HOLDS].fill_null(False)

    def kept(self, rows: Any) -> Any:
        """Of Arrow rows those of which it is true, without the columns that it reads."""
        frame = pl.DataFrame(pl.from_arrow(rows))
        return frame.filter(self.mask(frame)).drop(self.columns).to_arrow()

    def holds(self, row: Mapping[str, Any]) -> bool:
        """Whether it is true of the row."""
        frame = pl.DataFrame({name: [row[name]] for name in self._types}, schema=self._types)
        return derive(frame, self._steps)[_HOLDS][0] is True


class ConditionalFeed:
    """A feed that takes in only the rows for which the condition is true."""

    def __init__(self, condition: Condition, keys: Keys, feed: Feed) -> None:
        self._condition, self._keys, self._feed = condition, keys, feed

    def entries(self, row: Mapping[str, Any], moments: Mapping[str, int], mark: Any) -> list[Entry]:
        """As Feed says; none for a row of which the condition is not true."""
        if self._keys.of_row(row) is None or not self._condition.holds(row):
            return []
        return self._feed.entries(row, moments, mark)

    def insert_many(self, news: News) -> None:
        self._feed.insert_many(news.where(self._condition.mask(news.frame)))

    def answer(self, key: Key | None, at: int) -> dict[str, Any]:
        return self._feed.answer(key, at)
