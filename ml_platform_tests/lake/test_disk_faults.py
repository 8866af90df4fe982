import errno
import sqlite3
import tempfile
from pathlib import Path
from types import SimpleNamespace

import duckdb
import pytest
from polars.exceptions import ComputeError

from ml_platform.errors import LakeError
from ml_platform.lake.blobs import Blobs
from ml_platform.lake.connection import Lake
from ml_platform.lake.disk_faults import disk_fault
from ml_platform.lake.query import ask as ask_lake
from ml_platform.lake.transaction import Author, write
from ml_platform.orchestration.home_faults import DagsterHomeFault, home_faults_explained
from ml_platform.settings import Settings
from ml_platform_tests.lake.programs import both_halves, finish, start


@pytest.mark.parametrize("how", ["frame", "staged"])
def test_a_full_disk_is_told_with_path_and_remedy_and_nothing_is_committed(
    lake: Lake, settings: Settings, how: str
) -> None:
    both_halves(lake, 1)
    said = finish(start("fill_the_disk", settings.data, how))
    assert str(lake.folder) in said
    assert "Nothing was committed. Free space" in said
    assert lake.columns("s", "big") == {}
    assert not list((lake.folder / "staging").glob("*.parquet"))
    both_halves(lake, 2)


def test_a_lake_that_cannot_be_made_names_the_folder_and_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(LakeError, match=r"file/data/lake is not writable: .*set ML_PLATFORM_DATA"):
        Lake(Settings(data=tmp_path / "file" / "data"))
    with pytest.raises(LakeError, match="set ML_PLATFORM_DATA"):
        Blobs(Settings(data=tmp_path / "file" / "data")).put_bytes(b"x")


def test_a_lake_that_is_not_there_is_not_made_by_reading(tmp_path: Path) -> None:
    with pytest.raises(LakeError, match=r"There is no lake in .*ml-platform run"):
        Lake(Settings(data=tmp_path / "none"), read_only=True)
    assert list(tmp_path.iterdir()) == []


def test_a_catalog_that_is_not_one_is_told(settings: Settings) -> None:
    settings.lake.mkdir(parents=True)
    (settings.lake / "catalog.sqlite").write_bytes(b"garbage" * 1000)
    with pytest.raises(LakeError, match=r"cannot be opened: .*ml-platform restore"):
        Lake(settings)


@pytest.mark.parametrize(
    ("error", "part"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "is full"),
        (OSError(errno.EROFS, "Read-only file system"), "is not writable"),
        (duckdb.IOException("IO Error: Could not write file: No space left on device"), "is full"),
        (ComputeError("parquet: underlying IO error: No space left on device (os error 28)"), "is full"),
        (duckdb.Error("attempt to write a readonly database"), "is not writable"),
        (duckdb.Error("database or disk is full"), "is full"),
        (sqlite3.OperationalError("database or disk is full"), "is full"),
        (OSError(errno.EIO, "Input/output error"), "The disk of /the/lake fails"),
        (sqlite3.OperationalError("disk I/O error"), "The disk of /the/lake fails"),
        (duckdb.IOException("IO Error: Could not read file: Input/output error"), "The disk of /the/lake fails"),
        (MemoryError(), "Out of memory: The machine has no memory left."),
    ],
)
def test_what_disks_say_becomes_a_lake_error_with_the_path(error: Exception, part: str) -> None:
    fault = disk_fault(error, Path("/the/lake"))
    assert fault is not None
    assert "/the/lake" in str(fault) or isinstance(error, MemoryError)
    assert part in str(fault)


def test_a_vague_word_of_sqlite_means_a_full_disk_where_there_is_no_room(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    error = sqlite3.OperationalError("disk I/O error")
    rooms = {0: f"The disk of {tmp_path} is full", 10**9: f"The disk of {tmp_path} fails: disk I/O error"}
    for free, beginning in rooms.items():
        monkeypatch.setattr("shutil.disk_usage", lambda path, free=free: SimpleNamespace(free=free))
        assert str(disk_fault(error, tmp_path)).startswith(beginning)
        named = pytest.raises(DagsterHomeFault, match="is full" if free == 0 else "fails: disk I/O error")
        with named, home_faults_explained():
            raise error


def test_want_of_memory_is_told_in_one_line_with_the_setting(settings: Settings) -> None:
    with Lake(settings.model_copy(update={"memory_limit": "40MB"})) as lake:
        for ask in (lake.rows, lake.frame):
            with pytest.raises(LakeError, match=r"^Out of memory: .* Raise ML_PLATFORM_MEMORY_LIMIT") as raised:
                ask("SELECT list(i) FROM range(9_000_000) t(i)")
            assert "\n" not in str(raised.value)
        with pytest.raises(LakeError, match="ML_PLATFORM_MEMORY_LIMIT"), write(lake, Author("s/t")) as tx:
            tx.execute("CREATE TABLE t AS SELECT list(i) AS v FROM range(9_000_000) t(i)")
    little = settings.model_copy(update={"memory_limit": "40MB"})
    with Lake(little, read_only=True) as lake, pytest.raises(LakeError, match="ML_PLATFORM_MEMORY_LIMIT"):
        ask_lake(lake, "SELECT list(i) FROM range(9_000_000) t(i)")


def test_a_disk_without_room_for_what_queries_spill_is_a_full_disk(settings: Settings) -> None:
    settings = settings.model_copy(update={"memory_limit": "40MB"})
    Lake(settings).close()
    for read_only in (False, True):
        with Lake(settings, read_only=read_only) as lake:
            lake.connection.execute("SET max_temp_directory_size = '1MB'")
            folder = Path(tempfile.gettempdir()) if read_only else lake.folder / "staging"
            with pytest.raises(LakeError, match=f"The disk of {folder} is full") as raised:
                lake.rows("SELECT count(*) FROM (SELECT i, hash(i) AS h FROM range(5_000_000) t(i) ORDER BY h)")
            assert ("TMPDIR" in str(raised.value)) is read_only


def test_a_full_disk_elsewhere_is_named_as_what_it_is() -> None:
    error = OSError(errno.ENOSPC, "No space left on device", f"{tempfile.gettempdir()}/unpacked-x/content")
    assert f"The disk of {tempfile.gettempdir()}/unpacked-x/content is full" in str(
        disk_fault(error, Path("/the/lake"))
    )
    assert "TMPDIR" in str(disk_fault(error, Path("/the/lake")))
    assert "TMPDIR" not in str(disk_fault(OSError(errno.ENOSPC, "full"), Path("/the/lake")))


def test_other_errors_stay_what_they_are() -> None:
    assert disk_fault(duckdb.BinderException("no such column"), Path("x")) is None
    assert disk_fault(FileNotFoundError(errno.ENOENT, "gone"), Path("x")) is None
    assert disk_fault(ValueError("no space left"), Path("x")) is None
