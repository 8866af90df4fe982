"""Tables: where rows come from, which contract they must meet and when they count as known."""

from collections.abc import Callable
from typing import Any, Literal
from zoneinfo import available_timezones

import polars as pl

from ml_platform.errors import DeclarationError
from ml_platform.naming import check_identifier
from ml_platform.spec.column_names import check_apart, check_name
from ml_platform.spec.column_types import check_contract, stored
from ml_platform.spec.completeness import Marker, Watermark
from ml_platform.spec.durations import microseconds
from ml_platform.spec.plausibility import Plausible
from ml_platform.spec.sources import AnySource
from ml_platform.spec.vocabulary import Several, word


@word
class Table:
    """One table of the lake: its source, contract and clocks (S1, S2, S5, S35).

    Args:
        name: An identifier, unique in the lake.
        source: Where its rows come from.
        contract: A dataframely schema. Its primary key is the table's key. Its times are UTC.
        clean: A function of the raw frame, plus one frame for each name in `needs`, that returns the frame which the
            contract describes. It keeps the column `_row`, may drop rows, and works row by row. CSV columns arrive as
            text; the contract casts what it can.
        needs: Validated tables whose current rows `clean` reads.
        event_time: The column of the time when a row happened; None for a table without time, whose versions are
            ordered by arrival (S12).
        known_at: The column of the time when a row became known; default: `event_time`.
        time_zone: The zone of naive timestamps in the files. Without it they are refused.
        refresh: Rows are usable from the first multiple of this span (counted from 1970-01-01 UTC) at or after
            known_at: "1d" for a nightly load at midnight (S5).
        complete: When a partition has all its rows: `Watermark("2h")` or `Marker("done/rows_{partition}")`. Without it,
            the examples' table has `Watermark()` and no run waits for another table (S20).
        on_conflict: What happens to a key with other content in a second file: "quarantine" rejects the new row,
            "latest" lets the latest arrival win.
        plausible: Rules that the values of each partition are checked against, also on a first load (S49).
        identifiers: Columns that only name something, such as a flight number or a card. Like the key, they are left
            out of the checks of spread, direction and shift; other than the key, also out of that of categories.
        description: For readers.

    Raises:
        DeclarationError: For a column whose name or type the lake does not hold, a clock that is not in the contract or
            is no UTC time, and for options that contradict one another.

    >>> import dataframely as dy
    >>> from ml_platform.spec.sources import Files
    >>> class Flights(dy.Schema):
    ...     flight = dy.Int64(primary_key=True)
    ...     departs = dy.Datetime(time_zone="UTC")
    >>> Table("flights", Files("flights/*.csv"), Flights, event_time="departs", refresh="1d").key
    ('flight',)
    """

    name: str
    source: AnySource
    contract: Any
    clean: Callable[..., Any] | None = None
    needs: Several[str] = ()
    event_time: str | None = None
    known_at: str | None = None
    time_zone: str | None = None
    refresh: str | None = None
    complete: Watermark | Marker | None = None
    on_conflict: Literal["quarantine", "latest"] = "quarantine"
    plausible: Several[Plausible] = ()
    identifiers: Several[str] = ()
    description: str = ""

    def __post_init__(self) -> None:
        where = f"Table({self.name!r})"
        check_identifier(self.name, where)
        if not (isinstance(self.contract, type) and hasattr(self.contract, "primary_key")):
            raise DeclarationError(where, "contract= is not a dataframely schema", remedy="Pass the class.")
        for column in self.columns:
            check_name(column, where)
        check_apart(self.columns, where)
        check_contract(self.columns, where)
        for role in ("event_time", "known_at"):
            column = getattr(self, role)
            if column is None:
                continue
            if column not in self.columns:
                raise DeclarationError(
                    where,
                    f"{role}={column!r} is not in the contract",
                    remedy=f"Its columns: {', '.join(self.columns)}.",
                )
            if self.columns[column] != pl.Datetime("us", "UTC"):
                raise DeclarationError(
                    where,
                    f"{role}={column!r} is {self.columns[column]}",
                    remedy='Declare it dy.Datetime(time_zone="UTC").',
                )
        if self.known_at is not None and self.event_time is None:
            raise DeclarationError(where, "known_at= without event_time=", remedy="Declare event_time too.")
        if self.time_zone is not None and self.time_zone not in available_timezones():
            raise DeclarationError(
                where, f"time_zone={self.time_zone!r} is no time zone", remedy="Use a name such as America/New_York."
            )
        if self.refresh is not None:
            microseconds(self.refresh, f"{where}.refresh")
        if isinstance(self.complete, Watermark) and self.event_time is None:
            raise DeclarationError(where, "complete=Watermark without event_time=", remedy="Give a Marker.")
        if isinstance(self.complete, Marker) and self.source.covers(self.complete.of("x")):
            raise DeclarationError(
                where, f"the marker {self.complete.path} is one of its files", remedy="Put it elsewhere."
            )
        self._check_plausible(where)
        if self.needs and self.clean is None:
            raise DeclarationError(where, "needs= without clean=", remedy="Only clean reads the tables in needs.")

    def _check_plausible(self, where: str) -> None:
        unknown = [name for name in self.identifiers if name not in self.columns]
        if unknown:
            raise DeclarationError(
                where,
                f"identifiers= names {', '.join(unknown)}, which is not in the contract",
                remedy=f"Its columns: {', '.join(self.columns)}.",
            )
        for number, rule in enumerate(self.plausible):
            rule.check_columns(self.columns, f"{where}.Plausible({rule.name!r})")
            if rule.name in [earlier.name for earlier in self.plausible[:number]]:
                raise DeclarationError(where, f"two rules are called {rule.name!r}", remedy="Rename one of them.")

    @property
    def columns(self) -> dict[str, pl.DataType]:
        """The contract's columns with their polars types, in order."""
        return {name: column.dtype for name, column in self.contract.columns().items()}

    @property
    def stored_columns(self) -> dict[str, pl.DataType]:
        """The same as they are read behind validation: levels as text."""
        return {name: stored(dtype) for name, dtype in self.columns.items()}

    @property
    def key(self) -> tuple[str, ...]:
        """The contract's primary key; empty when it has none."""
        return tuple(self.contract.primary_key())

    @property
    def known_column(self) -> str | None:
        """The column of the time when a row became known: known_at, else event_time."""
        return self.known_at or self.event_time
