"""Many experiments as plain values by field: all of each, or only what a list is chosen by."""

import json
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, cast, select
from sqlalchemy.dialects.postgresql import JSONB

from ml_platform.state.database import State
from ml_platform.state.experiment_tables import experiments as table
from ml_platform.state.experiments import not_found
from ml_platform.state.json_columns import JsonColumn

COLUMNS = tuple(column.name for column in table.c)
_JSON = ("changes", "tags")
_MANY = 500  # numbers of one statement


def listed(state: State, pipeline: str | None = None, *, number: int | None = None) -> list[dict[str, Any]]:
    """The experiments of a pipeline, or all, newest first; or the one of that number.

    Of many it takes a third of the time of `experiments.of`. Raises NotFoundError for a number that is none.
    """
    chosen = _chosen(pipeline, table.c) if number is None else select(*table.c).where(table.c.id == number)
    rows = state.rows(chosen)
    if number is not None and not rows:
        raise not_found(number)
    return _values(COLUMNS, rows)


def of_numbers(state: State, numbers: Sequence[int]) -> list[dict[str, Any]]:
    """The experiments of these numbers, in any order."""
    parts = (numbers[start : start + _MANY] for start in range(0, len(numbers), _MANY))
    return _values(COLUMNS, [row for part in parts for row in state.rows(select(*table.c).where(table.c.id.in_(part)))])


def narrow(
    state: State, pipeline: str | None, columns: Collection[str], inner: Collection[str]
) -> list[dict[str, Any]]:
    """Only some columns of the experiments of a pipeline, or of all, newest first.

    Of `parameters` and `metrics` each has the names in `inner` that it holds; the database takes them out of the JSON.
    """
    names = [name for name in COLUMNS if name in columns and name not in ("parameters", "metrics")]
    taken = [(column, name) for column in ("parameters", "metrics") for name in inner]
    extracted = [_extracted(state, column, name) for column, name in taken]
    rows = state.rows(_chosen(pipeline, [*(table.c[name] for name in names), *extracted]))
    values = _values(names, [row[: len(names)] for row in rows]) if names else [{} for _ in rows]
    for value in values:
        value["parameters"], value["metrics"] = {}, {}
    for position, (column, name) in enumerate(taken, start=len(names)):
        there = [index for index, row in enumerate(rows) if row[position] is not None]
        found = json.loads(f"[{','.join(rows[index][position] for index in there)}]")
        for index, item in zip(there, found, strict=True):
            values[index][column][name] = item
    return values


def _extracted(state: State, column: str, name: str) -> ColumnElement[Any]:
    """The JSON text under a name of the outermost object; null where there is none of that name."""
    if state.settings.catalog.get_secret_value():  # PostgreSQL
        return cast(cast(table.c[column], JSONB).op("->")(name), Text)
    return table.c[column].op("->")(f"$.{json.dumps(name)}")


def _chosen(pipeline: str | None, columns: Any) -> Select[Any]:
    chosen = select(*columns).order_by(table.c.id.desc())
    return chosen if pipeline is None else chosen.where(table.c.pipeline == pipeline)


def _values(names: Sequence[str], rows: Sequence[Any]) -> list[dict[str, Any]]:
    columns: dict[str, Sequence[Any]] = dict(zip(names, zip(*rows, strict=True), strict=True)) if rows else {}
    for name in _JSON:
        if name in columns:
            columns[name] = json.loads(f"[{','.join(columns[name])}]")
    for name in ("parameters", "metrics"):  # most lists look at none of them
        if name in columns:
            columns[name] = JsonColumn(columns[name]).cells()
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
