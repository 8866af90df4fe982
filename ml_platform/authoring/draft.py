"""A draft: all choices of a declaration before it is written."""

import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from ml_platform.authoring.columns import Column
from ml_platform.authoring.guesses import why_untimed
from ml_platform.authoring.identifiers import class_name, unused
from ml_platform.authoring.opened import Opened
from ml_platform.authoring.roles import Roles
from ml_platform.authoring.splitting import HOLDOUT, VALIDATION, spans, widest_gap
from ml_platform.authoring.uses import Use
from ml_platform.errors import AuthoringError

_MONTHS, _ROWS_A_MONTH = 3, 200  # from which on a month is worth a partition
_JUDGED, _JUDGED_OF_A_CLASS = 200, 30  # rows that a holdout by time should have
_STILL_COMING = timedelta(days=60)  # after the last row a file counts as finished


@dataclass(frozen=True)
class Parts:
    """Partitions and split: `since`, `until` and `first` (the first trainable month) only with monthly partitions."""

    validation: str | float
    holdout: str | float
    min_examples: int
    since: str | None = None
    until: str | None = None
    first: str | None = None


@dataclass(frozen=True)
class Draft:
    """The draft of one file.

    row:     the key of row numbers, if no column is a key.
    untimed: why the split is not by time; empty when it is.
    """

    name: str
    table: str
    opened: Opened
    uses: list[Use]
    roles: Roles
    zone: str
    parts: Parts
    row: str | None
    untimed: str

    @property
    def contract(self) -> str:
        return class_name(self.table)

    @property
    def columns(self) -> list[Column]:
        """Those of the contract."""
        return [use.column for use in self.uses if use.role != "left out"]

    @property
    def keys(self) -> list[str]:
        return [column.clean for column in self.roles.key] if self.row is None else [self.row]

    @property
    def column_nulls(self) -> dict[str, list[str]]:
        """File's column name → the texts that mean null in it, where they are not those of the source."""
        return {column.name: list(column.none) for column in self.columns if column.none is not None}

    @property
    def naive(self) -> bool:
        """Whether some time has no offset, so that the table needs a time zone."""
        return any(column.naive and (column.kind == "moment" or column is self.roles.at) for column in self.columns)

    @property
    def group(self) -> Column | None:
        """The column whose rows stay together; None where the split is by time."""
        return self.roles.group if self.untimed else None

    def in_utc(self, column: Column, value: Any) -> Any:
        """A value of a column, a moment of the file's clock in UTC."""
        return moment(value, self.zone, naive=column.naive) if isinstance(value, datetime) else value

    def of(self, role: str) -> list[Use]:
        """The uses of that role, in the file's order."""
        return [use for use in self.uses if use.role == role]

    @property
    def names(self) -> dict[str, str]:
        """File's name → ours, where they differ: of the contract's columns, and of others that would be in the way."""
        ours = {column.clean for column in self.columns}
        return {
            use.column.name: use.column.clean
            for use in self.uses
            if use.column.name != use.column.clean and (use.role != "left out" or use.column.name in ours)
        }


def drafted(name: str, table: str, opened: Opened, uses: list[Use], roles: Roles, zone: str) -> Draft:
    """The draft. Raises AuthoringError when no column is left to predict from."""
    if not any(use.role == "input" for use in uses) and roles.at is None:
        reasons = "; ".join(f"{use.column.name}: {use.why}" for use in uses if use.why)[:500]
        raise AuthoringError(
            f"No column of {opened.path} is left to predict {roles.target.name!r} from ({reasons}).",
            remedy="Add columns that are known before the prediction.",
        )
    row = None if roles.key else unused("row", [use.column.clean for use in uses])
    rows = opened.different if roles.key else opened.rows
    parts = _parts(roles, rows, zone)
    return Draft(name, table, opened, uses, roles, zone, parts, row, _why_untimed(uses, roles, parts))


def _why_untimed(uses: list[Use], roles: Roles, parts: Parts) -> str:
    if isinstance(parts.holdout, str):
        return ""
    if roles.at is not None:
        return f"{roles.at.clean} has {roles.at.distinct} different times, and three parts need three"
    return why_untimed([use.column for use in uses])


def moment(value: date, zone: str, *, naive: bool) -> datetime:
    """A date or time of a file as a moment in UTC."""
    whole = value if isinstance(value, datetime) else datetime(value.year, value.month, value.day, tzinfo=UTC)
    return whole.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) if naive else whole


def _parts(roles: Roles, rows: int, zone: str) -> Parts:
    at = roles.at
    times = at.sample.cast(pl.Datetime("us", "UTC")) if at is not None else None
    cut = spans(times) if times is not None else None
    if at is None or times is None or cut is None:
        return Parts(VALIDATION, HOLDOUT, max(10, rows // 2))
    low, high = (moment(value, zone, naive=at.naive) for value in (at.low, at.high))
    months = (high.year - low.year) * 12 + high.month - low.month + 1
    wanted = max(_JUDGED, math.ceil(_JUDGED_OF_A_CLASS / _rarest(roles)))
    day = timedelta(days=1)
    holdout = max(14, math.ceil(wanted / rows * ((high - low) / day + 1)))
    least = math.ceil(2 * 1.5 * holdout * rows / ((high - low) / day + 1))
    dense = widest_gap(times) <= holdout / 2 * day
    if dense and months >= _MONTHS and rows / months >= _ROWS_A_MONTH and least <= 0.6 * rows:
        finished = high < datetime.now(UTC) - _STILL_COMING
        trained = low + (high - low) * (least / rows)
        return Parts(
            f"{math.ceil(holdout / 2)}d",
            f"{holdout}d",
            least,
            f"{low:%Y-%m}",
            f"{_next_month(high):%Y-%m}" if finished else None,
            f"{trained:%Y-%m}" if f"{trained:%Y-%m}" < f"{high:%Y-%m}" else None,
        )
    return Parts(*cut, max(10, rows // 2))


def _rarest(roles: Roles) -> float:
    """The share of the rarest class; 1 for a number."""
    if roles.task == "regression":
        return 1.0
    shares = [count / roles.target.rows for count in roles.target.category_rows]
    return max(min(shares), 0.002)


def _next_month(day: date) -> date:
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)
