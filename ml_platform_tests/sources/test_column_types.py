"""Columns of every type that a file can bring: few rows and many, in a new table and in one that stands."""

import io
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml_platform.lake.python_rows import python_rows
from ml_platform.lake.storable import storable
from ml_platform.runtime.workspace import Workspace
from ml_platform.settings import Settings
from ml_platform.sources.raw_columns import read_raw
from ml_platform.spec.sources import Files
from ml_platform.state.files import versions
from ml_platform_tests.ingestion_sandbox import IngestionSandbox, customers

NOON = time(12, 30, 15, 123_456)
MOMENT = datetime(2024, 3, 1, 12, 30, 15, 250_000)
TYPES: dict[str, tuple[pl.DataType, Any]] = {
    "embedding": (pl.Array(pl.Float32(), 3), [0.5, 0.25, 1.0]),
    "matrix": (pl.Array(pl.Int8(), (2, 2)), [[1, 2], [3, 4]]),
    "time": (pl.Time(), NOON),
    "times": (pl.List(pl.Time()), [NOON, None]),
    "opening": (pl.Struct({"from": pl.Time(), "until": pl.Time()}), {"from": NOON, "until": None}),
    "uint64": (pl.UInt64(), 2**64 - 1),
    "int128": (pl.Int128(), -(2**100)),
    "uint128": (pl.UInt128(), 2**127),
    "hashes": (pl.List(pl.Int128()), [2**100]),
    "float16": (pl.Float16(), 1.5),
    "decimal": (pl.Decimal(38, 10), Decimal("12345678901234567890.0123456789")),
    "duration": (pl.Duration("us"), timedelta(days=2, hours=3, microseconds=5)),
    "durations": (pl.List(pl.Duration("ms")), [timedelta(hours=3)]),
    "null": (pl.Null(), None),
    "nulls": (pl.List(pl.Null()), [None]),
    "enum": (pl.Enum(["red", "green"]), "green"),
    "category": (pl.Categorical(), "red"),
    "categories": (pl.List(pl.Enum(["red", "green"])), ["red"]),
    "binary": (pl.Binary(), b"\x00\xff"),
    "list": (pl.List(pl.Int64()), [1, None]),
    "deep": (pl.List(pl.Struct({"a": pl.List(pl.String())})), [{"a": ["x", None]}, None]),
    "struct": (pl.Struct({"a": pl.Int8(), "b": pl.String()}), {"a": 1, "b": None}),
    "twins": (pl.Struct({"a": pl.Int8(), "A": pl.Int8()}), {"a": 1, "A": 2}),
    "map": (pl.List(pl.Struct({"key": pl.String(), "value": pl.Int64()})), [{"key": "a", "value": 1}]),
    "milliseconds": (pl.Datetime("ms"), MOMENT),
    "nanoseconds": (pl.Datetime("ns", "Europe/Berlin"), MOMENT.replace(tzinfo=UTC)),
    "moments": (pl.List(pl.Datetime("ns")), [MOMENT]),
    "late": (pl.Date(), date(9999, 12, 31)),
    "text": (pl.String(), "a\x00b"),
    "number": (pl.Float64(), float("nan")),
}
NAMES = [
    "row_id",
    "begin_snapshot",
    "end_snapshot",
    "rowid",
    "snapshot_id",
    "filename",
    "",
    "x" * 200,
    "file_row_number",
]


def table_of(rows: int) -> pl.DataFrame:
    """`rows` customers with a column of every type; every third cell is null."""
    columns = {
        name: pl.Series([None if i % 3 == 1 else value for i in range(rows)], dtype=kind)
        for name, (kind, value) in TYPES.items()
    }
    odd = {name: pl.Series([f"{name} {i}" for i in range(rows)]) for name in NAMES}
    return pl.DataFrame({"id": [rows * 1000 + i for i in range(rows)], "name": ["Ada"] * rows, **columns, **odd})


def parquet(frame: pl.DataFrame) -> bytes:
    target = io.BytesIO()
    frame.write_parquet(target)
    return target.getvalue()


PLAIN = pl.DataFrame({"id": [1], "name": ["Grace"]})
ORDERS = {"few first": [3, 400], "many first": [400, 3], "few later": [0, 3, 400], "many later": [0, 400, 3]}


@pytest.fixture(scope="module", params=ORDERS)
def landed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[IngestionSandbox, list[tuple[str, pl.DataFrame]]]]:
    """Files of the order of sizes, each ingested by itself; 0 is a file without such columns."""
    folder = tmp_path_factory.mktemp("types") / "data"
    with closing(Workspace.open(Settings(data=folder, threads=2), {})) as stores:
        sandbox = IngestionSandbox(stores)
        table, files = customers(source=Files("customers/*.parquet")), []
        for i, rows in enumerate(ORDERS[request.param]):
            frame = table_of(rows) if rows else PLAIN
            sandbox.put(f"customers/{i}.parquet", parquet(frame))
            report = sandbox.ingest(table)
            assert report.refused == [] and report.rows == frame.height
            files.append((f"customers/{i}.parquet", frame))
        yield sandbox, files


def test_every_type_is_kept_in_its_stated_form(landed: tuple[IngestionSandbox, list[tuple[str, pl.DataFrame]]]) -> None:
    sandbox, files = landed
    recorded = {version.path: version for version in versions(sandbox.state, "customers")}
    for path, frame in files:
        version, stored = recorded[path], storable(frame)
        raw = read_raw(sandbox.lake, "customers", version.file_id, version.columns).drop("_row")
        assert raw.columns == frame.columns
        for name in frame.columns:
            kind = stored[name].dtype
            zoned = isinstance(kind, pl.Datetime) and kind.time_zone is not None
            expected = stored[name].dt.convert_time_zone("UTC") if zoned else stored[name]
            assert raw[name].dtype == expected.dtype, name
            assert str(raw[name].to_list()) == str(expected.to_list()), name


def test_the_raw_table_stays_readable_and_its_rows_are_validated(
    landed: tuple[IngestionSandbox, list[tuple[str, pl.DataFrame]]],
) -> None:
    sandbox, files = landed
    table = customers(source=Files("customers/*.parquet"))
    rows = sum(frame.height for _, frame in files)
    assert len(sandbox.lake.connection.execute("SELECT * FROM raw.customers").fetchall()) == rows
    [report] = sandbox.run(table)
    assert report.result.rows == rows
    sandbox.check_nothing_lost(table, [report])


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("duration", "P2DT3H0.000005S"),
        ("durations", '["PT3H"]'),
        ("int128", str(-(2**100))),
        ("hashes", [str(2**100)]),
        ("embedding", [0.5, 0.25, 1.0]),
        ("twins", '{"a": 1, "A": 2}'),
        ("enum", "green"),
        ("float16", 1.5),
        ("uint64", 2**64 - 1),
        ("time", NOON),
        ("nulls", [None]),
        ("milliseconds", MOMENT),
    ],
)
def test_the_form_of_a_type_is_the_one_that_the_documents_state(name: str, kept: Any) -> None:
    assert storable(table_of(1))[name].to_list() == [kept]


def test_a_map_is_kept_as_its_entries(sandbox: IngestionSandbox) -> None:
    entries = pa.array([[("a", 1)], None, []], type=pa.map_(pa.string(), pa.int64()))
    target = io.BytesIO()
    pq.write_table(pa.table({"id": [1, 2, 3], "name": ["x"] * 3, "tags": entries}), target)
    sandbox.put("customers/a.parquet", target.getvalue())
    sandbox.ingest(customers(source=Files("customers/*.parquet")))
    tags = [row[0] for row in sandbox.lake.rows("SELECT tags FROM raw.customers ORDER BY _row")]
    assert tags == [[{"key": "a", "value": 1}], None, []]


def test_numbers_of_more_than_38_digits_are_refused_by_column_and_the_others_go_on(sandbox: IngestionSandbox) -> None:
    table = customers(source=Files("customers/*.parquet"))
    wide = pa.array([Decimal("1" * 50)], type=pa.decimal256(60, 2))
    target = io.BytesIO()
    lists = pa.array([[Decimal(1)]], type=pa.list_(wide.type))
    pq.write_table(pa.table({"id": [1], "name": ["x"], "hash": wide, "list": lists}), target)
    sandbox.put("customers/a.parquet", target.getvalue())
    sandbox.put("customers/b.parquet", parquet(PLAIN))
    report = sandbox.ingest(table)
    assert report.ingested == ["customers/b.parquet"]
    assert "customers/a.parquet ('hash', 'list'): numbers of more than 38 digits" in report.refused[0].error


def test_a_structure_without_fields_is_kept_as_json() -> None:
    frame = pl.DataFrame({"x": pl.Series([{}, None], dtype=pl.Struct([])), "y": [[{}], None]})
    assert storable(frame).rows() == [("{}", "[{}]"), (None, None)]


def test_a_table_of_more_columns_than_the_catalog_could_hold_is_taken_in_and_grows(sandbox: IngestionSandbox) -> None:
    def wide(rows: int, first: int, columns: int) -> bytes:
        cells = {f"g{i}": pl.Series([i] * rows, dtype=pl.Int64) for i in range(first, first + columns)}
        return parquet(pl.DataFrame({"id": range(first, first + rows), "name": ["Ada"] * rows, **cells}))

    table = customers(source=Files("customers/*.parquet"))
    sandbox.put("customers/a.parquet", wide(2, 0, 2100))
    sandbox.put("customers/b.parquet", wide(300, 2095, 10))
    assert sandbox.ingest(table).ingested == ["customers/a.parquet", "customers/b.parquet"]
    [report] = sandbox.run(table)
    assert report.result.rows == 302
    assert sandbox.lake.value("SELECT sum(g2104) FROM raw.customers") == 300 * 2104


def test_a_file_that_makes_the_raw_table_too_wide_is_refused_by_name_and_the_others_go_on(
    sandbox: IngestionSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = customers(source=Files("customers/*.parquet"))
    monkeypatch.setattr(sandbox.lake.settings, "max_columns", 5)
    for name, own in (("a", "f"), ("b", "g"), ("c", "f")):
        columns = {f"{own}{i}": [1.0] for i in range(2)}
        sandbox.put(f"customers/{name}.parquet", parquet(pl.DataFrame({"id": [1], "name": ["Ada"], **columns})))
    report = sandbox.ingest(table)
    assert report.ingested == ["customers/a.parquet", "customers/c.parquet"]
    [refusal] = report.refused
    assert "customers/b.parquet (4 columns)" in refusal.error and "would have 6, and it takes 5" in refusal.error
    assert "g0" in refusal.error and "Keep fewer columns" in refusal.error
    assert "ML_PLATFORM_MAX_COLUMNS" in refusal.error


def test_times_beyond_the_year_9999_are_stored_and_shown_as_distances() -> None:
    frame = pl.DataFrame(
        {
            "day": pl.Series([0, 2**31 - 1, None], dtype=pl.Int32).cast(pl.Date),
            "at": pl.Series([0, 2**62, None], dtype=pl.Int64).cast(pl.Datetime("us")),
        }
    )
    assert python_rows(frame) == [
        {"day": date(1970, 1, 1), "at": datetime(1970, 1, 1)},
        {"day": "+2147483647 days from 1970-01-01", "at": f"+{2**62} us from 1970-01-01"},
        {"day": None, "at": None},
    ]


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (pa.array([2**62], pa.timestamp("ms")), "no form in the lake"),
        (pa.array([[Decimal(1)]], pa.list_(pa.decimal256(60, 2))), "more than 38 digits"),
        (pa.array([{"a": Decimal(1)}], pa.struct([("a", pa.decimal256(60, 2))])), "more than 38 digits"),
    ],
)
def test_values_that_the_lake_has_no_form_for_are_refused_by_column_and_other_files_go_on(
    sandbox: IngestionSandbox, column: pa.Array, kind: str
) -> None:
    target = io.BytesIO()
    pq.write_table(pa.table({"id": [1], "name": ["x"], "odd": column}), target)
    sandbox.put("customers/a.parquet", target.getvalue())
    sandbox.put("customers/b.parquet", parquet(PLAIN))
    report = sandbox.ingest(customers(source=Files("customers/*.parquet")))
    assert report.ingested == ["customers/b.parquet"]
    assert "customers/a.parquet ('odd')" in report.refused[0].error and kind in report.refused[0].error
