"""`Sql`: the rows of a table or query beyond the last cursor, as versions of at most about `batch_rows` rows.

A version is a range of the cursor, `after < cursor <= upto`, and its path says so: the versions on
record are the only state of the cursor. Ranges follow each other without a gap.
"""

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import polars as pl

from ml_platform.errors import FileRefused, SourceUnavailable, first_line
from ml_platform.escaping import markdown_code
from ml_platform.lake.storable import storable
from ml_platform.settings import Settings
from ml_platform.sources.chunks import bounded
from ml_platform.sources.row_digest import digest_of
from ml_platform.sources.source import Available, Reading, RowSink, Source, Stamp
from ml_platform.sources.sql_connection import connected
from ml_platform.spec.sources import Sql
from ml_platform.spec.tables import Table
from ml_platform.state.files import FileVersion

if TYPE_CHECKING:
    from sqlalchemy import Connection, FromClause

_ORDERED = (int, float, Decimal, str, datetime, date)  # and not bool


class SqlSource(Source):
    """A table or query of a SQLite or PostgreSQL database, read where it is."""

    def __init__(self, settings: Settings, table: Table) -> None:
        assert isinstance(table.source, Sql)  # `registry.source_of` chose this class for it
        self._declared = table.source
        self._kind: type = str  # of the cursor; `discover` looks at its values
        self._failed: SourceUnavailable | None = None
        self._series = f"{table.source.connection}/{table.source.label}/{table.source.cursor}"

    @property
    def display(self) -> dict[str, Any]:
        return {
            "connection": self._declared.connection,
            "query": {"text": markdown_code(self._declared.query)},
            "cursor": self._declared.cursor,
        }

    def discover(self, recorded: Mapping[str, Sequence[FileVersion]]) -> Iterator[Available]:
        """The ranges on record, then those beyond them. A refused one is offered anew once the columns change."""
        ranges = self._in_order(recorded)
        with self._connected() as connection:
            columns = self._columns(connection)
            after = self._check_cursor(connection, self._range(ranges[-1])[1] if ranges else None)
            for path in ranges:
                newest = recorded[path][-1]
                stamp = Stamp(newest.bytes, newest.mtime_ns)
                yield Available(path, stamp if newest.status == "ingested" else Stamp(0, columns), _unknown)
            for upto in self._bounds(connection, after):
                yield Available(self._path(after, upto), Stamp(0, columns), _unknown)
                after = upto

    def read(self, version: Available, rows: RowSink) -> Reading:
        if self._failed is not None:
            raise self._failed  # a later range on record would hide this one
        try:
            with self._connected() as connection:
                frame = self._rows(connection, version.path)
        except SourceUnavailable as failure:
            self._failed = failure
            raise
        digest = digest_of([frame])
        rows.begin(digest)
        try:
            for part in bounded([frame]):
                rows.take(part)
        except FileRefused as refused:
            return Reading(digest, version.stamp, str(refused))
        return Reading(digest, version.stamp)

    def marks(self) -> list[list[Any]]:
        try:
            with self._connected() as connection:
                columns, newest = self._columns(connection), self._newest(connection)
        except SourceUnavailable:
            return []
        return [] if newest is None else [[self._series, _to_json(newest), columns]]

    def _in_order(self, recorded: Iterable[str]) -> list[str]:
        """The paths on record of this connection and cursor, in the order of their ranges."""
        own = [path for path in recorded if path.startswith(f"{self._series} [")]
        following = {self._range(path)[0]: path for path in own}
        ordered, after = list[str](), None
        while after in following:
            path = following.pop(after)  # never followed twice: a range may end where it began
            ordered.append(path)
            after = self._range(path)[1]
        return ordered

    def _rows(self, connection: "Connection", path: str) -> pl.DataFrame:
        from sqlalchemy import select, text

        rows, most = self._from(), 2 * self._declared.batch_rows
        cursor = rows.c[self._declared.cursor]
        first, last = (_as(self._kind, bound) for bound in self._range(path))
        chosen = select(text("*")).select_from(rows).where(cursor <= last).order_by(cursor).limit(most + 1)
        if first is not None:
            chosen = chosen.where(cursor > first)
        try:
            frame = pl.read_database(chosen, connection, infer_schema_length=None)
        except (pl.exceptions.PolarsError, TypeError, OverflowError, RuntimeError) as error:
            raise self._unavailable(
                f"its rows do not fit one table: {first_line(error)}", path, "Cast the column to one type in the query."
            ) from None
        if frame.height > most:
            raise self._unavailable(
                f"more than {most:,} rows share one {self._declared.cursor}, {last}",
                path,
                "Declare a cursor that tells rows apart, or more batch_rows=.",
            )
        objects = [column for column in frame if column.dtype == pl.Object]  # a UUID, say
        texts = [pl.Series(c.name, [None if v is None else str(v) for v in c], dtype=pl.String) for c in objects]
        return storable(frame.with_columns(texts))

    def _check_cursor(self, connection: "Connection", last: Any) -> Any:
        """`last`, the end of what is on record. Raises SourceUnavailable for a cursor that cannot order the rows."""
        from sqlalchemy import func, select

        name, rows = self._declared.cursor, self._from()
        cursor = rows.c[name]
        if connection.execute(select(cursor).where(cursor.is_(None)).limit(1)).first() is not None:
            raise self._unavailable(
                f"the cursor {name} is null in some rows", remedy="Take a column that every row has, or leave them out."
            )
        oldest, newest = connection.execute(select(func.min(cursor), func.max(cursor))).one()
        for value in (oldest, newest):
            ordered = isinstance(value, _ORDERED) and not isinstance(value, bool) and value == value
            if value is not None and not ordered:
                raise self._unavailable(
                    f"the cursor {name} holds {type(value).__name__}, which has no order",
                    remedy="Take a number, a text or a time that only grows.",
                )
        if _family(oldest) is not _family(newest):
            raise self._unavailable(
                f"the cursor {name} is not ordered: it holds {type(oldest).__name__} and {type(newest).__name__}",
                remedy="Cast it to one type in the query.",
            )
        if newest is None:
            return last
        self._kind = _family(newest)
        if last is None:
            return None
        bound = _as(self._kind, last)
        if bound is None:
            raise self._unavailable(
                f"the cursor {name} holds {type(newest).__name__} now, and {last!r} was read before",
                remedy="Cast it back in the query, or declare another cursor to read all rows anew.",
            )
        # Not `max(cursor) < bound`: an aggregate drops the collation, and SQL rounds in single precision.
        if isinstance(newest, float):
            went_back = newest < bound
        else:
            went_back = connection.execute(select(cursor).where(cursor >= bound).limit(1)).first() is None
        if went_back:
            raise self._unavailable(
                f"the cursor {name} went back: its greatest value is {newest}, and rows up to {bound} were read",
                remedy="Was the table made anew? Declare another cursor or connection name to read all rows anew.",
            )
        return last

    def _bounds(self, connection: "Connection", after: Any) -> Iterator[Any]:
        """The last cursor of every `batch_rows` rows beyond `after`, and of the rest, as JSON values."""
        from sqlalchemy import func, or_, select

        rows = self._from()
        cursor = rows.c[self._declared.cursor]
        number, total = func.row_number().over(order_by=cursor).label("number"), func.count().over().label("total")
        beyond = select(cursor.label("bound"), number, total)
        if after is not None:
            beyond = beyond.where(cursor > _as(self._kind, after))
        numbered = beyond.subquery("numbered")
        ends = or_(numbered.c.number % self._declared.batch_rows == 0, numbered.c.number == numbered.c.total)
        bounds = connection.execute(select(numbered.c.bound).where(ends).order_by(numbered.c.number)).scalars().all()
        # The database may find a rounded value greater than itself: 0.1 of single precision is beyond 0.1.
        yield from (bound for bound in dict.fromkeys(map(_to_json, bounds)) if bound != after)

    def _newest(self, connection: "Connection") -> Any:
        from sqlalchemy import func, select

        return connection.execute(select(func.max(self._from().c[self._declared.cursor]))).scalar_one()

    def _columns(self, connection: "Connection") -> int:
        """A mark of the column names. Raises SourceUnavailable when the cursor is none of them."""
        from sqlalchemy import select, text

        names = list(connection.execute(select(text("*")).select_from(self._from()).limit(0)).keys())
        if self._declared.cursor not in names:
            raise self._unavailable(
                f"there is no column {self._declared.cursor}, its cursor", remedy=f"It has {', '.join(names)}."
            )
        return zlib.crc32(json.dumps(names).encode())

    def _from(self) -> "FromClause":
        from sqlalchemy import column, table, text

        declared = self._declared
        if not declared.is_query:
            *schema, name = declared.query.split(".")
            return table(name, column(declared.cursor), schema=schema[0] if schema else None)
        query = text(declared.query.replace(":", "\\:") + "\n")  # a colon in it is none of ours
        return query.columns(column(declared.cursor)).subquery("source")

    def _connected(self) -> AbstractContextManager["Connection"]:
        return connected(self._declared.connection, self._series)

    def _unavailable(self, problem: str, path: str = "", remedy: str = "") -> SourceUnavailable:
        return SourceUnavailable(path or self._series, problem, remedy=remedy)

    def _path(self, after: Any, upto: Any) -> str:
        return f"{self._series} {json.dumps([after, upto], ensure_ascii=False)}"

    def _range(self, path: str) -> tuple[Any, Any]:
        after, upto = json.loads(path.removeprefix(f"{self._series} "))
        return after, upto


SOURCE = SqlSource


def _unknown() -> None:
    """The content of a range is known only once it is read."""


def _to_json(value: Any) -> Any:
    """A cursor value as it stands in a path: numbers as they are, all others as text, times in UTC."""
    if isinstance(value, datetime):
        return (value.astimezone(UTC) if value.tzinfo else value).isoformat()
    return value if value is None or isinstance(value, int | float | str) else str(value)


def _family(value: Any) -> type:
    """The type of a cursor value; whole and broken numbers are of one."""
    return float if isinstance(value, int | float) else type(value)


def _as(family: type, value: Any) -> Any:
    """The cursor value of a family that `_to_json` wrote as `value`; None when it is not of that family."""
    if family in (float, str):
        return value if isinstance(value, str) is (family is str) else None
    try:
        return Decimal(value) if family is Decimal else family.fromisoformat(value)  # type: ignore[attr-defined]  # a time
    except (TypeError, ValueError, ArithmeticError):
        return None
