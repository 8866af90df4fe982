"""Runs that meet conditions, in an order: over columns, parameters and metrics alike.

Of tens of thousands only what the choice looks at is read, then the few that are shown.
"""

import operator
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ml_platform.errors import NotFoundError, UnfitArgument
from ml_platform.state.database import State
from ml_platform.views import runs
from ml_platform.views.runs import Row, plain_name

_WHERE = re.compile(r"\s*([\w.@ ]+?)\s*(>=|<=|!=|=|>|<|~)\s*(.*)\s*", re.DOTALL)
_TESTS: Mapping[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}


@dataclass(frozen=True)
class Selection:
    """The runs that were chosen: `rows` of them in full, of `matching` ones, of `recorded` on record."""

    rows: list[Row]
    matching: int
    recorded: int


def selected(
    state: State, pipeline: str | None, conditions: Sequence[str] = (), sort: str | None = None, limit: int = 0
) -> Selection:
    """The runs of a pipeline, or of all, that meet the conditions, newest first or by a field; at most `limit`.

    `sort` is the name of a field, after a `-` greatest first. `limit` 0: all. Raises as `where` does.
    """
    by = None if sort is None else sort.removeprefix("-")
    names = [*(_parsed(condition)[0] for condition in conditions), *([] if by is None else [by])]
    rows = runs.newest_first(runs.narrow_rows(state, pipeline, names) + runs.version_rows(state, pipeline))
    try:
        chosen = _chosen(rows, conditions, sort)
    except NotFoundError:  # which lists all names
        _chosen(runs.run_rows(state, pipeline), conditions, sort)
        raise
    shown = chosen[:limit] if limit else chosen
    numbers = [int(row["run"]) for row in shown if "@" not in row["run"]]
    full = {row["run"]: row for row in runs.experiment_rows(state, numbers)}
    found = [full.get(row["run"], row) for row in shown if row["run"] in full or "@" in row["run"]]
    return Selection(found, len(chosen), len(rows))


def _chosen(rows: list[Row], conditions: Sequence[str], sort: str | None) -> list[Row]:
    chosen = where(rows, conditions)
    return chosen if sort is None else in_order(chosen, sort.removeprefix("-"), reverse=sort.startswith("-"))


def _parsed(condition: str) -> tuple[str, str, str]:
    """Name, sign and value. Raises UnfitArgument for a text that is no condition."""
    parts = _WHERE.fullmatch(condition)
    if parts is None:
        raise UnfitArgument(
            f"--where {condition!r} is no condition.", remedy="Write FIELD, one of = != > < >= <= ~, and a value."
        )
    name, sign, wanted = parts.groups()
    return name, sign, wanted


def field(row: Row, name: str) -> Any:
    """A column of a row, else a parameter or a metric of that name; None where it has none.

    >>> field({"parameters": {"num_leaves": 63}, "metrics": {}}, "trainer.num_leaves")
    63
    """
    return _reader(name)(row)


def _reader(name: str) -> Callable[[Row], Any]:
    plain = plain_name(name)

    def read(row: Row) -> Any:
        if name in row:
            return row[name]
        value = row["metrics"].get(plain)
        return row["parameters"].get(plain) if value is None else value

    return read


def where(rows: Iterable[Row], conditions: Sequence[str]) -> list[Row]:
    """The rows that meet all conditions, such as "trainer.num_leaves>31", "status=done" or "changes~weather".

    `~` looks for a text anywhere. A row without the field meets only `!=`. Raises UnfitArgument for a text that is no
    condition, and NotFoundError for a field that no row has.
    """
    listed = list(rows)
    for condition in conditions:
        name, sign, wanted = _parsed(condition)
        if listed and all(not has_field(row, name) for row in listed):
            raise NotFoundError("field", name, sorted(fields_of(listed)))
        read, meets = _reader(name), _test(sign, wanted)
        listed = [row for row in listed if meets(read(row))]
    return listed


def has_field(row: Row, name: str) -> bool:
    """Whether a row has a column, parameter or metric of that name."""
    plain = plain_name(name)
    return name in row or plain in row["metrics"] or plain in row["parameters"]


def fields_of(rows: Iterable[Row]) -> set[str]:
    """The names of all fields of the rows."""
    names: set[str] = set()
    for row in rows:
        names.update(row, row["parameters"], row["metrics"])
    return names - {"parameters", "metrics"}


def _test(sign: str, wanted: str) -> Callable[[Any], bool]:
    """Whether a value meets a condition."""
    number, sought = _number(wanted), wanted.casefold()
    if sign == "~":
        return lambda value: value is not None and sought in _text(value).casefold()
    if sign in ("=", "!="):
        return lambda value: (
            (sign == "=")
            == (value == number if number is not None and _is_number(value) else _equal_text(value, wanted))
        )
    compare = _TESTS[sign]
    if number is not None:
        return lambda value: _is_number(value) and compare(value, number)
    return lambda value: value is not None and not _is_number(value) and compare(_text(value), wanted)


def _equal_text(value: Any, wanted: str) -> bool:
    if isinstance(value, list):
        return wanted in value
    return _text(value).casefold() == wanted.casefold()


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def in_order(rows: Iterable[Row], by: str, *, reverse: bool = False) -> list[Row]:
    """The rows by a field; those without it last. Raises NotFoundError for a field that no row has."""
    listed = list(rows)
    if listed and all(not has_field(row, by) for row in listed):
        raise NotFoundError("field", by, sorted(fields_of(listed)))
    read = _reader(by)
    values = [(read(row), row) for row in listed]
    there = [(value, row) for value, row in values if value is not None]
    numbers = all(_is_number(value) for value, _ in there)
    there.sort(key=lambda pair: pair[0] if numbers else _text(pair[0]), reverse=reverse)
    return [*(row for _, row in there), *(row for value, row in values if value is None)]


def grouped(rows: Iterable[Row]) -> list[tuple[str, list[Row]]]:
    """(digest of the training set, its runs), in the order in which the sets first come."""
    groups: dict[str, list[Row]] = {}
    for row in rows:
        groups.setdefault(row["training_set"], []).append(row)
    return list(groups.items())
