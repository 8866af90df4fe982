"""Each bad file of the issue: named with place and remedy, left where it is, the others go on, nothing is lost."""

import gzip
import io
import zipfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest
from sqlalchemy import select

from ml_platform.errors import DeclarationError, FileRefused
from ml_platform.runtime.workspace import Workspace
from ml_platform.settings import Settings
from ml_platform.sources.file_reading import read
from ml_platform.sources.raw import IngestReport, ingest
from ml_platform.sources.scan import pending
from ml_platform.spec.sources import Files
from ml_platform.spec.tables import Table
from ml_platform.state.schema import files
from ml_platform.validation.validated import ValidatedReport
from ml_platform_tests.ingestion_sandbox import IngestionSandbox, customers

GOOD = "id,name\n1,Ada\n2,Grace\n"
BIG = "x" * 50_000_000


def _gz(content: str) -> bytes:
    return gzip.compress(content.encode(), mtime=0)


def _zip(*members: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for i, content in enumerate(members):
            archive.writestr(f"{i}.csv", content)
    return packed.getvalue()


BAD = {
    "empty": (b"", ["the file is empty", "at least a header"]),
    "only white space": (b"\n\n", ["the file is empty"]),
    "missing column": (b"id\n1\n", [".csv (the header)", "columns are missing: name", "map them in clean"]),
    "renamed column": (b"id,Name\n1,Ada\n", ["missing: name (renamed to 'Name'?)"]),
    "duplicate names": (b"id,name,name\n1,a,b\n", ["(line 1)", "column names come twice: 'name'"]),
    "utf-16": ("id,name\n1,Ada\n".encode("utf-16"), ["(byte 0)", "UTF-16", "iconv -f UTF-16 -t UTF-8"]),
    "utf-16 without a mark": ("id,name\n1,Ada\n".encode("utf-16-le"), ["UTF-16 without a mark, or is binary"]),
    "latin-1": ("id,name\n1,Ada\n2,Zoë\n".encode("latin-1"), ["(byte 18, line 3)", "0xeb is not UTF-8", "iconv"]),
    "cut character": (b"id,name\n1,Zo\xc3", ["ends inside a character", "byte 13"]),
    "binary garbage": (bytes(range(256)) * 40, ["(byte ", "binary"]),
    "short line": (b"id,name\n1,Ada\n2\n3,Joan\n", ["(line 3)", "1 cells where the header has 2", "land it again"]),
    "long line": (b"id,name\n1,Ada\n2,Grace,x\n", ["(line 3)", "3 cells where the header has 2"]),
    "open quote": (b'id,name\n1,Ada\n2,"Grace\n3,Joan\n', ["(line 3)", "a quote is opened and never closed"]),
    "text after a quote": (b'id,name\n1,"Ada"x\n', ["(line 2)", "not well-formed CSV"]),
    "50 MB cell": (f"id,name\n1,Ada\n2,{BIG}\n".encode(), ["(line 3)", "longer than 8,000,000 bytes"]),
    "gzip without its name": (_gz(GOOD), ["the file is gzip", "ending .gz"]),
    "Parquet without its name": (b"PAR1" + bytes(50), ["the file is Parquet", 'format="parquet"']),
}


Landed = tuple[IngestionSandbox, Table, IngestReport, list[ValidatedReport]]


def _landed(folder: Path, table: Table, contents: dict[str, bytes]) -> Iterator[Landed]:
    """One lake in which good and bad files landed together and everything was made."""
    with closing(Workspace.open(Settings(data=folder / "data", threads=2), {})) as stores:
        sandbox = IngestionSandbox(stores)
        for name, content in contents.items():
            sandbox.put(f"customers/{name}", content)
        report = sandbox.ingest(table)
        yield sandbox, table, report, sandbox.run(table)


def _check(landed: Landed, file: str, content: bytes, expected: list[str]) -> None:
    sandbox, table, report, reports = landed
    [refusal] = [r for r in report.refused if r.path == f"customers/{file}"]
    for part in [file, *expected]:
        assert part in refusal.error
    assert (sandbox.landing / "customers" / file).read_bytes() == content
    recorded = sandbox.state.rows(select(files.c.status, files.c.error).where(files.c.path == refusal.path))
    assert recorded == [("refused", refusal.error)]
    sandbox.check_nothing_lost(table, reports)


@pytest.fixture(scope="module")
def csvs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Landed]:
    bad = {f"{name}.csv": content for name, (content, _) in BAD.items()}
    yield from _landed(tmp_path_factory.mktemp("csvs"), customers(), {**bad, "good.csv": GOOD.encode()})


@pytest.mark.parametrize("name", BAD)
def test_a_bad_csv_is_named_with_place_and_remedy(csvs: Landed, name: str) -> None:
    _check(csvs, f"{name}.csv", BAD[name][0], BAD[name][1])


def test_the_good_csv_among_the_bad_ones_is_taken_in(csvs: Landed) -> None:
    sandbox, table, report, _ = csvs
    assert report.ingested == ["customers/good.csv"]
    assert sandbox.validated(table)["name"].to_list() == ["Ada", "Grace"]


PACKED = {
    "truncated gzip": ("1.csv.gz", _gz(GOOD * 1000)[:-20], ["truncated", "unpacked bytes", "Land the file again"]),
    "damaged gzip": ("2.csv.gz", b"\x1f\x8b" + b"garbage" * 20, ["not a sound gzip"]),
    "text named .gz": ("3.csv.gz", GOOD.encode(), ["not a sound gzip"]),
    "two files in a zip": ("4.csv.zip", _zip(GOOD, GOOD), ["2 files instead of one", "0.csv, 1.csv", "by itself"]),
    "truncated zip": ("5.csv.zip", _zip(GOOD)[:-30], ["not a sound zip"]),
    "empty gzip": ("6.csv.gz", _gz(""), ["the file is empty"]),
}


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Landed]:
    table = customers(source=Files("customers/*.csv.*", format="csv"))
    good = {"good.csv.gz": _gz(GOOD), "good.csv.zip": _zip("id,name\n3,Joan\n")}
    bad = {file: content for file, content, _ in PACKED.values()}
    yield from _landed(tmp_path_factory.mktemp("archives"), table, {**bad, **good})


@pytest.mark.parametrize("name", PACKED)
def test_a_bad_archive_is_named_with_place_and_remedy(archives: Landed, name: str) -> None:
    _check(archives, *PACKED[name])


def test_the_good_archives_among_the_bad_ones_are_taken_in(archives: Landed) -> None:
    report = archives[2]
    assert report.ingested == ["customers/good.csv.gz", "customers/good.csv.zip"] and report.rows == 3


LINES = {
    "cut line": ('{"id":1,"name":"Ada"}\n{"id":2,"na', ["(line 2)", "not JSON"]),
    "no object": ('{"id":1,"name":"Ada"}\n[2]\n', ["(line 2)", "a list where an object should be"]),
    "NaN": ('{"id":1,"name":"Ada"}\n{"id":NaN,"name":"x"}\n', ["(line 2)", "NaN is not a JSON number"]),
    "no table": ('{"id":[1],"name":"Ada"}\n{"id":2,"name":"x"}\n', ["do not fit one table", "one type"]),
    "missing field": ('{"id":1}\n', ["contracted columns are missing: name"]),
}


@pytest.fixture(scope="module")
def ndjsons(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Landed]:
    good = '\ufeff{"id":1,"name":"Ada"}\n\n{"id":2,"name":null}\n'
    bad = {f"{name}.ndjson": content.encode() for name, (content, _) in LINES.items()}
    table = customers(source=Files("customers/*.ndjson"))
    yield from _landed(tmp_path_factory.mktemp("ndjsons"), table, {**bad, "good.ndjson": good.encode()})


@pytest.mark.parametrize("name", LINES)
def test_a_bad_ndjson_is_named_with_its_line(ndjsons: Landed, name: str) -> None:
    _check(ndjsons, f"{name}.ndjson", LINES[name][0].encode(), LINES[name][1])


def test_the_good_ndjson_among_the_bad_ones_is_taken_in(ndjsons: Landed) -> None:
    report = ndjsons[2]
    assert report.ingested == ["customers/good.ndjson"] and report.rows == 2


def test_bad_parquet_files_are_named_and_the_others_go_on(sandbox: IngestionSandbox) -> None:
    packed = io.BytesIO()
    pl.DataFrame({"id": range(100), "name": "Ada"}).write_parquet(packed)
    whole = packed.getvalue()
    sandbox.put("customers/cut.parquet", whole[:-10])
    sandbox.put("customers/text.parquet", b"id,name" + whole)
    sandbox.put("customers/zeros.parquet", whole[:8] + bytes(len(whole) - 12) + whole[-4:])
    sandbox.put("customers/good.parquet", whole)
    report = sandbox.ingest(customers(source=Files("customers/*.parquet")))
    assert report.ingested == ["customers/good.parquet"]
    said = {refusal.path: refusal.error for refusal in report.refused}
    for file, part in (("cut", "is truncated"), ("text", "(byte 0): not a Parquet file"), ("zeros", "cannot be read")):
        assert part in said[f"customers/{file}.parquet"]


def test_a_header_without_rows_is_a_file_with_no_rows(sandbox: IngestionSandbox) -> None:
    table = customers()
    sandbox.put("customers/a.csv", "id,name\n")
    sandbox.put("customers/b.csv", "id,name")
    assert sandbox.ingest(table).ingested == ["customers/a.csv", "customers/b.csv"]
    report = sandbox.build(table)
    assert (report.result.rows, report.result.quarantined) == (0, 0)


def test_marks_and_line_ends_of_every_kind_read_the_same(sandbox: IngestionSandbox) -> None:
    texts = [
        "\ufeffid,name\n1,Ada\n2,Grace\n",
        "id,name\r\n1,Ada\r\n2,Grace\r\n",
        "id,name\r\n1,Ada\n2,Grace\r\n",
        "id,name\n1,Ada\n\n2,Grace",
        "id,name\r1,Ada\r2,Grace\r",
        '"id","name"\n"1","Ada"\n"2","Grace"\n',
    ]
    for i, text in enumerate(texts):
        sandbox.put(f"customers/{i}.csv", text)
    [report] = sandbox.run(customers())
    assert (report.result.rows, report.result.duplicates) == (2, 2 * (len(texts) - 1))
    assert sandbox.validated(customers()).select("id", "name").rows() == [(1, "Ada"), (2, "Grace")]


def test_quoted_newlines_separators_and_quotes_stay_in_their_cell(sandbox: IngestionSandbox) -> None:
    table = customers()
    sandbox.put("customers/a.csv", 'id,name\n1,"A\nd,a"\n2,"say ""hi"""\r\n')
    sandbox.run(table)
    assert sandbox.validated(table)["name"].to_list() == ["A\nd,a", 'say "hi"']


def test_many_quoted_newlines_do_not_confuse_a_large_file(sandbox: IngestionSandbox) -> None:
    table, n = customers(), 60_000
    cell = '"' + "line, of text\n" * 20 + '"'
    sandbox.put("customers/a.csv", "id,name\n" + "".join(f"{i},{cell}\n" for i in range(n)))
    assert sandbox.ingest(table).rows == n
    assert sandbox.lake.rows("SELECT count(DISTINCT id), count(DISTINCT name) FROM raw.customers") == [(n, 1)]


def test_a_file_that_changes_while_it_is_read_is_left_for_the_next_scan(sandbox: IngestionSandbox) -> None:
    table, file = customers(), sandbox.put("customers/a.csv", GOOD)
    sandbox.put("customers/b.csv", "id,name\n9,Hedy\n")

    def grow(path: str) -> None:
        if path == "customers/a.csv":
            file.write_text(GOOD + "3,Jo")

    report = ingest(sandbox.stores, table, "run", on_file=grow)
    assert report.ingested == ["customers/b.csv"] and report.refused == []
    [waiting] = report.waiting
    assert "customers/a.csv (22 to 26 bytes): it changed while it was read. It is left for the next" in waiting.error
    file.write_text(GOOD + "3,Joan\n")
    assert pending(sandbox.state, table).new == ["customers/a.csv"]
    sandbox.run(table)
    assert sandbox.validated(table)["name"].to_list() == ["Ada", "Grace", "Joan", "Hedy"]


def test_a_half_written_file_that_was_read_is_mended_by_the_whole_one(sandbox: IngestionSandbox) -> None:
    table = customers()
    sandbox.put("customers/a.csv", GOOD + "3,Jo")
    sandbox.run(table)
    sandbox.put("customers/a.csv", GOOD + "3,Joan\n4,Hedy\n")
    sandbox.check_nothing_lost(table, sandbox.run(table))
    assert sandbox.validated(table).filter(pl.col("_superseded_at").is_null())["name"].to_list() == [
        "Ada",
        "Grace",
        "Joan",
        "Hedy",
    ]


def test_hidden_and_unfinished_files_are_not_looked_at(sandbox: IngestionSandbox) -> None:
    for name in (".a.csv", "b.csv.tmp", "c.csv.part", ".git/d.csv"):
        sandbox.put(f"customers/{name}", "no file yet")
    assert pending(sandbox.state, customers(source=Files("customers/**/*.csv*", format="csv"))).nothing


def test_a_refused_file_is_reported_each_time_but_read_again_only_when_it_changes(sandbox: IngestionSandbox) -> None:
    table = customers()
    sandbox.put("customers/a.csv", "id\n1\n")
    first = sandbox.ingest(table)
    seen: list[str] = []
    look = pending(sandbox.state, table)
    assert look.nothing and look.refused == first.refused
    again = ingest(sandbox.stores, table, "run", on_file=seen.append)
    assert again.refused == first.refused and seen == [] and again.ingested == []
    sandbox.put("customers/a.csv", GOOD)
    assert pending(sandbox.state, table).changed == ["customers/a.csv"]
    assert sandbox.ingest(table).ingested == ["customers/a.csv"]
    assert pending(sandbox.state, table).refused == []


def test_a_changed_file_that_cannot_be_read_leaves_the_rows_that_stood(sandbox: IngestionSandbox) -> None:
    table = customers()
    sandbox.put("customers/a.csv", GOOD)
    sandbox.run(table)
    sandbox.put("customers/a.csv", "id,na")
    [refusal] = sandbox.ingest(table).refused
    assert "contracted columns are missing: name" in refusal.error
    assert sandbox.build(table).unchanged
    sandbox.put("customers/a.csv", GOOD)  # taken back: nothing to do
    assert pending(sandbox.state, table).nothing and sandbox.ingest(table).ingested == []


def test_folders_and_broken_links_are_no_files_until_they_are(sandbox: IngestionSandbox) -> None:
    folder = sandbox.landing / "customers"
    folder.mkdir(parents=True)
    (folder / "a.csv").symlink_to(folder / "b.txt")
    (folder / "b.txt").mkdir()
    assert pending(sandbox.state, customers()).nothing  # a folder is no file
    (folder / "b.txt").rmdir()
    assert sandbox.ingest(customers()).ingested == []
    (folder / "b.txt").write_text(GOOD)
    assert sandbox.ingest(customers()).ingested == ["customers/a.csv"]


@pytest.mark.parametrize(
    ("encoding", "content", "names"),
    [
        ("cp1252", "id,name\n1,Zoë\n2,50 €\n".encode("cp1252"), ["Zoë", "50 €"]),
        ("utf-16", "id,name\n1,Zoë\n2,Łódź\n".encode("utf-16"), ["Zoë", "Łódź"]),
        ("UTF-16LE", "id,name\n1,Zoë\n".encode("utf-16-le"), ["Zoë"]),
    ],
)
def test_a_file_in_a_declared_encoding_is_read(tmp_path: Path, encoding: str, content: bytes, names: list[str]) -> None:
    (tmp_path / "names.csv").write_bytes(content)
    rows = read(tmp_path / "names.csv", "names.csv", Files("names.csv", encoding=encoding))
    assert rows.columns == ["id", "name"] and rows["name"].to_list() == names


@pytest.mark.parametrize(
    ("content", "remedy"),
    [
        ("id,name\n1,Zoë\n".encode("utf-16"), 'encoding="utf-16"'),
        ("id,name\n1,Zoë\n".encode("cp1252"), 'encoding="cp1252"'),
    ],
)
def test_a_file_in_another_encoding_names_the_encoding_to_declare(tmp_path: Path, content: bytes, remedy: str) -> None:
    (tmp_path / "names.csv").write_bytes(content)
    with pytest.raises(FileRefused, match=remedy):
        read(tmp_path / "names.csv", "names.csv", Files("names.csv"))


def test_a_file_that_is_not_as_declared_is_refused_where_it_differs(tmp_path: Path) -> None:
    (tmp_path / "names.csv").write_bytes("id,name\n1,Zoë\n".encode("cp1252"))
    with pytest.raises(FileRefused, match=r"after byte 0, line 1\): it is not ascii, as which it is declared"):
        read(tmp_path / "names.csv", "names.csv", Files("names.csv", encoding="ascii"))


def test_an_unknown_encoding_is_refused_when_it_is_declared() -> None:
    with pytest.raises(DeclarationError, match="encoding='utf-61' is no encoding that Python knows"):
        Files("names.csv", encoding="utf-61")
