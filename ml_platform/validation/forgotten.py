"""Keys that were forgotten and arrive again, by the keyed hashes that are kept of them (S47)."""

from datetime import date, datetime
from typing import Any

import polars as pl

from ml_platform.naming import quoted
from ml_platform.spec.tables import Table
from ml_platform.state import erasures
from ml_platform.state.stores import Stores

_TEXTS = 50_000  # keys that are hashed at once


def spelled(value: Any) -> str:
    """A typed value as the one text by which its hash is made."""
    return value.isoformat() if isinstance(value, date | datetime) else str(value)


def key_texts(keys: pl.DataFrame) -> list[tuple[str, ...]]:
    """Typed keys as texts, of which hashes are made. A key with a null is none."""
    return [tuple(spelled(value) for value in row) for row in keys.drop_nulls().iter_rows()]


def arrived_again(
    stores: Stores, table: Table, partition: str | None = None
) -> dict[tuple[str, ...], set[tuple[str, ...]]]:
    """Columns of the table → the values of them that were forgotten and stand in validated rows again.

    partition: only rows of that one; None: all. It costs a hash for each key, in tables of which rows were forgotten.
    """
    again: dict[tuple[str, ...], set[tuple[str, ...]]] = {}
    if not stores.lake.columns("validated", table.name):
        return again
    for columns in erasures.remembered_columns(stores.state, table.name):
        if not set(columns) <= table.columns.keys():
            continue
        listed = ", ".join(quoted(name) for name in columns)
        sql = f"SELECT DISTINCT {listed} FROM validated.{quoted(table.name)} WHERE ? IS NULL OR _partition = ?"
        keys = stores.lake.frame(sql, [partition, partition])
        for part in keys.iter_slices(_TEXTS):
            values = erasures.forgotten_among(stores.state, table.name, columns, key_texts(part))
            if values:
                again.setdefault(columns, set()).update(values)
    return again
