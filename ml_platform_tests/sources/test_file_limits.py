"""The limits of a file are stated: each has a setting, an error that names it, and holds for land, run and new."""

import errno
import gzip
import io
import json
import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.authoring.opened import opened
from ml_platform.errors import FileRefused, LimitExceeded, SourceUnavailable
from ml_platform.runtime.workspace import Workspace
from ml_platform.settings import FileLimits, Settings
from ml_platform.sources import csv_reading
from ml_platform.sources.csv_reading import csv_share
from ml_platform.sources.file_reading import read, unopened
from ml_platform.sources.files import FileSource
from ml_platform.sources.foreseen import foreseen
from ml_platform.sources.guard import Guard
from ml_platform.sources.json_reading import _depth, read_json
from ml_platform.sources.landed import strays
from ml_platform.sources.landing import land
from ml_platform.sources.scan import pending, read_key
from ml_platform.spec.sources import Files
from ml_platform_tests.examples import tries
from ml_platform_tests.ingestion_sandbox import IngestionSandbox, customers

CSV = "id,name\n" + "".join(f"{n},Ada {n}\n" for n in range(60))
LONG = CSV + f"99,{'x' * 300}\n"
CELLS = [{"id": n, "name": "x" * 200} for n in range(60)]


def _parquet(frame: pl.DataFrame) -> bytes:
    packed = io.BytesIO()
    frame.write_parquet(packed)
    return packed.getvalue()


# name of the limit, its value, a file that is beyond it, where and how it is beyond it
BEYOND: list[tuple[str, float, str, str | bytes, str]] = [
    ("max_file_bytes", 200, "a.csv", CSV, "bytes): it holds more than 200 bytes"),
    ("max_file_bytes", 400, "a.csv.gz", gzip.compress(CSV.encode() * 9), "unpacked bytes): it holds more than"),
    ("max_file_bytes", 2000, "a.parquet", _parquet(pl.DataFrame(CELLS * 9)), "rows of 2 columns): it holds more"),
    ("max_file_bytes", 9000, "a.json", json.dumps(CELLS[:20]), "bytes of one JSON array, each of which counts 4"),
    ("max_columns", 1, "a.csv", CSV, "(line 1): it has 2 columns"),
    ("max_columns", 1, "a.json", json.dumps(CELLS), "(the array): it has 2 columns"),
    ("max_columns", 1, "a.ndjson", "\n".join(map(json.dumps, CELLS)), "(line 1): it has 2 columns"),
    ("max_columns", 1, "a.parquet", _parquet(pl.DataFrame(CELLS)), "(the schema): it has 2 columns"),
    ("max_line_bytes", 250, "a.csv", LONG, "(line 62): a line is longer than 250 bytes"),
    ("max_line_bytes", 100, "a.ndjson", "\n".join(map(json.dumps, CELLS)), "(line 1): a line is longer"),
    ("max_cell_bytes", 100, "a.json", json.dumps(CELLS), "(row 0 of 'name'): a cell is longer than 100 bytes"),
    ("max_cell_bytes", 100, "a.ndjson", "\n".join(map(json.dumps, CELLS)), "(row 0 of 'name'): a cell is longer"),
    ("max_nesting", 2, "a.json", json.dumps([{"id": [[n]], "b": 1} for n in range(60)]), "nested more than 2 deep"),
    ("max_nesting", 1, "a.parquet", _parquet(pl.DataFrame({"id": [[[1]]] * 60, "b": 1})), "nested more than 1 deep"),
    ("max_file_seconds", 1e-9, "a.csv", CSV, "it takes longer than 1e-09 seconds"),
    ("max_file_seconds", 1e-9, "a.json", json.dumps(CELLS), "it takes longer than"),
]


@pytest.mark.parametrize(("limit", "value", "name", "content", "said"), BEYOND)
@pytest.mark.parametrize("reader", ["run", "new"])
def test_what_is_beyond_a_limit_is_refused_with_its_place_and_setting(
    tmp_path: Path, reader: str, limit: str, value: float, name: str, content: str | bytes, said: str
) -> None:
    (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    limits = FileLimits(**{limit: value})
    with pytest.raises(LimitExceeded) as refused:
        if reader == "run":
            read(tmp_path / name, name, Files(name), limits)
        else:
            with opened(tmp_path / name, limits):
                pass
    assert refused.value.setting == limit and said in str(refused.value)
    assert f"ML_PLATFORM_{limit.upper()}, which is {value:,}" in str(refused.value)


def test_cells_of_a_csv_are_measured_too(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(LONG)
    with pytest.raises(LimitExceeded, match=r"row 60 of 'name'\): a cell is longer than 299 bytes"):
        read(tmp_path / "a.csv", "a.csv", Files("a.csv"), FileLimits(max_cell_bytes=299))
    assert read(tmp_path / "a.csv", "a.csv", Files("a.csv"), FileLimits(max_cell_bytes=300)).height == 61


@pytest.mark.parametrize("longest", [6, 7, 8])
def test_a_line_may_be_as_long_as_the_limit_and_not_one_byte_longer(tmp_path: Path, longest: int) -> None:
    (tmp_path / "a.csv").write_text("id,name\r\n1,Ada\n")
    if longest == 6:
        with pytest.raises(LimitExceeded, match=r"\(line 1\)"):
            read(tmp_path / "a.csv", "a.csv", Files("a.csv"), FileLimits(max_line_bytes=longest))
    else:
        read(tmp_path / "a.csv", "a.csv", Files("a.csv"), FileLimits(max_line_bytes=longest))


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_land_copies_nothing_that_a_run_would_refuse_for_its_size(
    sandbox: IngestionSandbox, tmp_path: Path, name: str
) -> None:
    packed = name.endswith(".gz")
    (tmp_path / name).write_bytes(gzip.compress(CSV.encode()) if packed else CSV.encode())
    small = sandbox.stores.settings.model_copy(update={"max_file_bytes": 300})
    table = customers(source=Files("customers/*", format="csv"))
    with pytest.raises(LimitExceeded, match="ML_PLATFORM_MAX_FILE_BYTES, which is 300"):
        land(small, table, [tmp_path / name])
    assert not sandbox.landing.exists()


def test_a_file_is_read_anew_once_the_limit_is_raised_and_not_before(tmp_path: Path, empty_lake: Path) -> None:
    def look(**limits: Any) -> tuple[list[str], list[str], list[str]]:
        with closing(Workspace.open(Settings(data=tmp_path, threads=2, **limits), {})) as stores:
            waiting = pending(stores.state, customers()).paths
            report = IngestionSandbox(stores).ingest(customers())
            return waiting, report.ingested, [one.path for one in report.refused]

    shutil.copytree(empty_lake, tmp_path / "lake")
    (tmp_path / "landing" / "customers").mkdir(parents=True)
    (tmp_path / "landing" / "customers" / "a.csv").write_text(CSV)
    path = ["customers/a.csv"]
    assert look(max_file_bytes=200) == (path, [], path)
    assert look(max_file_bytes=200) == ([], [], path)
    assert look(max_file_bytes=2000) == (path, path, [])
    assert look(max_file_bytes=200) == ([], [], [])  # it was read: a lower limit takes nothing away


def test_a_pattern_that_matches_too_many_files_is_named_and_reads_none(tmp_path: Path, empty_lake: Path) -> None:
    few, table = Settings(data=tmp_path, threads=2, max_files=2), customers()
    shutil.copytree(empty_lake, few.lake)
    with closing(Workspace.open(few, {})) as stores:
        sandbox = IngestionSandbox(stores)
        for number in range(3):
            sandbox.put(f"customers/{number}.csv", CSV)
        look, report = pending(stores.state, table), sandbox.ingest(table)
        assert report.ingested == [] and look.unavailable is not None and report.unavailable == look.unavailable
        assert "customers/*.csv (in " in look.unavailable.error
        assert "matches more than 2 files. Narrow it, move files away, or raise ML_PLATFORM_MAX_FILES" in str(look)
        assert {stray.why for stray in strays(few, [table])} == {"is one of the files of customers, which has too many"}
        assert FileSource(few, table).marks() == [] and foreseen(few, table, ["customers/0.csv"]) == []
        (sandbox.landing / "customers" / "0.csv").unlink()
        assert sandbox.ingest(table).ingested == ["customers/1.csv", "customers/2.csv"]


@pytest.mark.parametrize("seconds", [1e-9, 0.05])  # over before the query begins, and in the middle of it
def test_the_time_of_a_file_ends_a_query(seconds: float) -> None:
    guard = Guard("a.csv", FileLimits(max_file_seconds=seconds))
    connection, endless = (
        duckdb.connect(),
        "SELECT max(hash(a.range + b.range)) FROM range(1000000) a, range(1000000) b",
    )
    with closing(connection), pytest.raises(duckdb.InterruptException), guard.interrupting(connection.interrupt):
        connection.execute(endless)
    with pytest.raises(LimitExceeded, match=r"a\.csv: it takes longer than"):
        guard.check_time()


def test_an_archive_may_have_any_ratio_until_it_is_large() -> None:
    guard = Guard("a.csv.gz", FileLimits(max_unpacked_ratio=20, max_file_bytes=10**9))
    guard.check_unpacked(100_000_000, packed=1_000)
    guard.check_unpacked(400_000_000, packed=20_000_000)
    with pytest.raises(LimitExceeded, match=r"\(after 100,000,001 unpacked bytes\): it unpacks to more than 20 times"):
        guard.check_unpacked(100_000_001, packed=1_000)
    with pytest.raises(LimitExceeded, match=r"its 20,000,000 bytes\. .* ML_PLATFORM_MAX_UNPACKED_RATIO, which is 20"):
        guard.check_unpacked(400_000_001, packed=20_000_000)


def test_what_unpacks_to_more_than_memory_should_hold_is_refused_though_its_ratio_is_harmless() -> None:
    with pytest.raises(LimitExceeded, match=r"more than 1,000,000,000 bytes\. .* ML_PLATFORM_MAX_FILE_BYTES"):
        Guard("a.json.gz", FileLimits()).check_unpacked(1_000_000_001, packed=50_000_000)


@pytest.mark.parametrize("memory", ["10MB", "2GB"])
def test_a_csv_is_read_with_the_memory_and_the_threads_of_the_settings(tmp_path: Path, memory: str) -> None:
    (tmp_path / "a.csv").write_text("id,name\n" + "".join(f"{n},{'x' * 300}\n" for n in range(100_000)))
    limits = FileLimits(memory_limit=memory, threads=64)
    assert read(tmp_path / "a.csv", "a.csv", Files("a.csv"), limits).height == 100_000
    share = csv_share(limits)
    reader = csv_reading._reader(share["memory_limit"], share["threads"])
    [(threads, folder)] = reader.execute(
        "SELECT current_setting('threads'), current_setting('temp_directory')"
    ).fetchall()
    assert (threads, folder) == ({"10MB": 2, "2GB": 31}[memory], "")


def test_a_refused_file_is_not_read_anew_because_the_memory_is_another_one() -> None:
    less, more = FileLimits(memory_limit="1GB", threads=1), FileLimits(memory_limit="4GB", threads=8)
    assert read_key(customers(), less) == read_key(customers(), more)
    assert read_key(customers(), less) != read_key(customers(), FileLimits(max_columns=7))


def test_the_time_of_a_file_begins_with_the_file() -> None:
    seconds = iter([100.0, 109.0, 111.0])
    guard = Guard("a.csv", FileLimits(max_file_seconds=10), clock=lambda: next(seconds))
    guard.check_time()
    with pytest.raises(LimitExceeded):
        guard.check_time("line 7")


def test_the_time_of_a_file_ends_an_array_of_json_in_its_middle_and_refuses_parquet_at_its_end(tmp_path: Path) -> None:
    seconds = iter([0.0, *[1.0] * 3])

    def clock() -> float:
        return next(seconds, 99.0)

    array = tmp_path / "a.json"
    array.write_text(json.dumps([{"id": n} for n in range(9000)]))
    with pytest.raises(LimitExceeded, match=r"a\.json \(object 4,096\): it takes longer than 10 seconds"):
        read_json(array, Guard("a.json", FileLimits(max_file_seconds=10), clock=clock))
    (tmp_path / "a.parquet").write_bytes(_parquet(pl.DataFrame(CELLS)))
    with pytest.raises(LimitExceeded, match=r"a\.parquet: it takes longer than 1e-09 seconds"):
        read(tmp_path / "a.parquet", "a.parquet", Files("a.parquet"), FileLimits(max_file_seconds=1e-9))


def test_a_fault_of_the_machine_refuses_no_file() -> None:
    with pytest.raises(SourceUnavailable, match=r"No space left on device\. The next run"):
        unopened("a.csv.gz", OSError(errno.ENOSPC, "No space left on device"))
    assert type(unopened("a.csv.gz", OSError(errno.EACCES, "Permission denied"))) is FileRefused


NESTED = st.recursive(
    st.one_of(st.none(), st.text(), st.integers()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=12,
)


def _depth_of(value: object) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(_depth_of, inner), default=0)


@settings(deadline=None, max_examples=tries(25))
@given(NESTED)
def test_brackets_in_texts_are_no_nesting(value: object) -> None:
    assert _depth(json.dumps(value, ensure_ascii=False).encode()) == _depth_of(value)
