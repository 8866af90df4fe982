"""Runs: experiments and the pipeline's own versions side by side, filtered and sorted."""

import operator
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from ml_platform.errors import NotFoundError, UnfitArgument
from ml_platform.state import experiments, promotions, versions
from ml_platform.state.database import State
from ml_platform.state.versions import Version

COLUMNS = ("run", "name", "status", "partition", "changes", "value", "difference", "low", "high", "tags", "seconds")
_WHERE = re.compile(r"\s*([\w.@ ]+?)\s*(>=|<=|!=|=|>|<|~)\s*(.*)\s*", re.DOTALL)
_TESTS: Mapping[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
}

Row = dict[str, Any]


def run_rows(state: State, pipeline: str | None = None) -> list[Row]:
    """One row a run, newest first: its facts, `parameters` and `metrics`. An experiment's `run` is its number."""
    recorded, alive = experiments.listed(state, pipeline), experiments.alive(state)
    # One that is on record as running and has no process may just have ended: it is looked at again.
    suspects = {one["id"] for one in recorded if one["status"] == "running"} - alive
    statuses = {number: experiments.experiment(state, number).status for number in suspects}
    rows = [_of_experiment({**one, "status": statuses.get(one["id"], one["status"])}, alive) for one in recorded]
    names = [pipeline] if pipeline else versions.pipelines(state)
    for name in names:
        champion = promotions.champion_at(state, name)
        rows += [_of_version(one, serves=one.version == champion) for one in versions.versions(state, name)]
    rows.sort(key=lambda row: row["started_at"], reverse=True)
    return rows


def run_row(state: State, name: str) -> Row:
    """The row of one run: of an experiment by its number, or of a version such as "flight_delay@3".

    Raises NotFoundError.
    """
    pipeline, at, number = name.partition("@")
    if at and number.isdecimal():
        version = versions.version(state, pipeline, int(number))
        return _of_version(version, serves=version.version == promotions.champion_at(state, pipeline))
    if not name.isdecimal():
        raise NotFoundError("run", name, remedy="Name an experiment by its number, or a version as flight_delay@3.")
    return _of_experiment(experiments.listed(state, number=int(name))[0], experiments.alive(state))


def _of_experiment(one: Mapping[str, Any], alive: Collection[int]) -> Row:
    begun, ended = one["started_at"], one["ended_at"]
    return {
        "run": str(one["id"]),
        "kind": "experiment",
        "pipeline": one["pipeline"],
        "name": one["name"],
        "status": "interrupted" if one["status"] == "running" and one["id"] not in alive else one["status"],
        "partition": one["partition"],
        "changes": phrases(one["changes"]),
        "metric": one["metric"],
        "value": one["value"],
        "champion": one["champion"],
        "difference": one["difference"],
        "low": one["low"],
        "high": one["high"],
        "tags": one["tags"],
        "actor": one["actor"],
        "training_set": one["training_set"],
        "bundle": one["bundle"],
        "started_at": begun,
        "seconds": None if ended is None else (ended - begun).total_seconds(),
        "error": one["error"],
        "parameters": one["parameters"],
        "metrics": one["metrics"],
    }


def _of_version(one: Version, *, serves: bool) -> Row:
    return {
        "run": one.name,
        "kind": "version",
        "pipeline": one.pipeline,
        "name": "",
        "status": "champion" if serves else "version",
        "partition": one.partition,
        "changes": [],
        "metric": None,
        "value": None,
        "champion": None,
        "difference": None,
        "low": None,
        "high": None,
        "tags": [],
        "actor": "platform",
        "training_set": one.training_set,
        "bundle": one.bundle,
        "started_at": one.created_at,
        "seconds": one.durations.get("total"),
        "error": "",
        "parameters": one.parameters,
        "metrics": one.metrics["holdout"],
    }


def with_headline(rows: Iterable[Row]) -> list[Row]:
    """The rows whose versions have the value of the metric that the newest experiment of their pipeline has."""
    listed = list(rows)
    metrics: dict[str, str] = {}
    for row in listed:
        if row["metric"]:
            metrics.setdefault(row["pipeline"], row["metric"])
    for row in listed:
        if row["kind"] == "version":
            row["metric"] = metrics.get(row["pipeline"])
            row["value"] = row["metrics"].get(row["metric"])
    return listed


def phrases(changes: Sequence[Mapping[str, Any]]) -> list[str]:
    """What was changed in few words: `num_leaves=63`, `without weather__temp, weather__dewp and 6 more`.

    >>> phrases([{"path": "trainer.num_leaves", "before": 31, "after": 63}])
    ['num_leaves=63']
    """
    words, gone, other = list[str](), list[str](), list[str]()
    replaced = {change["path"].removesuffix(".kind") for change in changes if change["path"].endswith(".kind")}
    for change in changes:
        section, _, name = change["path"].partition(".")
        if section in replaced:
            words += [f"{section}={change['after']}"] if name == "kind" else []
        elif section != "features":
            words.append(f"{name}={_short(change['after'])}")
        else:
            (gone if change["after"] is None else other).append(name)
    words += [f"without {_some(gone)}"] if gone else []
    return words + ([f"{_some(other)} changed"] if other else [])


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 2} more" if len(names) > 2 else ""
    return f"{', '.join(names[:2])}{more}"


def _short(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 40 else f"{text[:37]}…"


# -- choosing ------------------------------------------------------------------------------


def field(row: Row, name: str) -> Any:
    """A column of a row, else a parameter or a metric of that name; None where it has none.

    >>> field({"parameters": {"num_leaves": 63}, "metrics": {}}, "trainer.num_leaves")
    63
    """
    return _reader(name)(row)


def _reader(name: str) -> Callable[[Row], Any]:
    plain = _plain(name)

    def read(row: Row) -> Any:
        if name in row:
            return row[name]
        value = row["metrics"].get(plain)
        return row["parameters"].get(plain) if value is None else value

    return read


def _plain(name: str) -> str:
    return name.removeprefix("trainer.").removeprefix("parameters.").removeprefix("metrics.")


def where(rows: Iterable[Row], conditions: Sequence[str]) -> list[Row]:
    """The rows that meet all conditions, such as "trainer.num_leaves>31", "status=done" or "changes~weather".

    `~` looks for a text anywhere. A row without the field meets only `!=`. Raises UnfitArgument for a text that is no
    condition, and NotFoundError for a field that no row has.
    """
    listed = list(rows)
    for condition in conditions:
        parts = _WHERE.fullmatch(condition)
        if parts is None:
            raise UnfitArgument(
                f"--where {condition!r} is no condition.", remedy="Write FIELD, one of = != > < >= <= ~, and a value."
            )
        name, sign, wanted = parts.groups()
        if listed and all(not has_field(row, name) for row in listed):
            raise NotFoundError("field", name, sorted(fields_of(listed)))
        read, meets = _reader(name), _test(sign, wanted)
        listed = [row for row in listed if meets(read(row))]
    return listed


def has_field(row: Row, name: str) -> bool:
    """Whether a row has a column, parameter or metric of that name."""
    plain = _plain(name)
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
