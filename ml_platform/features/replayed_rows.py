"""Which rows a replay of examples reads, and examples for which they are not too many."""

import secrets
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta

import duckdb
import numpy as np
import numpy.typing as npt
import polars as pl

from ml_platform.features.definition import FeatureDefinition
from ml_platform.features.forms import On, longest_lookback
from ml_platform.features.kinds.derived import layers
from ml_platform.features.relations import plain, relation
from ml_platform.features.rowwise import derive
from ml_platform.naming import quoted

MOST_ROWS = 500_000  # that a replay reads where its examples can be chosen so; 1 s a join
_STRETCH = 40  # examples to choose each one from, as far as they are few
_LONGEST = 8_000  # examples to choose from, unless more are wanted: each choice looks at all of them

_Prices = npt.NDArray[np.int64]


def replayed_examples(
    connection: duckdb.DuckDBPyConnection,
    definition: FeatureDefinition,
    examples: pl.DataFrame,
    tables: Mapping[str, str],
    count: int,
    most_rows: int = MOST_ROWS,
) -> pl.DataFrame:
    """`count` examples, evenly spread; where these touch more than `most_rows`, some of few keys from one stretch.

    Of those fewer than `count` are taken if more would touch too many rows; at least one.
    """
    spread = examples.gather_every(max(1, examples.height // count)).head(count)
    wide = _wide(definition, spread)
    for counted in (_rows_in_time, _rows):  # the first is less to ask, and mostly enough
        if sum(counted(connection, definition, name, wide, sql) for name, sql in tables.items()) <= most_rows:
            return spread
    ordered = examples.sort(definition.at, maintain_order=True) if definition.at else examples
    length = max(count, min(count * _STRETCH, _LONGEST))
    stretch = ordered.slice(max(0, (ordered.height - length) // 2), length)
    prices, keys = _priced(connection, definition, _wide(definition, stretch), tables)
    return stretch[_affordable(prices, keys, count, most_rows)]


@contextmanager
def touching(
    connection: duckdb.DuckDBPyConnection, definition: FeatureDefinition, name: str, examples: pl.DataFrame, sql: str
) -> Iterator[str]:
    """FROM and WHERE of the rows `e` of a table that matter to examples: of their keys, and not too old for any."""
    conditions, registered = [], []
    for on in _joins(definition, name):
        recent = _recent(definition, name, on, examples)
        if not on:
            conditions.append(recent)
            continue
        view = f"touched_{secrets.token_hex(6)}"
        keys = examples.select(own for own, _ in on).drop_nulls().unique()
        connection.register(view, plain(keys).to_arrow())
        registered.append(view)
        same = " AND ".join(f"e.{quoted(theirs)} = {view}.{quoted(own)}" for own, theirs in on)
        conditions.append(f"({recent} AND EXISTS (SELECT 1 FROM {view} WHERE {same}))")
    try:
        yield f"FROM {relation(sql)} e WHERE e._usable_at IS NOT NULL AND ({' OR '.join(conditions)})"
    finally:
        for view in registered:
            connection.unregister(view)


@contextmanager
def materialized_rows(
    connection: duckdb.DuckDBPyConnection,
    definition: FeatureDefinition,
    name: str,
    examples: pl.DataFrame,
    sql: str,
    columns: Iterable[str],
) -> Iterator[str]:
    """A query of these columns of the rows that matter to examples. The table is read once, however often it runs."""
    table_name = f"touched_rows_{secrets.token_hex(6)}"
    listed = ", ".join(f"e.{quoted(column)}" for column in columns)
    with touching(connection, definition, name, examples, sql) as rows:
        connection.execute(f"CREATE TEMP TABLE {table_name} AS SELECT {listed} {rows}")
    try:
        yield f"SELECT * FROM temp.main.{table_name}"
    finally:
        connection.execute(f"DROP TABLE temp.main.{table_name}")


def _joins(definition: FeatureDefinition, name: str) -> list[On]:
    return list(dict.fromkeys(form.on for form in definition.joined if form.table == name))


def _recent(definition: FeatureDefinition, name: str, on: On, examples: pl.DataFrame) -> str:
    """A condition that leaves out rows too old for every feature of this join, and those not known by any example."""
    if definition.at is None or not definition.tables[name].timed or not len(examples):
        return "true"
    first, last = examples[definition.at].min(), examples[definition.at].max()
    assert isinstance(first, datetime) and isinstance(last, datetime)
    known = f"e._usable_at <= {_moment(last)}"
    lookback = longest_lookback(form for form in definition.joined if form.table == name and form.on == on)
    if lookback is None:
        return known
    oldest = _moment(first - timedelta(microseconds=lookback))
    event = quoted(definition.tables[name].event_time or "")
    return f"({known} AND (e._known_at >= {oldest} OR e.{event} >= {oldest}))"


def _moment(moment: datetime) -> str:
    return f"TIMESTAMPTZ '{moment.isoformat()}'"


def _wide(definition: FeatureDefinition, examples: pl.DataFrame) -> pl.DataFrame:
    """Examples with the derived columns that joins may use."""
    rows = examples.select(list(definition.row_schema))
    return derive(rows, layers([form for form in definition.derived if form.early], definition.schema))


def _rows_in_time(
    connection: duckdb.DuckDBPyConnection, definition: FeatureDefinition, name: str, examples: pl.DataFrame, sql: str
) -> int:
    """The rows of a table that are not too old and known in time, whatever their keys."""
    recent = " OR ".join(_recent(definition, name, on, examples) for on in _joins(definition, name)) or "true"
    return _counted(connection, f"FROM {relation(sql)} e WHERE e._usable_at IS NOT NULL AND ({recent})")


def _rows(
    connection: duckdb.DuckDBPyConnection, definition: FeatureDefinition, name: str, examples: pl.DataFrame, sql: str
) -> int:
    with touching(connection, definition, name, examples, sql) as rows:
        return _counted(connection, rows)


def _counted(connection: duckdb.DuckDBPyConnection, rows: str) -> int:
    row = connection.execute(f"SELECT count(*) {rows}").fetchone()
    return int(row[0]) if row else 0


def _priced(
    connection: duckdb.DuckDBPyConnection,
    definition: FeatureDefinition,
    examples: pl.DataFrame,
    tables: Mapping[str, str],
) -> tuple[_Prices, _Prices]:
    """For each example and join: the rows of its key, and a number that tells that key from others."""
    prices, keys = [], []
    for name, sql in tables.items():
        for on in _joins(definition, name):
            if not on:
                continue  # all examples touch the same rows
            own, theirs = [one for one, _ in on], [f"e.{quoted(other)}" for _, other in on]
            of_keys = connection.execute(
                f"SELECT {', '.join(theirs)}, count(*) FROM {relation(sql)} e WHERE e._usable_at IS NOT NULL "
                f"AND {_recent(definition, name, on, examples)} GROUP BY ALL"
            ).pl()
            counted = of_keys.rename(dict(zip(of_keys.columns, [*own, "rows"], strict=True)))
            keyed = plain(examples.select(own))
            counted = counted.with_columns(pl.col(one).cast(keyed.schema[one]) for one in own)
            prices.append(
                keyed.join(counted, on=own, how="left", maintain_order="left")["rows"].fill_null(0).to_numpy()
            )
            keys.append(keyed.select(pl.struct(own).rank("dense")).to_series().to_numpy())
    shape = (len(prices), examples.height)
    return np.asarray(prices, np.int64).reshape(shape), np.asarray(keys, np.int64).reshape(shape)


def _affordable(prices: _Prices, keys: _Prices, count: int, most_rows: int) -> list[int]:
    """Places of at most `count` examples that touch at most `most_rows`, in order; at least one, whatever it touches.

    The first is the dearest that leaves half of the rows to the others: keys with much history prove most. Each next
    one adds the fewest rows, so it mostly has keys of those before.
    """
    alone = prices.sum(axis=0)
    fitting = np.flatnonzero(alone <= most_rows // 2)
    first = int(fitting[alone[fitting].argmax()]) if len(fitting) else int(alone.argmin())
    chosen, spent = [first], int(alone[first])
    added = prices.copy()
    while len(chosen) < min(count, prices.shape[1]):
        for join, key in enumerate(keys[:, chosen[-1]]):
            added[join, keys[join] == key] = 0  # paid
        total = added.sum(axis=0)
        total[chosen] = np.iinfo(np.int64).max
        cheapest = int(total.argmin())
        if spent + total[cheapest] > most_rows:
            break
        chosen.append(cheapest)
        spent += int(total[cheapest])
    return sorted(chosen)
