"""Finds predictions by a key that people type: whole, in other case, or a part of it."""

from typing import Any

from ml_platform.errors import AmbiguousKey, NotFoundError
from ml_platform.lake.connection import Lake
from ml_platform.naming import quoted

Row = dict[str, Any]
_SHOWN = '"key", "at", score, "class", version, role, _partition AS partition, run_id'
_FORM = "%Y-%m-%d %H:%M:%S.%f"  # of a prediction time, in Python and in DuckDB
_AT = f"strftime(\"at\", '{_FORM}')"
_CANDIDATES = 20  # that an ambiguous key lists
_ALIKE = 200  # keys that are compared for a misspelling


def predictions_of(lake: Lake, pipeline: str, key: str, at: str | None = None) -> list[Row]:
    """The predictions of the key that `key` means, newest first.

    It means the key that it is; otherwise the only one that it is when case does not count; otherwise the only one
    that holds each of its words.

    Args:
        lake: The lake.
        pipeline: A name.
        key: A key, or parts of one between blanks.
        at: The beginning of a prediction time in UTC, such as "2024-03-01 17"; only such predictions count.

    Raises:
        AmbiguousKey: When several keys hold the words.
        NotFoundError: When none does, or none of them at that time.
    """
    if not lake.columns(pipeline, "predictions"):
        raise NotFoundError(
            f"prediction of {pipeline} for the key", key, remedy=f"It has none yet: `ml-platform run {pipeline}`."
        )
    exact = _where(lake, pipeline, '"key" = ?', [key])
    if exact:
        return _at(exact, pipeline, at)
    condition, parameters = _holds(key.split())
    if at is not None:
        condition, parameters = f"{condition} AND starts_with({_AT}, ?)", [*parameters, _sortable(at)]
    table = f"{quoted(pipeline)}.predictions"
    (total,) = lake.rows(f'SELECT count(DISTINCT "key") FROM {table} WHERE {condition}', parameters)[0]
    if not total:
        raise _not_found(lake, table, pipeline, key, at)
    keys = lake.rows(f'SELECT DISTINCT "key" FROM {table} WHERE {condition} LIMIT 2', parameters)
    if total > 1:
        in_other_case = f'{condition} AND lower("key") = lower(?)'
        keys = lake.rows(f'SELECT DISTINCT "key" FROM {table} WHERE {in_other_case} LIMIT 2', [*parameters, key])
    if len(keys) != 1:
        newest = f'{condition} ORDER BY "at" DESC NULLS LAST, "key" LIMIT {_CANDIDATES}'
        raise AmbiguousKey(pipeline, key, _where(lake, pipeline, newest, parameters, newest_first=False), total)
    return _at(_where(lake, pipeline, '"key" = ?', [keys[0][0]]), pipeline, at)


def _where(lake: Lake, pipeline: str, condition: str, parameters: list[Any], *, newest_first: bool = True) -> list[Row]:
    sql = f"SELECT {_SHOWN} FROM {quoted(pipeline)}.predictions WHERE {condition}"
    rows = lake.frame(sql, parameters).to_dicts()
    return sorted(rows, key=_age)[::-1] if newest_first else rows


def _age(row: Row) -> tuple[Any, ...]:
    return row["at"] is not None and row["at"].timestamp(), row["version"], row["role"] == "champion"


def _holds(words: list[str]) -> tuple[str, list[Any]]:
    """A condition for keys that hold each of the words, whatever the case."""
    return " AND ".join(['contains(lower("key"), lower(?))'] * len(words)) or "true", list(words)


def _at(rows: list[Row], pipeline: str, at: str | None) -> list[Row]:
    """Those at the given time."""
    if at is None:
        return rows
    timed = [row for row in rows if row["at"] is not None]
    chosen = [row for row in timed if f"{row['at']:{_FORM}}".startswith(_sortable(at))]
    if not chosen:
        times = [f"{row['at']:{_FORM}}".removesuffix(".000000") for row in timed]
        remedy = "" if times else "Its examples have no prediction time."
        raise NotFoundError(f"prediction of {pipeline} for {rows[0]['key']!r} at", at, times, remedy=remedy)
    return chosen


def _sortable(at: str) -> str:
    """A moment of ISO 8601, or its beginning, in the form of `_FORM`.

    >>> _sortable("2024-03-01T17:05Z")
    '2024-03-01 17:05'
    """
    return at.strip().replace("T", " ").removesuffix("Z").removesuffix("+00:00")


def _not_found(lake: Lake, table: str, pipeline: str, key: str, at: str | None) -> NotFoundError:
    newest = lake.rows(f'SELECT "key" FROM {table} ORDER BY "at" DESC NULLS LAST, "key" LIMIT 3')
    alike = lake.rows(
        f'SELECT "key" FROM (SELECT DISTINCT "key" FROM {table}) '
        f'ORDER BY jaro_winkler_similarity(lower("key"), lower(?)) DESC, "key" LIMIT {_ALIKE}',
        [key],
    )
    when = "" if at is None else f" at {at}"
    some = [*(one for (one,) in newest), "…"]
    return NotFoundError(f"prediction of {pipeline}{when} for the key", key, some, alike=[one for (one,) in alike])
