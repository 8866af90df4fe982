"""Checks the key, the prediction time and the target."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ml_platform.authoring.columns import LEVELS, TIMES, Column, unknown_column
from ml_platform.authoring.guesses import MOST_GAPS, guess_group, looks_like_identifier
from ml_platform.authoring.opened import Opened
from ml_platform.errors import AuthoringError

FEWEST_OF_A_CLASS = 10  # rows; with fewer a holdout has two, and nothing can be said
_POSITIVE = ("yes", "true", "1", "1.0", "y", "t", "positive", "bad", "fraud", "churned", "left", "default", "failed")


@dataclass(frozen=True)
class Roles:
    """The chosen columns. An empty `key` means the row number; `at` is None without a time.

    group: an identifier that repeats, such as that of a customer.
    """

    key: tuple[Column, ...]
    at: Column | None
    target: Column
    task: str
    positive: Any = None
    group: Column | None = None

    @property
    def floor_metric(self) -> str:
        """The metric that the first gate is about."""
        return {"binary": "roc_auc", "multiclass": "log_loss", "regression": "r2"}[self.task]


def named(columns: Sequence[Column], text: str, flag: str) -> Column:
    """The column with that name in the file or in the declaration. Raises UnfitArgument."""
    for column in columns:
        if text in (column.name, column.clean):
            return column
    raise unknown_column(flag, text, [column.name for column in columns])


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
    """Return `column`. Raises AuthoringError if it is not a time or has many nulls."""
    if column.kind not in TIMES:
        raise AuthoringError(
            f"--at names {column.name!r}, which is {column.kind} and not a time.",
            remedy="Use --at none for rows without a time.",
        )
    if column.nulls > MOST_GAPS * column.rows:
        raise AuthoringError(
            f"{column.name!r} cannot be the prediction time: {column.nulls:,} of {column.rows:,} rows have none.",
            remedy="Choose a time with fewer gaps, or use --at none.",
        )
    return column


def roles(
    key: tuple[Column, ...], at: Column | None, target: Column, task: str | None, columns: Sequence[Column] = ()
) -> Roles:
    """The chosen roles. A missing task is guessed, and so is a group among the `columns`.

    Raises AuthoringError for an unsuitable target.
    """
    name = repr(target.name)
    alone = key if len(key) == 1 else ()
    group = guess_group(columns, [*alone, target, *([at] if at is not None else [])])
    if target in key or (target.unique and looks_like_identifier(target)):
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
    positive = _positive(target) if task == "binary" else None
    return Roles(key, at, target, task, positive, group)


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
