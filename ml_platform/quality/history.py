"""The profile of a partition of a validated table and those of the earlier ones, as input of the checks."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ml_platform.lake.connection import Lake
from ml_platform.lake.transaction import Author, write
from ml_platform.naming import quoted
from ml_platform.quality.column_parts import ColumnParts
from ml_platform.quality.profile import PROFILE_VERSION, profile, write_profile
from ml_platform.spec.partitions import WHOLE, Partitions
from ml_platform.spec.tables import Table
from ml_platform.state import ledger
from ml_platform.state.database import State
from ml_platform.state.files import first_arrivals
from ml_platform.state.results import ValidatedResult
from ml_platform.state.stores import Stores

_LONGEST = 24  # partitions; two years contain every season twice, and older ones say little
REPEATS = ("conflict", "primary_key")  # rules that reject a row because its key came before

Which = tuple[str, str]  # a partition and its content key

FIELDS = (  # of a profile, in the order that `column` expects
    *("column_name", "type", "rows", "nulls", "nans", "distinct", "most_common"),
    *("mean", "q01", "q25", "q50", "q75", "q99", "levels", "forms", "hours", "days", "max"),
)


@dataclass(frozen=True)
class Column:
    """One column of one partition.

    missing:   counts nulls and NaN.
    quantiles: q01, q25, q50, q75 and q99; empty where `mean` has no meaning.
    levels:    category → count; all categories when `distinct` says so, else those of at least 1/200 of the values.
    forms:     how texts are written → share, where there are too many categories.
    hours:     24 counts by hour of the day (UTC); empty unless the column is a time.
    days:      date → count.
    """

    name: str
    type: str = "Float64"
    rows: int = 0
    missing: int = 0
    distinct: int = 0
    most_common: int = 0
    mean: float = 0.0
    quantiles: tuple[float, ...] = ()
    levels: Mapping[str, int] = field(default_factory=dict)
    forms: Mapping[str, float] = field(default_factory=dict)
    hours: tuple[int, ...] = ()
    days: Mapping[str, int] = field(default_factory=dict)
    last: str = ""

    @property
    def shares(self) -> dict[str, float]:
        """The share of the values that each category of `levels` has."""
        return {level: count / self.values for level, count in self.levels.items()}

    @property
    def values(self) -> int:
        """The number of values."""
        return self.rows - self.missing


@dataclass(frozen=True)
class Profile:
    """One partition of a table.

    span:     the length of the partition; None for a table without partitions.
    end:      the end of the partition; without partitions the table's newest event.
    newest:   the time of the newest row; None without event time or rows.
    arrived:  when the last of its files first arrived.
    offered:  rows of its files, with rejected and dropped ones.
    repeated: those of the offered rows that repeat an earlier key or row.
    """

    partition: str
    columns: Mapping[str, Column]
    rows: int = 0
    span: timedelta | None = None
    end: datetime | None = None
    newest: datetime | None = None
    arrived: datetime | None = None
    offered: int = 0
    repeated: int = 0


@dataclass(frozen=True)
class History:
    """A partition and the earlier ones that have rows, in order.

    earlier: partitions that should look alike: of hours, those at the same time of the day.
    event:   the column of the event time.
    empty:   how many of the earlier partitions had no rows.
    keys:    the columns of the table's key and its identifiers, whose numbers are names and no measurements.
    identifiers: the declared ones, whose values come and go and are no categories.
    begins_later: whether the table's first rows are in a later partition.
    """

    now: Profile
    earlier: tuple[Profile, ...] = ()
    event: str | None = None
    empty: int = 0
    keys: tuple[str, ...] = ()
    identifiers: tuple[str, ...] = ()
    begins_later: bool = False


def history(stores: Stores, table: Table, partitions: Partitions | None, partition: str) -> History:
    """The profiles of a partition and of those before it; of a table without partitions, of its earlier contents.

    Profiles that an older version of the code wrote are first computed again from the validated rows.
    """
    counts = ledger.rows_of_each(stores.state, f"validated/{table.name}")
    filled = _filled(counts, partitions, partition)
    names = [partition, *[name for name, rows in filled.items() if rows and name != partition][-_LONGEST:]]
    results, arrivals = _results(stores.state, table, names), first_arrivals(stores.state, table.name)
    profiled = _profiled(stores.lake, table, names)
    if _mend(stores.lake, table, results, profiled):
        profiled = _profiled(stores.lake, table, names)
    present = next(((name, key) for name, key in reversed(results) if name == partition), None)
    start, end = partitions.window(partition) if partitions and partition != WHOLE else (None, None)
    now, earlier = Profile(partition, {}, span=end - start if start and end else None, end=end), []
    for which, columns in profiled.items():
        seen = _profile(table, partitions, which[0], columns, results.get(which, ValidatedResult()), arrivals)
        if which == present:
            now = seen
        elif seen.rows:
            earlier.append(seen)
    empty = sum(not rows for name, rows in filled.items() if name != partition)
    keys = (*table.key, *table.identifiers)
    later = _begins_later(counts, partition)
    return History(now, tuple(earlier[-_LONGEST:]), table.event_time, empty, keys, tuple(table.identifiers), later)


def _filled(counts: Mapping[str, int], partitions: Partitions | None, partition: str) -> dict[str, int]:
    """The rows of the partitions up to this one that should look like it, in order. Empty for a whole table."""
    if partitions is None or partition == WHOLE:
        return {}
    return {
        name: rows
        for name, rows in sorted(counts.items())
        if name != WHOLE and name <= partition and partitions.alike(name, partition)
    }


def _begins_later(counts: Mapping[str, int], partition: str) -> bool:
    first = min((name for name, rows in counts.items() if rows), default=None)
    return first is not None and first != WHOLE and first > partition


def _profile(
    table: Table,
    partitions: Partitions | None,
    name: str,
    columns: Mapping[str, Column],
    result: ValidatedResult,
    arrivals: Mapping[str, datetime],
) -> Profile:
    event = columns.get(table.event_time or "")
    newest = datetime.fromisoformat(event.last) if event and event.last else None
    start, end = partitions.window(name) if partitions and name != WHOLE else (None, newest)
    return Profile(
        name,
        columns,
        rows=next(iter(columns.values())).rows,
        span=end - start if start and end else None,
        end=end,
        newest=newest,
        arrived=max((arrivals[path] for path in result.files if path in arrivals), default=None),
        offered=result.rows + result.quarantined + result.duplicates + result.dropped + result.overruled,
        repeated=result.duplicates + sum(result.by_rule.get(rule, 0) for rule in REPEATS),
    )


def _mend(lake: Lake, table: Table, results: Mapping[Which, ValidatedResult], profiled: Mapping[Which, Any]) -> bool:
    """Renew missing and outdated profiles, as in a lake that older code filled. Returns whether there were any."""
    content = ", ".join(quoted(name) for name in table.columns)
    missing = [
        (name, key)
        for name, key in dict(results.keys()).items()  # the newest content of each partition
        if (name, key) not in profiled and results[name, key].rows
    ]
    for name, key in missing:
        rows = lake.frame(
            f"SELECT {content} FROM validated.{quoted(table.name)} WHERE _partition = ? AND _superseded_at IS NULL",
            [name],
        )
        again = profile(ColumnParts.of_frame(rows), table.name, name, key, table.event_time)
        with write(lake, Author(f"profile/{table.name}", name)) as tx:
            write_profile(tx, table.name, name, again)
    return bool(missing)


def _profiled(lake: Lake, table: Table, names: Sequence[str]) -> dict[Which, dict[str, Column]]:
    """The profiled columns of each content: partitions in order, contents in the order of their records."""
    if not {*FIELDS, "version"} <= lake.columns("platform", "profiles").keys():
        return {}  # no profiles yet, or only those of older code
    fields = ", ".join(quoted(name) for name in FIELDS)
    rows = lake.rows(
        f"SELECT partition, content_key, {fields} FROM platform.profiles WHERE table_name = ? AND version = ? "
        "AND list_contains(?, partition) ORDER BY partition, rowid",
        [table.name, PROFILE_VERSION, list(names)],
    )
    columns_by_content: dict[Which, dict[str, Column]] = {}
    for name, key, *values in rows:
        columns_by_content.setdefault((name, key), {})[values[0]] = column(values)
    return columns_by_content


def column(values: Sequence[Any]) -> Column:
    """A `Column` from one row of a profile, whose values are those of `FIELDS`."""
    name, kind, rows, nulls, nans, distinct, most_common, mean, *rest = values
    quantiles, (levels, forms, hours, days, last) = rest[:5], rest[5:]
    return Column(
        name,
        kind,
        rows,
        nulls + (nans or 0),
        distinct or 0,
        most_common or 0,
        mean or 0.0,
        () if None in quantiles else tuple(quantiles),
        json.loads(levels or "{}"),
        json.loads(forms or "{}"),
        tuple(json.loads(hours or "[]")),
        json.loads(days or "{}"),
        last or "",
    )


def _results(state: State, table: Table, names: Sequence[str]) -> dict[Which, ValidatedResult]:
    """The recorded result of every content that these partitions ever had, the newest last."""
    by_content: dict[Which, ValidatedResult] = {}
    for record in ledger.history(state, f"validated/{table.name}", names):
        by_content.pop((record.partition, record.content_key), None)  # computed once more: the newest again
        by_content[record.partition, record.content_key] = record.result_as(ValidatedResult)
    return by_content
