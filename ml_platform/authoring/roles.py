"""Guesses and checks the key, the prediction time and the target."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from ml_platform.authoring.columns import LEVELS, TIMES, Column
from ml_platform.authoring.opened import Opened
from ml_platform.errors import AuthoringError

FEWEST_OF_A_CLASS = 10  # rows; with fewer a holdout has two, and nothing can be said
_IDENTIFIER = re.compile(r"(^|_)(id|key|uuid|guid|number|nr|no|code|rownames|row|index|unnamed_\d+)$")
_WHEN = ("timestamp", "event_time", "time", "datetime", "at", "date", "day", "month", "ts")
_OTHER_TIMES = re.compile(r"birth|dob|expir|until|end|clos|resol|cancel|churn|update|deliver|arriv|finish|due|paid")
_TARGETS = tuple(
    [
        "target",
        "label",
        "class",
        "outcome",
        "y",
        "churn",
        "churned",
        "fraud",
        "is_fraud",
        "default",
        "survived",
        "cnt",
        "count",
        "price",
        "sales",
        "demand",
        "species",
        "genre",
        "quality",
        "response",
    ]
)
_POSITIVE = ("yes", "true", "1", "1.0", "y", "t", "positive", "bad", "fraud", "churned", "left", "default", "failed")


@dataclass(frozen=True)
class Roles:
    """The chosen columns. An empty `key` means the row number; `at` is None without a time."""

    key: tuple[Column, ...]
    at: Column | None
    target: Column
    task: str
    positive: Any = None

    @property
    def floor_metric(self) -> str:
        """The metric that the first gate is about."""
        return {"binary": "roc_auc", "multiclass": "log_loss", "regression": "r2"}[self.task]


def named(columns: Sequence[Column], text: str, flag: str) -> Column:
    """The column with that name in the file or in the declaration. Raises AuthoringError."""
    for column in columns:
        if text in (column.name, column.clean):
            return column
    raise AuthoringError(
        f"{flag} names {text!r}, which the file does not have.",
        remedy=f"Its columns: {', '.join(column.name for column in columns[:50])}.",
    )


def guess_at(columns: Sequence[Column]) -> Column | None:
    """The likely time of a row: a column of dates without nulls, on several days; None if there is none."""
    times = [c for c in columns if c.kind in TIMES and c.nulls == 0 and c.distinct > 1]
    fitting = [c for c in times if not _OTHER_TIMES.search(c.clean) and _day(c.high) <= datetime.now(UTC).date()]
    return max(fitting, key=lambda c: (_likeness(c.clean, _WHEN), c.distinct > 2, -c.index), default=None)


def guess_key(opened: Opened, columns: Sequence[Column], at: Column | None) -> tuple[Column, ...]:
    """The first column that looks like an identifier and is unique, else a unique text, else one with the time.

    The same row twice counts once, for an ingest drops the second.
    """
    rows = opened.different
    unique = [c for c in columns if c.nulls == 0 and c.distinct == rows and c.kind in ("text", "integer")]
    ranked = sorted(unique, key=lambda c: (_IDENTIFIER.search(c.clean) is None, c.kind != "text", c.index))
    for column in ranked:
        if _IDENTIFIER.search(column.clean) or column.kind == "text" or _counts_up(column):
            return (column,)
    if at is None:
        return ()
    if at.distinct == rows:
        return (at,)
    others = [c for c in columns if c.kind in ("text", "integer") and c.nulls == 0 and c.distinct > 1]
    others.sort(key=lambda c: (_IDENTIFIER.search(c.clean) is None, c.kind != "text", c.index))
    for other in [c for c in others if c.distinct * at.distinct >= rows][:20]:
        if opened.distinct([at.index, other.index]) == rows:
            return (at, other)
    return ()


def guess_target(columns: Sequence[Column], name: str, taken: Sequence[Column]) -> Column | None:
    """The column that is called like the pipeline or like targets are, else the last that could be one."""
    words = set(name.split("_"))
    free = [c for c in columns if c not in taken and c.distinct > 1 and _possible(c)]
    likeness = {c.clean: _likeness(c.clean, (name, *_TARGETS)) + (c.clean in words) for c in free}
    return max(free, key=lambda c: (likeness[c.clean], c.index), default=None)


def check_key(opened: Opened, key: Sequence[Column]) -> tuple[Column, ...]:
    """Return `key`. Raises AuthoringError for nulls, fractional numbers and duplicates."""
    names = " and ".join(repr(column.name) for column in key)
    for column in key:
        if column.nulls:
            raise AuthoringError(
                f"{column.name!r} cannot be a key: {column.nulls:,} of {column.rows:,} rows have none.",
                remedy="Choose a column without gaps with --key; --key row takes the number of the row.",
            )
        if column.kind not in ("text", "integer", *TIMES):
            raise AuthoringError(
                f"{column.name!r} is {column.kind}, which cannot identify rows.", remedy="Choose another key."
            )
    different = key[0].distinct if len(key) == 1 else opened.distinct([column.index for column in key])
    if different < opened.different:
        raise AuthoringError(
            f"{names} is not a key: {opened.different:,} distinct rows have only {different:,} distinct values.",
            remedy="Give --key several times for a key of several columns; --key row takes the number of the row.",
        )
    return tuple(key)


def check_at(column: Column) -> Column:
    """Return `column`. Raises AuthoringError if it is not a time or has nulls."""
    if column.kind not in TIMES:
        raise AuthoringError(
            f"--at names {column.name!r}, which is {column.kind} and not a time.",
            remedy="Use --at none for rows without a time.",
        )
    if column.nulls:
        raise AuthoringError(
            f"{column.name!r} cannot be the prediction time: {column.nulls:,} rows have none.",
            remedy="Choose a time without nulls, or use --at none.",
        )
    return column


def roles(key: tuple[Column, ...], at: Column | None, target: Column, task: str | None) -> Roles:
    """The chosen roles. A missing task is guessed. Raises AuthoringError for an unsuitable target."""
    name = repr(target.name)
    if target in key or (target.unique and _IDENTIFIER.search(target.clean)):
        raise AuthoringError(
            f"{name} cannot be the target: it is a key, with a different value in each row.",
            remedy="Choose the column that is to be predicted with --target.",
        )
    if target is at or target.kind in (*TIMES, "other", "empty"):
        raise AuthoringError(
            f"{name} is {target.kind}, which no model here predicts.", remedy="Choose another --target."
        )
    if target.distinct < 2:
        raise AuthoringError(
            f"{name} has one value, {target.common!r}, in all rows: there is nothing to learn.",
            remedy="Choose another --target, or a file in which it varies.",
        )
    task = task or _task(target)
    _check_task(target, task)
    return Roles(key, at, target, task, _positive(target) if task == "binary" else None)


def _task(target: Column) -> str:
    if target.kind == "boolean" or target.distinct == 2:
        return "binary"
    return "multiclass" if target.kind == "text" else "regression"


def _check_task(target: Column, task: str) -> None:
    name = repr(target.name)
    if task == "binary" and target.distinct != 2:
        raise AuthoringError(
            f"{name} has {target.distinct:,} values, and binary needs two.", remedy="Leave --task out."
        )
    if task == "regression" and target.kind not in ("integer", "number"):
        raise AuthoringError(f"{name} is {target.kind}, and regression needs a number.", remedy="Leave --task out.")
    if task == "multiclass" and (not target.categories or target.kind == "number"):
        raise AuthoringError(
            f"{name} has {target.distinct:,} different values; a class for each of more than {LEVELS} is too many.",
            remedy="Group them in the file, or choose another --target.",
        )
    if task != "regression":
        second = sorted(target.category_rows)[-2]
        if second < FEWEST_OF_A_CLASS:
            raise AuthoringError(
                f"{name} is {target.categories[0]!r} in nearly all rows: the next value comes {second} times.",
                remedy=f"At least {FEWEST_OF_A_CLASS} rows of two values are needed to train and judge.",
            )


def _positive(target: Column) -> Any:
    """The positive class: a usual word for it, else the rarer value."""
    for category in target.categories:
        if str(category).lower() in _POSITIVE:
            return category
    return target.categories[-1]


def _possible(column: Column) -> bool:
    if column.kind in ("boolean", "integer", "number"):
        return not (column.kind == "integer" and column.unique)
    return column.kind == "text" and len(column.categories) > 1


def _likeness(name: str, words: Sequence[str]) -> int:
    """How much a name is like one of the words: the same, ending or beginning with it, or not at all."""
    if name in words:
        return 3
    if any(name.endswith(f"_{word}") for word in words):
        return 2
    return int(any(name.startswith((f"{word}_", f"{word}time")) for word in words))


def _counts_up(column: Column) -> bool:
    return column.kind == "integer" and bool(column.high - column.low + 1 == column.rows) and column.low in (0, 1)


def _day(moment: Any) -> date:
    day: date = moment.date() if isinstance(moment, datetime) else moment
    return day
