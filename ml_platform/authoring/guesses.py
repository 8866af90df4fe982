"""Guesses the prediction time, the key, the target and the group of a file, with reasons."""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from ml_platform.authoring.columns import LEVELS, NUMBERS, TIMES, Column
from ml_platform.authoring.opened import Opened

MOST_GAPS = 0.05  # of the rows may have no time: they go to quarantine
_IDENTIFIER = re.compile(r"(^|_)(id|key|uuid|guid|number|nr|no|code|rownames|row|index|unnamed_\d+)$")
_WHEN = ("timestamp", "event_time", "time", "datetime", "at", "date", "day", "ts")
_NO_EVENT = re.compile(r"birth|(^|_)dob(_|$)|expir|valid_(to|until|thru)")
_LATE = re.compile(r"until|(^|_)end|clos|resol|cancel|churn|updat|deliver|finish|(^|_)due|paid|return|complet")
_TARGETS = ("target", "label", "class", "outcome", "y", "churn", "churned", "fraud", "is_fraud", "default", "survived",
            "cnt", "count", "price", "sales", "demand", "species", "genre", "quality", "response")  # fmt: skip
_WHO = (
    "customer|client|patient|user|member|account|player|subject|person|employee|driver|household|device|machine|"
    "vehicle|student|seller|shopper"
)
_ENTITY = re.compile(rf"^({_WHO})(_(id|no|nr|number|code|key))?$|_({_WHO})(_(id|no|nr|number|code|key))?$")
_REPEATED_ID = re.compile(r"(^|_)(id|uuid|guid)$")
_FEWEST_GROUPS = 20  # fewer are categories
_LARGEST_GROUP = 30  # rows a value, on average; more are a category, unless the name says who it is


@dataclass(frozen=True)
class Guess:
    """A column, and why it was chosen."""

    column: Column
    why: str


def guess_at(columns: Sequence[Column]) -> Guess | None:
    """The likely time of a row: of several days, with few gaps, and when the row began rather than ended."""
    times = [c for c in columns if _could_be_at(c)]
    best = max(times, key=lambda c: _rank(c, times), default=None)
    if best is None:
        return None
    if len(times) == 1:
        return Guess(best, "the only time of the rows")
    why = "its name is usual for that" if likeness(best.clean, _WHEN) else "of the times the one that fits best"
    return Guess(best, why)


def why_untimed(columns: Sequence[Column]) -> str:
    """Why no column is taken as the prediction time, as a clause."""
    times = [c for c in columns if c.kind in TIMES]
    reasons = [f"{c.clean} {_why_not(c)}" for c in times]
    parts = [c.clean for c in columns if c.clean in ("year", "month", "day", "hour") and c.kind == "integer"]
    if "year" in parts and len(parts) > 1:
        reasons.append(f"{', '.join(parts)} are parts of a date, which clean could put together")
    return "; ".join(reasons) if reasons else "no column holds times"


def _could_be_at(column: Column) -> bool:
    return column.kind in TIMES and not _why_not(column)


def _why_not(column: Column) -> str:
    if column.distinct < 2:
        return "is the same in all rows"
    if column.nulls > MOST_GAPS * column.rows:
        return f"is missing in {column.nulls:,} of {column.rows:,} rows"
    if _NO_EVENT.search(column.clean):
        return "is no time at which the row happened, by its name"
    return ""


def _rank(column: Column, times: Sequence[Column]) -> tuple[Any, ...]:
    past = _day(column.high) <= datetime.now(UTC).date()
    earlier = sum(_before(column, other) for other in times)
    named = likeness(column.clean, _WHEN)
    return past, not _LATE.search(column.clean), column.distinct > 2, not column.nulls, named, earlier, -column.index


def _before(one: Column, other: Column) -> bool:
    """Whether it lies before the other in nearly all rows."""
    if one is other:
        return False
    earlier = (one.sample.dt.date() <= other.sample.dt.date()).drop_nulls()
    return len(earlier) > 0 and bool(earlier.mean() >= 0.99) and not one.sample.equals(other.sample)  # type: ignore[operator]


def guess_key(opened: Opened, columns: Sequence[Column], at: Column | None) -> tuple[Column, ...]:
    """The first column that looks like an identifier and is unique, else a unique text, else one with the time.

    Rows that come twice whole do not count, because ingestion drops them.
    """
    rows = opened.different
    unique = [
        c for c in columns if c is not at and c.nulls == 0 and c.distinct == rows and c.kind in ("text", "integer")
    ]
    for column in sorted(unique, key=lambda c: (_IDENTIFIER.search(c.clean) is None, c.index)):
        if _IDENTIFIER.search(column.clean) or column.kind == "text" or _counts_up(column):
            return (column,)
    if at is None or at.nulls:
        return ()
    if at.distinct == rows:
        return (at,)
    others = [c for c in columns if c.kind in ("text", "integer") and c.nulls == 0 and c.distinct > 1]
    others.sort(key=lambda c: (_IDENTIFIER.search(c.clean) is None, c.kind != "text", c.index))
    for other in [c for c in others if c.distinct * at.distinct >= rows][:20]:
        if opened.distinct([at.index, other.index]) == rows:
            return (at, other)
    return ()


def guess_target(columns: Sequence[Column], name: str, taken: Collection[Column]) -> Guess | None:
    """The column that is called like the pipeline or like targets are, else the last that could be one."""
    words = set(name.split("_"))
    free = [c for c in columns if c not in taken and c.distinct > 1 and _possible(c)]
    alike = {c.clean: likeness(c.clean, (name, *_TARGETS)) + (c.clean in words) for c in free}
    best = max(free, key=lambda c: (alike[c.clean], c.index), default=None)
    if best is None:
        return None
    if best.clean in words or likeness(best.clean, (name,)):
        return Guess(best, "it is called like the pipeline")
    if alike[best.clean]:
        return Guess(best, "its name is usual for targets")
    return Guess(best, "the last column that could be one, which is where targets often stand")


def guess_group(columns: Sequence[Column], taken: Collection[Column]) -> Column | None:
    """The identifier that repeats: of a customer, a patient, a machine with several rows; None without one."""
    free = [c for c in columns if c not in taken and c.kind in ("text", "integer") and _repeats(c)]
    some = [c for c in free if _REPEATED_ID.search(c.clean) and c.rows <= _LARGEST_GROUP * c.distinct]
    named = [c for c in free if _ENTITY.search(c.clean)] or some
    return max(named, key=lambda c: (c.distinct, -c.index), default=None)


def _repeats(column: Column) -> bool:
    filled = column.rows - column.nulls
    return column.nulls <= MOST_GAPS * column.rows and _FEWEST_GROUPS <= column.distinct <= 0.95 * filled


def looks_like_identifier(column: Column) -> bool:
    """Whether its name is that of an identifier."""
    return _IDENTIFIER.search(column.clean) is not None


def likeness(name: str, words: Collection[str]) -> int:
    """How much a name is like one of the words: the same, ending or beginning with it, or not at all.

    >>> likeness("ordered_at", ("at",))
    2
    """
    if name in words:
        return 3
    if any(name.endswith(f"_{word}") for word in words):
        return 2
    return int(any(name.startswith((f"{word}_", f"{word}time")) for word in words))


def _possible(column: Column) -> bool:
    if column.kind in ("boolean", *NUMBERS):
        return not (column.kind == "integer" and column.unique)
    return column.kind == "text" and 1 < len(column.categories) <= LEVELS


def _counts_up(column: Column) -> bool:
    return column.kind == "integer" and bool(column.high - column.low + 1 == column.rows) and column.low in (0, 1)


def _day(moment: Any) -> date:
    day: date = moment.date() if isinstance(moment, datetime) else moment
    return day
