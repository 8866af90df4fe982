"""What polars writes for the lake reads as what DuckDB writes."""

import random
from datetime import UTC, date, datetime
from typing import Any

import polars as pl
import pytest

from ml_platform.lake.connection import Lake
from ml_platform.lake.frames import stage_frame
from ml_platform.lake.storable import to_arrow
from ml_platform.lake.transaction import Author, write
from ml_platform.naming import literal, quoted

_VALUES: dict[str, tuple[Any, list[Any]]] = {
    "text": (pl.String(), ["", "a", "A", "ä", "🦆", "\0", "a" * 256, "'", "-0", "ü" * 20]),
    "double": (pl.Float64(), [0.0, -0.0, 1.5, -1e308, float("inf"), float("-inf"), 5e-324]),
    "single": (pl.Float32(), [0.0, -0.0, 0.1, float("inf")]),
    "flag": (pl.Boolean(), [True, False]),
    "day": (pl.Date(), [date(1, 1, 1), date(1970, 1, 1), date(9999, 12, 31)]),
    "local": (pl.Datetime("us"), [datetime(1677, 1, 1), datetime(2020, 1, 1, 0, 0, 0, 1), datetime(9999, 12, 31)]),
    "at": (pl.Datetime("us", "UTC"), [datetime(1, 1, 1, tzinfo=UTC), datetime(2020, 2, 29, tzinfo=UTC)]),
    **{f"i{bits}": (kind, [-(2 ** (bits - 1)), -1, 0, 2 ** (bits - 1) - 1]) for bits, kind in [
        (8, pl.Int8()), (16, pl.Int16()), (32, pl.Int32()), (64, pl.Int64())]},
    **{f"u{bits}": (kind, [0, 1, 2**bits - 1]) for bits, kind in [
        (8, pl.UInt8()), (16, pl.UInt16()), (32, pl.UInt32()), (64, pl.UInt64())]},
}  # fmt: skip


def _frame(seed: int, rows: int) -> pl.DataFrame:
    """Some of the values of each column, in some order, with nulls or without."""
    draw = random.Random(seed)
    columns = []
    for name, (kind, values) in _VALUES.items():
        some = draw.sample(values, draw.randint(1, len(values))) + draw.choice([[], [None]])
        columns.append(pl.Series(name, draw.choices(some, k=rows), dtype=kind))
    return pl.DataFrame([*columns, pl.Series("none", [None] * rows, dtype=pl.String())])


def _written_by(lake: Lake, frame: pl.DataFrame) -> str:
    staged = stage_frame(lake, frame)
    writer = str(lake.value("SELECT any_value(created_by) FROM parquet_file_metadata(?)", [str(staged.path)]))
    staged.path.unlink()
    return writer.split()[0]


@pytest.mark.parametrize("seed", range(2))
def test_staged_rows_and_the_answers_about_them_are_those_of_the_frame(lake: Lake, seed: int) -> None:
    frame = _frame(seed, rows=50)
    assert _written_by(lake, frame) == "Polars"
    with write(lake, Author("s/t")) as tx:
        tx.append("s", "inserted", frame.head(0))
        tx.append("s", "staged", stage_frame(lake, frame))
    assert lake.columns("s", "staged") == lake.columns("s", "inserted")
    assert str(lake.frame("SELECT * FROM s.staged").rows()) == str(frame.rows())
    lake.connection.register("frame", to_arrow(frame))
    (file,) = lake.tables.glob("s/staged/*.parquet")
    for name, (_, values) in _VALUES.items():
        asked = [value for value in values if value != "\0"]  # by which DuckLake selects no files
        tests = [f"{quoted(name)} {sign} ?" for sign in ("=", "<", ">") for _ in asked]
        expected = lake.rows(f"SELECT {', '.join(f'count(*) FILTER ({t})' for t in tests)} FROM frame", asked * 3)[0]
        for source, some in ((literal(str(file)), slice(None)), ("s.staged", slice(0, len(asked)))):
            counts = ", ".join(f"(SELECT count(*) FROM {source} WHERE {test})" for test in tests[some])
            assert lake.rows(f"SELECT {counts}", (asked * 3)[some])[0] == expected[some], name


@pytest.mark.parametrize(
    "column",
    [
        pl.Series([1.0, float("nan")]),
        pl.Series(["b" * 257]),
        pl.Series(["1.5"]).cast(pl.Decimal(10, 2)),
        pl.Series([[1, 2]]),
        pl.Series([b"\0"]),
        pl.Series([datetime(2020, 1, 1)], dtype=pl.Datetime("ns")),
    ],
    ids=lambda column: str(column.dtype),
)
def test_what_polars_would_write_otherwise_is_left_to_duckdb(lake: Lake, column: pl.Series) -> None:
    assert _written_by(lake, column.alias("x").to_frame()) == "DuckDB"


def test_numbers_beside_nan_are_found_in_staged_rows(lake: Lake) -> None:
    with write(lake, Author("s/t")) as tx:
        tx.append("s", "t", stage_frame(lake, pl.DataFrame({"x": [1.0, float("nan"), 3.0]})))
    assert lake.value("SELECT count(*) FROM s.t WHERE x > 100") == 1
