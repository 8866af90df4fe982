"""A stored `where=`: the condition that rows must meet to count. A null does not meet it."""

from typing import Any

import polars as pl

from ml_platform.features.forms import TableForm
from ml_platform.features.rowwise import DerivedColumn, derive
from ml_platform.spec.expressions import columns_read

_HOLDS = "_holds"


class Condition:
    """The condition over rows of `table`, many at once or one."""

    def __init__(self, where: dict[str, Any], table: TableForm, title: str) -> None:
        self.where = where
        self._types = {name: table.columns[name] for name in sorted(columns_read(where))}
        self._steps = ((DerivedColumn.of(_HOLDS, where, self._types, f"{title}.where"),),)

    @property
    def columns(self) -> list[str]:
        """The columns that it reads."""
        return list(self._types)

    def mask(self, rows: pl.DataFrame) -> pl.Series:
        """Whether it is true of each row."""
        read = [rows[name].cast(dtype) for name, dtype in self._types.items()]
        typed = pl.DataFrame(read) if read else rows
        return derive(typed, self._steps)[_HOLDS].fill_null(False)

    def kept(self, rows: Any) -> Any:
        """Of Arrow rows those of which it is true, without the columns that it reads."""
        frame = pl.DataFrame(pl.from_arrow(rows))
        return frame.filter(self.mask(frame)).drop(self.columns).to_arrow()
