"""The word `Sql`: rows of a database as a source."""

import re
from typing import Any

from pydantic import Field

from ml_platform.errors import DeclarationError
from ml_platform.escaping import markdown_code, markdown_text
from ml_platform.spec.declared_source import DeclaredSource
from ml_platform.spec.vocabulary import word


@word
class Sql(DeclaredSource):
    """A table or query of a SQLite or PostgreSQL database, read where it is, as far as its cursor has grown.

    query:      a table (`orders`, `shop.orders`) or one SELECT.
    connection: the name of the environment variable that holds the database's SQLAlchemy URL.
    cursor:     a column without nulls that only grows, such as `id` or `updated_at`: a run reads the rows beyond
                the greatest value that was read before.
    batch_rows: rows that are read into memory at once; each batch is a version of its own.

    >>> Sql("orders", connection="ORDERS_DB", cursor="id").label
    'orders'
    """

    query: str
    connection: str
    cursor: str
    batch_rows: int = Field(default=100_000, ge=1)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", self.connection):  # it may be a secret: it is not told
            raise DeclarationError(
                f"Sql({self.query!r})",
                "connection= is no name of an environment variable",
                remedy="Put the database's URL into the environment, and its variable's name here.",
            )
        if self.is_query and not re.match(r"(?i)\s*(select|with)\b[^;]*$", self.query):
            raise DeclarationError(f"Sql({self.query!r})", "it is not one SELECT", remedy="Leave out any semicolon.")
        if not self.is_query and not re.fullmatch(r"\w+(\.\w+)?", self.query):
            raise DeclarationError(
                f"Sql({self.query!r})", "it is neither a table nor a SELECT", remedy="Write orders or shop.orders."
            )
        if not self.cursor:
            raise DeclarationError(f"Sql({self.query!r})", "cursor='' names no column", remedy="Name the cursor.")

    @property
    def credentials(self) -> tuple[str, ...]:
        return (self.connection,)

    @property
    def is_query(self) -> bool:
        """Whether it is a SELECT and not a table."""
        return len(self.query.split()) > 1

    @property
    def label(self) -> str:
        """The table's name; `query` for a SELECT."""
        return "query" if self.is_query else self.query

    @property
    def row_format(self) -> str:
        return "sql"

    @property
    def reading(self) -> dict[str, Any]:
        return {"query": self.query}

    @property
    def phrase(self) -> str:
        return (
            f"every row of {markdown_code(self.query)} in the database {markdown_text(self.connection)}, read in the "
            f"order of {markdown_code(self.cursor)}, with the range of it and its number there"
        )

    @property
    def changes_with(self) -> str:
        return f"rows whose {markdown_code(self.cursor)} is beyond all that were read"

    @property
    def advice(self) -> str:
        return (
            "a database that does not answer is shown under *unavailable* with the reason and the remedy, and raises "
            "an alert; other tables go on, and the next run tries again."
        )

    @property
    def correction(self) -> str:
        return "Correct the query, or the columns of the database: the next run reads the range again."

    @property
    def taking_back(self) -> str:
        return "It stays out: what a database has cannot be landed."

    @property
    def absence(self) -> str:
        return f"no row of `{self.query}` can be read from the database {self.connection}"
