"""Rows of PostgreSQL by COPY, which costs a tenth of what rows cost one by one, in the same types."""

from io import BytesIO
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    import pyarrow as pa
    from sqlalchemy import Connection, Select


def copied(chosen: "Select[Any]", connection: "Connection") -> pl.DataFrame | None:
    """The rows as `polars.read_database` gives them.

    None where that has to be asked: for another database, for a column of a type that has no plain form in CSV, such as
    numeric, uuid and arrays, and for values that Python knows and Arrow does not, or the reverse.

    Args:
        chosen: What to read.
        connection: Where, within its transaction.

    Raises:
        psycopg.Error: For a database that does not answer.
    """
    if (connection.dialect.name, connection.dialect.driver) != ("postgresql", "psycopg"):
        return None
    import pyarrow as pa

    connection.exec_driver_sql("SELECT 1")  # SQLAlchemy begins its transaction with the first query
    session: Any = connection.connection.driver_connection
    compiled = chosen.compile(dialect=connection.dialect)
    if session.info.encoding != "utf-8":
        return None
    with session.cursor() as cursor:
        cursor.execute(f"SELECT * FROM ({compiled}) AS chosen LIMIT 0", compiled.params)
        kinds = [(column.name, _kinds().get(column.type_code)) for column in cursor.description]
        if any(kind is None for _, kind in kinds) or len({name for name, _ in kinds}) < len(kinds):
            return None
        with cursor.copy(f"COPY ({compiled}) TO STDOUT (FORMAT csv)", compiled.params) as copy:
            text = b"".join(copy)
    try:
        frame = pl.DataFrame(pl.from_arrow(_parsed(text, dict(kinds))))
    except pa.ArrowInvalid:  # an infinite time, a year before Christ, no row at all
        return None
    empty = [name for name in frame.columns if frame[name].null_count() == frame.height]
    return pl.DataFrame([column.cast(pl.Null) if column.name in empty else column for column in frame])


def _parsed(text: bytes, kinds: "dict[str, pa.DataType]") -> "pa.Table":
    from pyarrow import csv

    return csv.read_csv(
        BytesIO(text),
        # One block: a row must not be longer than it.
        read_options=csv.ReadOptions(column_names=list(kinds), block_size=max(len(text), 1)),
        parse_options=csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        convert_options=csv.ConvertOptions(
            column_types=kinds,
            null_values=[""],
            true_values=["t"],
            false_values=["f"],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )


def _kinds() -> "dict[int, pa.DataType]":
    """The types that CSV has a plain form for, by their number in PostgreSQL."""
    import pyarrow as pa

    whole = dict.fromkeys((20, 21, 23), pa.int64())  # int8, int2, int4
    broken = dict.fromkeys((700, 701), pa.float64())  # float4, float8
    texts = dict.fromkeys((25, 1042, 1043), pa.string())  # text, char(n), varchar
    times = {1114: pa.timestamp("us"), 1184: pa.timestamp("us", "UTC"), 1082: pa.date32()}  # without zone, with it, date
    return {**whole, **broken, **texts, **times, 16: pa.bool_()}
