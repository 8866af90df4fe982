"""A shop's database of orders, and its table read by `Sql`."""

from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from sqlite3 import connect
from typing import Any

import dataframely as dy

from ml_platform import Sql, Table

CONNECTION = "ORDERS_DB"


class Orders(dy.Schema):
    """One order, without a time of its own."""

    id = dy.Int64(primary_key=True)
    item = dy.String(nullable=True)
    price = dy.Float64(nullable=True)


def orders(query: str = "orders", cursor: str = "id", **changes: Any) -> Table:
    """The orders as declared; `batch_rows` is small, so that a few rows are several versions."""
    batch_rows = changes.pop("batch_rows", 2)
    source = Sql(query, connection=CONNECTION, cursor=cursor, batch_rows=batch_rows)
    return Table("orders", **{"source": source, "contract": Orders, **changes})


class Shop:
    """A SQLite database in a file."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.run("CREATE TABLE orders (id INTEGER, item TEXT, price REAL)")

    @property
    def url(self) -> str:
        return f"sqlite:///{self.file}"

    def run(self, sql: str, *rows: Iterable[Any]) -> None:
        with closing(connect(self.file)) as database, database:
            database.executemany(sql, rows) if rows else database.execute(sql)

    def order(self, *ids: int) -> None:
        self.run("INSERT INTO orders (id, item, price) VALUES (?, ?, ?)", *[(i, f"item {i}", i + 0.5) for i in ids])
