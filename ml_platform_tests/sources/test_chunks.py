"""Files are read in bounded frames: the same rows, types and refusals as whole, and nothing half in raw."""

from contextlib import nullcontext
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from ml_platform.errors import FileRefused
from ml_platform.lake.blobs import file_hash
from ml_platform.settings import FileLimits
from ml_platform.sources import chunks
from ml_platform.sources.content import Content
from ml_platform.sources.file_reading import read, read_into
from ml_platform.sources.source import RowSink
from ml_platform.spec.sources import Files
from ml_platform_tests.ingestion_sandbox import IngestionSandbox, customers

_CSV = Files("x.csv")


class Taken(RowSink):
    """Keeps the heights and types of what it takes."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.frames: list[pl.DataFrame] = []

    def begin(self, fingerprint: str) -> None:
        self.begun.append(fingerprint)
        self.frames = []

    def take(self, frame: pl.DataFrame) -> None:
        self.frames.append(frame)


def _taken(file: Path, source: Files, limits: FileLimits) -> Taken:
    rows = Taken()
    read_into(rows, Content(file), file.name, source, limits)
    return rows


@pytest.fixture
def three_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunks, "ROWS", 3)


@pytest.mark.usefixtures("three_rows")
def test_every_frame_of_a_csv_but_the_last_has_the_same_number_of_rows(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("a,b\n" + "".join(f"{i},'\n" for i in range(7)))
    rows = _taken(file, _CSV, FileLimits())
    assert [frame.height for frame in rows.frames] == [3, 3, 1] and rows.begun == [file_hash(file)]
    assert pl.concat(rows.frames)["a"].to_list() == [str(i) for i in range(7)]


@pytest.mark.usefixtures("three_rows")
def test_a_csv_with_mixed_line_ends_is_taken_from_the_start_by_the_slow_reader(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(b"a,b\n" + b"1,2\n" * 5 + b"3,4\r5,6\r\n")
    rows = _taken(file, _CSV, FileLimits())
    assert pl.concat(rows.frames)["a"].to_list() == ["1"] * 5 + ["3", "5"]
    assert [frame.height for frame in rows.frames] == [3, 3, 1]


@pytest.mark.usefixtures("three_rows")
def test_the_types_of_parquet_do_not_depend_on_the_frame(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "late": pl.Series([None] * 6 + [[1]], dtype=pl.List(pl.Int8)),
            "kind": pl.Series([*"abcabca"], dtype=pl.Categorical),
            "none": pl.Series([None] * 7),
        }
    )
    file = tmp_path / "a.parquet"
    frame.write_parquet(file)
    frames = _taken(file, Files("x.parquet"), FileLimits()).frames
    assert [part.height for part in frames] == [3, 3, 1]
    assert_frame_equal(pl.concat(frames), read(file, "a", Files("x.parquet")))
    assert {str(part.schema) for part in frames} == {str(frame.schema)}


@pytest.mark.usefixtures("three_rows")
def test_a_cell_that_is_too_long_is_named_by_its_number_in_the_file(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("a\n" + "1\n" * 5 + "12345678901\n")
    with pytest.raises(FileRefused, match="row 5 of 'a'"):
        read(file, "a.csv", _CSV, FileLimits(max_cell_bytes=10))


@pytest.mark.usefixtures("three_rows")
def test_a_file_that_is_refused_for_its_last_row_leaves_nothing(sandbox: IngestionSandbox) -> None:
    table = customers()
    sandbox.put("customers/a.csv", "id,name,extra\n" + "".join(f"{i},n,x\n" for i in range(9)) + "9,{SNAPSHOT_ID},x\n")
    sandbox.put("customers/b.csv", "id,name\n" + "".join(f"{i},n\n" for i in range(5)))
    report = sandbox.ingest(table)
    assert [refused.path for refused in report.refused] == ["customers/a.csv"] and report.rows == 5
    assert sandbox.lake.rows("SELECT _row, name FROM raw.customers ORDER BY 1") == [(i, "n") for i in range(5)]
    assert "extra" not in sandbox.lake.columns("raw", "customers")
    assert not list((sandbox.lake.folder / "staging").iterdir())


@pytest.mark.parametrize(
    "content", [b"a,b\n1,2\n", b"a\n" + b"12345678\n" * 300_000, b"a\n\xff\n"], ids=["small", "large", "broken"]
)
def test_the_hash_of_a_text_is_taken_while_it_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    file = tmp_path / "a.csv"
    file.write_bytes(content)
    read_again: list[Path] = []

    def noted(path: Path) -> str:
        read_again.append(path)
        return file_hash(path)

    monkeypatch.setattr("ml_platform.sources.content.file_hash", noted)
    whole, rows = Content(file), Taken()
    broken = content.endswith(b"\xff\n")
    with pytest.raises(FileRefused) if broken else nullcontext():
        read_into(rows, whole, "a.csv", _CSV)
    assert whole.sha256() == file_hash(file)
    assert read_again == ([file] if broken else [])
