"""Files into raw: every version once, as it came, whatever its columns are called."""

import gzip
import io
import json
from datetime import UTC, datetime, timedelta

import dataframely as dy
import polars as pl

from ml_platform.sources.raw import ingest
from ml_platform.sources.raw_columns import read_raw
from ml_platform.sources.scan import pending
from ml_platform.spec.sources import Files
from ml_platform.state.files import versions
from ml_platform_tests.ingestion_sandbox import IngestionSandbox, customers, readings, utc

GOOD = "id,name\n1,Ada\n2,Grace\n"


def parquet(frame: pl.DataFrame) -> bytes:
    target = io.BytesIO()
    frame.write_parquet(target)
    return target.getvalue()


def test_the_same_content_is_read_once_and_a_touched_file_is_hashed_once(sandbox: IngestionSandbox) -> None:
    table, seen = customers(), []
    sandbox.put("customers/a.csv", GOOD)
    assert sandbox.ingest(table).ingested == ["customers/a.csv"]
    sandbox.put("customers/a.csv", GOOD)
    assert pending(sandbox.state, table).nothing
    assert ingest(sandbox.stores, table, "run", on_file=seen.append).ingested == [] and seen == []
    [version] = versions(sandbox.state, "customers")
    assert version.mtime_ns == (sandbox.landing / "customers/a.csv").stat().st_mtime_ns


def test_new_content_of_a_path_replaces_the_old_version(sandbox: IngestionSandbox) -> None:
    table = customers()
    sandbox.put("customers/a.csv", GOOD)
    sandbox.ingest(table)
    sandbox.put("customers/a.csv", GOOD + "3,Joan\n")
    report = sandbox.ingest(table)
    assert report.replaced == ["customers/a.csv"]
    old, new = versions(sandbox.state, "customers")
    assert (old.status, new.status, new.replaces, new.version) == ("replaced", "ingested", old.file_id, 2)
    sandbox.put("customers/a.csv", GOOD)  # and back: a third version, though the content was there before
    sandbox.ingest(table)
    third = versions(sandbox.state, "customers")[2]
    assert third.sha256 == old.sha256 and third.file_id != old.file_id
    assert sandbox.lake.value("SELECT count(*) FROM raw.customers") == 7


def test_columns_named_like_patterns_are_kept_and_read(sandbox: IngestionSandbox) -> None:
    table = customers(source=Files("customers/*.csv", column_nulls={"*": ["none"]}))
    sandbox.put("customers/a.csv", "id,name,*,^a$,^.*$\n1,Ada,none,x,NA\nfew,Grace,2,y,\n")
    [report] = sandbox.run(table)
    assert (report.result.rows, report.result.quarantined) == (1, 1)
    [version] = versions(sandbox.state, "customers")
    kept = read_raw(sandbox.lake, "customers", version.file_id, version.columns)
    assert kept.rows() == [(0, "1", "Ada", "none", "x", "NA"), (1, "few", "Grace", "2", "y", "")]
    meant = table.source.with_nulls(kept)
    assert meant.columns == ["_row", "id", "name", "*", "^a$", "^.*$"]
    assert meant.rows() == [(0, "1", "Ada", None, "x", None), (1, "few", "Grace", "2", "y", None)]
    assert sandbox.quarantine(table)["row"].to_list() == ['{"id":"few","name":"Grace","*":"2","^a$":"y","^.*$":""}']


def test_typed_columns_named_like_patterns_are_kept_and_read(sandbox: IngestionSandbox) -> None:
    table = customers(source=Files("customers/*.parquet"))
    typed = {"a": [1.5, float("inf")], "b": [datetime(2013, 1, 1)] * 2, "c": [b"x", None], "d": [timedelta(1)] * 2}
    frame = pl.DataFrame({"id": ["1", "few"], "name": ["Ada", "Eva"], **typed})
    frame.columns = ["id", "name", "*", "^a$", "^b$", "^c$"]
    sandbox.put("customers/a.parquet", parquet(frame))
    [report] = sandbox.run(table)
    assert (report.result.rows, report.result.quarantined) == (1, 1)
    [text] = sandbox.quarantine(table)["row"]
    assert json.loads(text) == {
        "id": "few",
        "name": "Eva",
        "*": "inf",
        "^a$": "2013-01-01 00:00:00",
        "^b$": None,
        "^c$": "P1D",
    }


def test_an_arrival_is_the_declared_one_or_now(sandbox: IngestionSandbox) -> None:
    table, start = customers(), datetime.now(UTC)
    sandbox.land(table, "a.csv", GOOD, utc("2013-02-01"))
    sandbox.put("customers/b.csv", GOOD + "3,Joan\n")
    sandbox.ingest(table)
    a, b = versions(sandbox.state, "customers")
    assert (a.arrival, a.declared) == (utc("2013-02-01"), True)
    assert start <= b.arrival <= datetime.now(UTC) and not b.declared


def test_a_file_that_left_the_landing_folder_stays_in_the_lake(sandbox: IngestionSandbox) -> None:
    table = customers()
    file = sandbox.put("customers/a.csv", GOOD)
    sandbox.run(table)
    file.unlink()
    assert pending(sandbox.state, table).nothing and sandbox.run(table)[0].result.rows == 2


def test_extra_columns_are_kept_and_the_raw_table_grows(sandbox: IngestionSandbox) -> None:
    table = customers()
    sandbox.put("customers/a.csv", GOOD)
    sandbox.put("customers/b.csv", "id,name,note\n3,Joan,hi\n")
    sandbox.check_nothing_lost(table, sandbox.run(table))
    assert sandbox.lake.rows("SELECT id, name, note FROM raw.customers ORDER BY id") == [
        ("1", "Ada", None),
        ("2", "Grace", None),
        ("3", "Joan", "hi"),
    ]


def test_columns_of_any_name_keep_it(sandbox: IngestionSandbox) -> None:
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
    sandbox.put("customers/a.csv", header + ",\n" + ",".join(["1", "Ada", *"cdefghijklm", "z"]) + "\n")
    table = customers()
    sandbox.check_nothing_lost(table, sandbox.run(table))
    [version] = versions(sandbox.state, "customers")
    raw = read_raw(sandbox.lake, "customers", version.file_id, version.columns)
    assert raw.columns[1:] == ["_row::VARCHAR" if n == "_row" else n for n in [*names, "unnamed_14"]]
    assert raw.row(0)[1:] == ("1", "Ada", *"cdefghijklm", "z")


def test_a_column_whose_type_changes_is_kept_in_both(sandbox: IngestionSandbox) -> None:
    table = customers(source=Files("customers/*.parquet"))
    sandbox.put("customers/a.parquet", parquet(pl.DataFrame({"id": [1], "name": ["Ada"], "x": [1]})))
    sandbox.put("customers/b.parquet", parquet(pl.DataFrame({"id": [2.0], "name": ["Grace"], "x": ["one"]})))
    sandbox.put("customers/c.parquet", parquet(pl.DataFrame({"id": [3.5], "name": [None], "x": [None]})))
    sandbox.put("customers/d.parquet", parquet(pl.DataFrame({"id": [4], "Name": ["Hedy"], "x": [{"a": [1]}]})))
    report = sandbox.ingest(table)
    assert [r.path for r in report.refused] == ["customers/d.parquet"]  # renamed: Name
    sandbox.check_nothing_lost(table, sandbox.run(table))
    columns = sandbox.lake.columns("raw", "customers")
    assert columns["x"] == "BIGINT" and columns["x::VARCHAR"] == "VARCHAR" and columns["id::DOUBLE"] == "DOUBLE"
    assert sandbox.validated(table)["id"].to_list() == [1, 2]
    assert sandbox.quarantine(table)["reason"].to_list() == ["id is '3.5', which is not a whole number of Int64"]
    for version, frame in zip(versions(sandbox.state, "customers"), "abc", strict=False):
        kept = read_raw(sandbox.lake, "customers", version.file_id, version.columns).drop("_row")
        came = pl.read_parquet(sandbox.landing / f"customers/{frame}.parquet")
        assert kept.schema == came.schema and kept.rows() == came.rows()


def test_parquet_of_every_type_comes_back_as_it_went(sandbox: IngestionSandbox) -> None:
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
    sandbox.put("customers/a.parquet", parquet(frame.with_columns(**odd)))
    table = customers(source=Files("customers/*.parquet"))
    sandbox.run(table)
    [version] = versions(sandbox.state, "customers")
    raw = read_raw(sandbox.lake, "customers", version.file_id, version.columns)
    assert raw.select(frame.columns).schema == frame.schema
    assert str(raw.select(frame.columns).rows()) == str(frame.rows())
    assert raw.select("cat", "fine", "nothing").rows() == [("x", moment, None)]


def test_ndjson_gzip_and_zip_read_as_their_plain_file(sandbox: IngestionSandbox) -> None:
    lines = '{"id":1,"name":"Ada","tags":["a"]}\n{"id":2,"name":null}\n'
    sandbox.put("customers/a.ndjson.gz", gzip.compress(lines.encode()))
    table = customers(source=Files("customers/*.ndjson.gz"))
    sandbox.check_nothing_lost(table, sandbox.run(table))
    assert sandbox.validated(table).select("id", "name").rows() == [(1, "Ada"), (2, None)]
    assert sandbox.lake.rows("SELECT tags FROM raw.customers ORDER BY id") == [(["a"],), (None,)]


def test_a_50_mb_cell_in_parquet_is_just_a_cell(sandbox: IngestionSandbox) -> None:
    big = "x" * 50_000_000
    sandbox.put("customers/a.parquet", parquet(pl.DataFrame({"id": [1], "name": [big]})))
    table = customers(source=Files("customers/*.parquet"))
    sandbox.check_nothing_lost(table, sandbox.run(table))
    assert sandbox.lake.value("SELECT length(name) FROM validated.customers") == len(big)


def test_another_separator_reads_the_files_anew_in_the_same_place(sandbox: IngestionSandbox) -> None:
    def clean(raw: pl.DataFrame) -> pl.DataFrame:
        return raw

    sandbox.put("customers/a.csv", "id;name\n1;Ada\n")
    wrong, right = customers(clean=clean), customers(clean=clean, source=Files("customers/*.csv", separator=";"))
    [report] = [*sandbox.run(wrong), sandbox.build(wrong)]
    assert "columns are missing: id, name" in report.refused[0].error
    assert pending(sandbox.state, right).changed == ["customers/a.csv"]
    [report] = sandbox.run(right)
    assert report.result.rows == 1 and report.refused == []
    first, second = versions(sandbox.state, "customers")
    assert first.arrival == second.arrival  # the content arrived once


def test_raw_keeps_what_means_no_value_as_it_came(sandbox: IngestionSandbox) -> None:
    sandbox.put("readings/a.csv", 'sensor,at,value\na,2013-01-01T00:00:00Z,NA\nb,2013-01-01T00:00:00Z,""\n')
    table = readings()
    sandbox.run(table)
    assert sandbox.lake.rows("SELECT value FROM raw.readings ORDER BY _row") == [("NA",), ("",)]
    assert sandbox.validated(table)["value"].to_list() == [None, None]


def test_a_contract_with_an_alias_of_any_name_makes_its_column(sandbox: IngestionSandbox) -> None:
    class Odd(dy.Schema):
        key = dy.Int64(primary_key=True, alias='the "key" 🎉')

    table = customers(contract=Odd)
    sandbox.put("customers/a.csv", '"the ""key"" 🎉"\n1\nx\n')
    sandbox.check_nothing_lost(table, sandbox.run(table))
    assert sandbox.lake.rows('SELECT "the ""key"" 🎉" FROM validated.customers') == [(1,)]
