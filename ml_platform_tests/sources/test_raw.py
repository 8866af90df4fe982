"""Files into raw: every version once, as it came, whatever its columns are called."""

import gzip
import io
from datetime import UTC, datetime

import dataframely as dy
import polars as pl

from ml_platform.sources.raw import ingest, pending
from ml_platform.sources.raw_columns import read_raw
from ml_platform.spec.tables import Files
from ml_platform.state.files import versions
from ml_platform_tests.ingestion_sandbox import Scene, customers, readings, utc

GOOD = "id,name\n1,Ada\n2,Grace\n"


def parquet(frame: pl.DataFrame) -> bytes:
    target = io.BytesIO()
    frame.write_parquet(target)
    return target.getvalue()


def test_the_same_content_is_read_once_and_a_touched_file_is_hashed_once(scene: Scene) -> None:
    table, seen = customers(), []
    scene.put("customers/a.csv", GOOD)
    assert scene.ingest(table).ingested == ["customers/a.csv"]
    scene.put("customers/a.csv", GOOD)
    assert pending(scene.lake, table).nothing
    assert ingest(scene.lake, table, "run", on_file=seen.append).nothing and seen == []
    [version] = versions(scene.lake, "customers")
    assert version.mtime_ns == (scene.landing / "customers/a.csv").stat().st_mtime_ns


def test_new_content_of_a_path_replaces_the_old_version(scene: Scene) -> None:
    table = customers()
    scene.put("customers/a.csv", GOOD)
    scene.ingest(table)
    scene.put("customers/a.csv", GOOD + "3,Joan\n")
    report = scene.ingest(table)
    assert report.replaced == ["customers/a.csv"]
    old, new = versions(scene.lake, "customers")
    assert (old.status, new.status, new.replaces, new.version) == ("replaced", "ingested", old.file_id, 2)
    scene.put("customers/a.csv", GOOD)  # and back: a third version, though the content was there before
    scene.ingest(table)
    third = versions(scene.lake, "customers")[2]
    assert third.sha256 == old.sha256 and third.file_id != old.file_id
    assert scene.lake.value("SELECT count(*) FROM raw.customers") == 7


def test_an_arrival_is_the_declared_one_or_now(scene: Scene) -> None:
    table, start = customers(), datetime.now(UTC)
    scene.arrive(table, "a.csv", GOOD, utc("2013-02-01"))
    scene.put("customers/b.csv", GOOD + "3,Joan\n")
    scene.ingest(table)
    a, b = versions(scene.lake, "customers")
    assert (a.arrival, a.declared) == (utc("2013-02-01"), True)
    assert start <= b.arrival <= datetime.now(UTC) and not b.declared


def test_a_file_that_left_the_landing_folder_stays_in_the_lake(scene: Scene) -> None:
    table = customers()
    file = scene.put("customers/a.csv", GOOD)
    scene.run(table)
    file.unlink()
    assert pending(scene.lake, table).nothing and scene.run(table)[0].rows == 2


def test_extra_columns_are_kept_and_the_raw_table_grows(scene: Scene) -> None:
    table = customers()
    scene.put("customers/a.csv", GOOD)
    scene.put("customers/b.csv", "id,name,note\n3,Joan,hi\n")
    scene.account(table, scene.run(table))
    assert scene.lake.rows("SELECT id, name, note FROM raw.customers ORDER BY id") == [
        ("1", "Ada", None),
        ("2", "Grace", None),
        ("3", "Joan", "hi"),
    ]


def test_columns_of_any_name_keep_it(scene: Scene) -> None:
    names = [
        "id",
        "name",
        'quo"te',
        "sp ace",
        "a'b; DROP TABLE raw.customers; --",
        "🎉",
        "select",
        "_file",
        "_row",
        "Name",
        "ünïcode",
        "new\nline",
        "comma,",
    ]
    header = ",".join('"' + name.replace('"', '""') + '"' for name in names)
    scene.put("customers/a.csv", header + ",\n" + ",".join(["1", "Ada", *"cdefghijklm", "z"]) + "\n")
    table = customers()
    scene.account(table, scene.run(table))
    [version] = versions(scene.lake, "customers")
    raw = read_raw(scene.lake, "customers", version.file_id, version.columns)
    assert raw.columns[1:] == ["_row::VARCHAR" if n == "_row" else n for n in [*names, "unnamed_14"]]
    assert raw.row(0)[1:] == ("1", "Ada", *"cdefghijklm", "z")


def test_a_column_whose_type_changes_is_kept_in_both(scene: Scene) -> None:
    table = customers(source=Files("customers/*.parquet"))
    scene.put("customers/a.parquet", parquet(pl.DataFrame({"id": [1], "name": ["Ada"], "x": [1]})))
    scene.put("customers/b.parquet", parquet(pl.DataFrame({"id": [2.0], "name": ["Grace"], "x": ["one"]})))
    scene.put("customers/c.parquet", parquet(pl.DataFrame({"id": [3.5], "name": [None], "x": [None]})))
    scene.put("customers/d.parquet", parquet(pl.DataFrame({"id": [4], "Name": ["Hedy"], "x": [{"a": [1]}]})))
    report = scene.ingest(table)
    assert [r.path for r in report.refused] == ["customers/d.parquet"]  # renamed: Name
    scene.account(table, scene.run(table))
    columns = scene.lake.columns("raw", "customers")
    assert columns["x"] == "BIGINT" and columns["x::VARCHAR"] == "VARCHAR" and columns["id::DOUBLE"] == "DOUBLE"
    assert scene.validated(table)["id"].to_list() == [1, 2]
    assert scene.quarantine(table)["reason"].to_list() == ["id is '3.5', which is not a whole number of Int64"]
    for version, frame in zip(versions(scene.lake, "customers"), "abc", strict=False):
        kept = read_raw(scene.lake, "customers", version.file_id, version.columns).drop("_row")
        came = pl.read_parquet(scene.landing / f"customers/{frame}.parquet")
        assert kept.schema == came.schema and kept.rows() == came.rows()


def test_parquet_of_every_type_comes_back_as_it_went(scene: Scene) -> None:
    moment = datetime(2013, 1, 1, 5, 30, tzinfo=UTC)
    frame = pl.DataFrame(
        {
            "id": [1],
            "name": ["Ada"],
            "naive": [moment.replace(tzinfo=None)],
            "zoned": [moment],
            "day": [moment.date()],
            "time": [moment.time()],
            "bytes": [b"\x00\xff"],
            "list": [[1, None]],
            "struct": [{"a": 1, "b": "x"}],
            "nan": [float("nan")],
            "yes": [True],
            "small": pl.Series([1], dtype=pl.UInt8),
            "big": pl.Series([2**63], dtype=pl.UInt64),
            "exact": pl.Series(["1.25"]).cast(pl.Decimal(10, 2)),
        }
    )
    odd = {
        "cat": pl.Series(["x"], dtype=pl.Categorical),
        "fine": pl.Series([moment]).dt.cast_time_unit("ns"),
        "nothing": pl.Series([None]),
    }
    scene.put("customers/a.parquet", parquet(frame.with_columns(**odd)))
    table = customers(source=Files("customers/*.parquet"))
    scene.run(table)
    [version] = versions(scene.lake, "customers")
    raw = read_raw(scene.lake, "customers", version.file_id, version.columns)
    assert raw.select(frame.columns).schema == frame.schema
    assert str(raw.select(frame.columns).rows()) == str(frame.rows())
    assert raw.select("cat", "fine", "nothing").rows() == [("x", moment, None)]


def test_ndjson_gzip_and_zip_read_as_their_plain_file(scene: Scene) -> None:
    lines = '{"id":1,"name":"Ada","tags":["a"]}\n{"id":2,"name":null}\n'
    scene.put("customers/a.ndjson.gz", gzip.compress(lines.encode()))
    table = customers(source=Files("customers/*.ndjson.gz"))
    scene.account(table, scene.run(table))
    assert scene.validated(table).select("id", "name").rows() == [(1, "Ada"), (2, None)]
    assert scene.lake.rows("SELECT tags FROM raw.customers ORDER BY id") == [(["a"],), (None,)]


def test_a_50_mb_cell_in_parquet_is_just_a_cell(scene: Scene) -> None:
    big = "x" * 50_000_000
    scene.put("customers/a.parquet", parquet(pl.DataFrame({"id": [1], "name": [big]})))
    table = customers(source=Files("customers/*.parquet"))
    scene.account(table, scene.run(table))
    assert scene.lake.value("SELECT length(name) FROM validated.customers") == len(big)


def test_another_separator_reads_the_files_anew_in_the_same_place(scene: Scene) -> None:
    def clean(raw: pl.DataFrame) -> pl.DataFrame:
        return raw

    scene.put("customers/a.csv", "id;name\n1;Ada\n")
    wrong, right = customers(clean=clean), customers(clean=clean, source=Files("customers/*.csv", separator=";"))
    [report] = [*scene.run(wrong), scene.build(wrong)]
    assert "columns are missing: id, name" in report.refused[0].error
    assert pending(scene.lake, right).changed == ["customers/a.csv"]
    [report] = scene.run(right)
    assert report.rows == 1 and report.refused == []
    first, second = versions(scene.lake, "customers")
    assert first.arrival == second.arrival  # the content arrived once


def test_raw_keeps_what_means_no_value_as_it_came(scene: Scene) -> None:
    scene.put("readings/a.csv", 'sensor,at,value\na,2013-01-01T00:00:00Z,NA\nb,2013-01-01T00:00:00Z,""\n')
    table = readings()
    scene.run(table)
    assert scene.lake.rows("SELECT value FROM raw.readings ORDER BY _row") == [("NA",), ("",)]
    assert scene.validated(table)["value"].to_list() == [None, None]


def test_a_contract_with_an_alias_of_any_name_makes_its_column(scene: Scene) -> None:
    class Odd(dy.Schema):
        key = dy.Int64(primary_key=True, alias='the "key" 🎉')

    table = customers(contract=Odd)
    scene.put("customers/a.csv", '"the ""key"" 🎉"\n1\nx\n')
    scene.account(table, scene.run(table))
    assert scene.lake.rows('SELECT "the ""key"" 🎉" FROM validated.customers') == [(1,)]
