"""Entries of the append-only logs of the state: promotions, challenges and canaries."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Table, insert


def append(connection: Connection, log: Table, values: Mapping[str, Any]) -> int:
    """Write an entry at the end of its log. values: by column; the database gives `seq`. Returns that place."""
    columns = {name: value for name, value in values.items() if name != "seq"}
    key = connection.execute(insert(log).values(columns)).inserted_primary_key
    assert key is not None  # the database numbers every entry
    return int(key[0])
